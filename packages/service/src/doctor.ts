import { existsSync } from 'node:fs'
import { readFile, statfs } from 'node:fs/promises'
import { connect } from 'node:net'
import { dirname } from 'node:path'

import { ERROR_STATUSES, isErrorStatus } from '@lhspn/apns-protocol'
import { type Database, openDatabase } from '@lhspn/database'
import { openDeviceStore } from '@lhspn/device-store'
import type { Certificate } from '@lhspn/sender'

import { type AppConfig, type Environment, ENVIRONMENTS, isPem } from './app-config.ts'
import { readCertificate } from './apps.ts'
import type { Config } from './config.ts'
import { type Probe, probeGateway } from './gateway-probe.ts'
import { schemaStatus } from './schema.ts'

/** `fail`: it does not work; `warn`: it works, and something may come. */
export type Verdict = 'ok' | 'warn' | 'fail'

/** One line of the doctor. */
export interface Check {
  /** What was looked at: `database`, `certificate com.example.app production`. */
  readonly check: string
  readonly verdict: Verdict
  readonly found: string
  /** What to do, where there is something. */
  readonly remedy?: string
}

export interface DoctorOptions {
  readonly signal?: AbortSignal | undefined
  /** The clock, in ms since 1970; for tests. */
  readonly now?: (() => number) | undefined
}

const DAY_MS = 86_400_000
const SOON_MS = 30 * DAY_MS
/** Times of registrations are compared with times of Apple's, which are seconds. */
const MOST_CLOCK_MS = 1000
const LITTLE_SPACE = 1024 ** 3
const NO_SPACE = 64 * 1024 ** 2
/** Of the devices of an app in an environment. */
const MANY_REFUSED = 0.05

/**
 * Checks an installation end to end, one thing after the other. Nothing is changed: no schema, no file, no list of the
 * feedback service, and no notification is sent to any device.
 * @param load reads the configuration; what it throws is what the first check finds
 */
export async function* examine(
  load: () => Config,
  options: DoctorOptions = {},
): AsyncGenerator<Check, void, undefined> {
  let config: Config
  try {
    config = load()
  } catch (error) {
    yield failure('configuration', error)
    return
  }
  yield configuration(config)
  yield* examineDatabase(config, options)
  if (config.apps.length === 0) {
    yield { check: 'apps', verdict: 'warn', found: 'no app is configured', remedy: 'Run `lhspn apps add TOPIC`.' }
  }
  for (const app of config.apps) {
    if (app.gateway === undefined && app.sandboxGateway === undefined) {
      const remedy = 'Set gateway or sandboxGateway in its [[apps]] block.'
      yield { check: `gateway ${app.topic}`, verdict: 'warn', found: 'none is configured: nothing can be sent', remedy }
    }
    for (const environment of ENVIRONMENTS) yield* examineApp(config, app, environment, options)
  }
}

function configuration({ file, settings }: Config): Check {
  const counts = new Map<string, number>()
  for (const { origin } of settings) counts.set(origin, (counts.get(origin) ?? 0) + 1)
  const origins = [...counts].map(
    ([origin, count]) => `${count} from ${origin === 'default' ? 'defaults' : `the ${origin}`}`,
  )
  const found = `${file ?? 'no file'}: ${origins.join(', ')}`
  const check = 'configuration'
  if (file !== undefined || counts.has('environment')) return { check, verdict: 'ok', found }
  return { check, verdict: 'warn', found, remedy: 'Run `lhspn init`, or name the file with --config.' }
}

async function* examineDatabase(config: Config, { signal }: DoctorOptions): AsyncGenerator<Check, void, undefined> {
  const { url, password } = config.database
  const shown = String(config.settings.find(({ key }) => key === 'database.url')?.value ?? url)
  const file = url.startsWith('sqlite:') && url !== 'sqlite::memory:' ? url.slice('sqlite:'.length) : undefined
  if (file !== undefined && !existsSync(file)) {
    const remedy = 'Run `lhspn migrate`, or correct database.url.'
    yield { check: 'database', verdict: 'fail', found: `${shown}: there is no such file`, remedy }
    return
  }
  let database: Database
  try {
    const startedAt = performance.now()
    database = await openDatabase(url, { password, signal })
    const version = await versionOf(database)
    const ms = Math.round(performance.now() - startedAt)
    yield { check: 'database', verdict: 'ok', found: `${shown}: ${version}, reached in ${ms} ms` }
  } catch (error) {
    signal?.throwIfAborted()
    yield failure('database', error)
    return
  }
  try {
    const schema = await examineSchema(database, config)
    yield schema
    if (file === undefined) yield await examineClock(database)
    else yield await examineSpace(file)
    if (schema.verdict === 'ok') yield* examineDevices(database, config)
  } finally {
    await database.close()
  }
}

/** A transaction, because it waits for those who write, as a registration would. */
async function versionOf(database: Database): Promise<string> {
  const [name, sql] =
    database.dialect.name === 'mysql'
      ? ['MySQL', 'SELECT VERSION() AS version']
      : ['SQLite', 'SELECT sqlite_version() AS version']
  const [row] = await database.transaction((transaction) => transaction.query<{ version: string }>(sql))
  const version = row?.version ?? ''
  return /mariadb/i.test(version) ? `MariaDB ${version.replace(/-MariaDB.*/i, '')}` : `${name} ${version}`
}

async function examineSchema(database: Database, config: Config): Promise<Check> {
  const check = 'schema'
  try {
    const statuses = await schemaStatus(database)
    const newer = statuses.filter(({ version, latest }) => version > latest)
    if (newer.length > 0) {
      const found = newer.map(
        ({ owner, version, latest }) =>
          `the tables of ${owner} have version ${version}, and this program knows ${latest}`,
      )
      const remedy = 'Start a newer version, or restore a backup made before the upgrade.'
      return { check, verdict: 'fail', found: found.join('; '), remedy }
    }
    const due = statuses.flatMap(({ owner, pending }) => pending.map((name) => `${owner} ${name}`))
    if (due.length === 0) {
      return { check, verdict: 'ok', found: statuses.map(({ owner, version }) => `${owner} ${version}`).join(', ') }
    }
    const isManual = config.database.migrate === 'manual'
    const when = isManual ? 'nothing starts before they are run' : 'the next start runs them'
    const verdict = isManual ? 'fail' : 'warn'
    return { check, verdict, found: `due: ${due.join(', ')}; ${when}`, remedy: 'Run `lhspn migrate`.' }
  } catch (error) {
    return failure(check, error)
  }
}

async function examineClock(database: Database): Promise<Check> {
  const check = 'clock'
  try {
    const before = Date.now()
    const there = await database.now()
    const after = Date.now()
    const ms = Math.round(Math.abs(there - (before + after) / 2))
    const found = `the database's clock differs by ${ms} ms`
    if (ms <= MOST_CLOCK_MS + (after - before)) return { check, verdict: 'ok', found }
    const remedy = 'Synchronize the clocks of this machine and of the database (NTP).'
    return { check, verdict: 'warn', found, remedy }
  } catch (error) {
    return failure(check, error)
  }
}

async function examineSpace(file: string): Promise<Check> {
  const check = 'disk space'
  try {
    const { bavail, bsize } = await statfs(dirname(file))
    const bytes = bavail * bsize
    const found = `${(bytes / 1024 ** 3).toFixed(1)} GiB free beside ${file}`
    if (bytes >= LITTLE_SPACE) return { check, verdict: 'ok', found }
    return { check, verdict: bytes < NO_SPACE ? 'fail' : 'warn', found, remedy: 'Make room, or move the database.' }
  } catch (error) {
    return failure(check, error)
  }
}

async function* examineDevices(database: Database, config: Config): AsyncGenerator<Check, void, undefined> {
  const store = await openDeviceStore(database, { migrate: 'manual' })
  for (const app of config.apps) {
    for (const environment of ENVIRONMENTS) {
      const check = `devices ${app.topic} ${environment}`
      try {
        const query = { app: app.topic, environment }
        const count = await store.count(query)
        if (count === 0) continue
        const refused = await store.count({ ...query, refused: true })
        const found = `${count.toLocaleString('en-US')}, of which ${refused.toLocaleString('en-US')} refused`
        if (gatewayOf(app, environment) === undefined) {
          const remedy = `Set ${environment === 'sandbox' ? 'sandboxGateway' : 'gateway'} in its [[apps]] block.`
          yield { check, verdict: 'warn', found: `${found}; there is no gateway to reach them`, remedy }
        } else if (refused >= count * MANY_REFUSED && refused > 0) {
          const remedy = 'See whether they belong to the other environment: they are skipped until they register again.'
          yield { check, verdict: 'warn', found, remedy }
        } else yield { check, verdict: 'ok', found }
      } catch (error) {
        yield failure(check, error)
      }
    }
  }
}

async function* examineApp(
  config: Config,
  app: AppConfig,
  environment: Environment,
  options: DoctorOptions,
): AsyncGenerator<Check, void, undefined> {
  const gateway = gatewayOf(app, environment)
  const feedback = environment === 'sandbox' ? app.sandboxFeedback : app.feedback
  if (gateway === undefined && feedback === undefined) return
  const name = `${app.topic} ${environment}`
  let credentials: Certificate | undefined
  try {
    credentials = await readCertificate(app, environment)
    yield judgeCertificate(`certificate ${name}`, app, credentials, (options.now ?? Date.now)())
  } catch (error) {
    yield failure(`certificate ${name}`, error)
  }
  if (gateway !== undefined && credentials !== undefined) {
    yield* examineGateway(name, gateway, credentials, config, app, options)
  }
  if (feedback !== undefined) yield await examineFeedback(`feedback ${name}`, feedback, config, options)
}

function judgeCertificate(check: string, { topic }: AppConfig, { topics, expiresAt }: Certificate, now: number): Check {
  const leftMs = expiresAt.getTime() - now
  const whose = topics.length === 0 ? 'names no app' : `for ${topics.join(', ')}`
  const days = Math.floor(leftMs / DAY_MS)
  const found = `${whose}, ${leftMs > 0 ? `until ${dayOf(expiresAt)}, ${days} days` : `expired on ${dayOf(expiresAt)}`}`
  const renew = 'Renew it in your developer account.'
  if (leftMs <= 0) return { check, verdict: 'fail', found, remedy: renew }
  if (topics.length > 0 && !topics.includes(topic)) {
    return { check, verdict: 'fail', found, remedy: `Name the certificate of ${topic}.` }
  }
  if (leftMs < SOON_MS) return { check, verdict: 'warn', found, remedy: renew }
  if (topics.length === 0) {
    return { check, verdict: 'warn', found, remedy: 'Make sure that it is a push certificate of this app.' }
  }
  return { check, verdict: 'ok', found }
}

async function* examineGateway(
  name: string,
  address: string,
  credentials: Certificate,
  config: Config,
  app: AppConfig,
  { signal }: DoctorOptions,
): AsyncGenerator<Check, void, undefined> {
  const check = `gateway ${name}`
  const { requestTimeoutMs: timeoutMs, quietTimeMs } = config.sender
  let probe: Probe
  try {
    const options = { address, credentials, ca: await caOf(app), timeoutMs, quietTimeMs, signal }
    probe = await probeGateway(options)
    // at a gateway that does not know barriers one may end the connection, which a refused certificate does in any case
    if (probe.kind === 'closed' && (await probeGateway(options, true)).kind === 'silent') {
      probe = { kind: 'silent', over: probe.over }
    }
  } catch (error) {
    signal?.throwIfAborted()
    yield failure(check, error)
    return
  }
  if (!('over' in probe)) {
    yield { check, verdict: 'fail', found: probe.detail, remedy: REMEDIES[probe.kind] }
    return
  }
  const { address: ip, protocol } = probe.over
  yield {
    check,
    verdict: 'ok',
    found: `${address}${address.startsWith(ip) ? '' : ` (${ip})`} reached over ${protocol}`,
  }
  yield judgeBarrier(`barrier ${name}`, probe)
}

const REMEDIES = {
  'unknown-host': 'Correct the host name, or the DNS of this machine.',
  unreachable: 'Check the address, the network and the gateway.',
  'no-tls': 'Check that the address is that of the gateway, and that nothing stands between.',
  untrusted: 'Set ca to the authority that signed it, or correct the host name.',
} as const

/** Statuses that are about the certificate: it names no topic, or none that this gateway takes. */
const MISSING_TOPIC = 3
const INVALID_TOPIC_SIZE = 6
const SHUTDOWN = 10

function judgeBarrier(check: string, probe: Extract<Probe, { readonly over: unknown }>): Check {
  const remedy = 'Check that the certificate is valid, not revoked, and made for this app and environment.'
  switch (probe.kind) {
    case 'refused':
      return { check, verdict: 'fail', found: `the client certificate was refused with ${probe.detail}`, remedy }
    case 'closed':
      return { check, verdict: 'fail', found: 'the connection was closed at once, without an answer', remedy }
    case 'silent': {
      const effect = 'what is accepted stays unconfirmed'
      const found = `no answer: this gateway does not know the confirmation barrier, and ${effect}`
      return { check, verdict: 'warn', found, remedy: 'Set sender.assumeAccepted if silence means acceptance to you.' }
    }
    case 'answered': {
      const { status } = probe.response
      const what = isErrorStatus(status) ? ERROR_STATUSES[status].name : 'a status that Apple never named'
      const found = `answered with status ${status} (${what}) in ${Math.max(1, Math.round(probe.ms))} ms`
      if (status === MISSING_TOPIC || status === INVALID_TOPIC_SIZE) return { check, verdict: 'fail', found, remedy }
      if (status === SHUTDOWN) return { check, verdict: 'warn', found, remedy: 'Try again: it was shutting down.' }
      return { check, verdict: 'ok', found: `${found}: the certificate was taken` }
    }
    default:
      throw new TypeError(`no such probe: ${JSON.stringify(probe satisfies never)}`)
  }
}

/** TCP only: with TLS the service would hand out its list, and forget it. */
async function examineFeedback(
  check: string,
  address: string,
  config: Config,
  { signal }: DoctorOptions,
): Promise<Check> {
  const at = address.lastIndexOf(':')
  const host = address.slice(0, at).replace(/^\[|\]$/g, '')
  const socket = connect({ host, port: Number(address.slice(at + 1)), timeout: config.sender.requestTimeoutMs })
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', () => resolve())
      socket.once('error', reject)
      socket.once('timeout', () => reject(new Error('it did not answer in time')))
      signal?.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
    })
    const found = `${address} reached over TCP; TLS is not tried, since reading the list forgets it`
    return { check, verdict: 'ok', found }
  } catch (error) {
    signal?.throwIfAborted()
    const why = error instanceof Error ? error.message : String(error)
    return { check, verdict: 'fail', found: `${address}: ${why}`, remedy: REMEDIES.unreachable }
  } finally {
    socket.destroy()
  }
}

function gatewayOf(app: AppConfig, environment: Environment): string | undefined {
  return environment === 'sandbox' ? app.sandboxGateway : app.gateway
}

async function caOf({ ca }: AppConfig): Promise<string | undefined> {
  return ca === undefined || isPem(ca) ? ca : readFile(ca, 'utf8')
}

function dayOf(time: Date): string {
  return time.toISOString().slice(0, 10)
}

/** What was thrown, as what was found; our errors bring their remedy. */
function failure(check: string, error: unknown): Check {
  const found = error instanceof Error ? error.message : String(error)
  const remedy = error instanceof Error && 'remedy' in error ? { remedy: String(error.remedy) } : {}
  return { check, verdict: 'fail', found, ...remedy }
}
