import { dirname, resolve } from 'node:path'

import { type AppConfig, isPem, readApp } from './app-config.ts'
import { type ConfigFault, ServiceError } from './errors.ts'
import type { Given, GivenKeys, Origin } from './given.ts'
import {
  isConfigKey,
  type ConfigKey,
  type Key,
  KEYS,
  type LogFormat,
  type LogLevel,
  type MigrateMode,
  type RateLimit,
  type ValueOf,
} from './keys.ts'
import { didYouMean } from './nearest.ts'
import { readToml } from './toml-document.ts'
import { readVariables } from './variables.ts'

const REDACTED = '[redacted]'

/** Everything that is configured, checked, with defaults filled in. */
export interface Config {
  /** The file that was read; undefined where there is none. */
  readonly file: string | undefined
  readonly database: {
    /** `mysql://…` or `sqlite:…`; a relative SQLite file is made absolute. */
    readonly url: string
    readonly password: string | undefined
    readonly migrate: MigrateMode
  }
  readonly queue: {
    /** `redis://…` or `rediss://…`; undefined: the queue is in the database. May hold a password. */
    readonly url: string | undefined
  }
  readonly server: {
    /** HOST:PORT of the API; port 0 is any free one. */
    readonly listen: string
    /** Stands before every path; `''` or `/…` without a slash at its end. */
    readonly basePath: string
    /** Addresses and networks whose `X-Forwarded-For` counts. */
    readonly trustProxy: readonly string[]
    /** How long requests and notifications in flight may take when the program is asked to end. */
    readonly drainTimeoutMs: number
  }
  /** Where health is told, without keys. */
  readonly ops: { readonly listen: string }
  /** The save-token endpoint of LHSPNservice, and the app whose devices come there. */
  readonly legacy: { readonly enabled: boolean; readonly app: string | undefined }
  readonly rateLimit: { readonly register: RateLimit; readonly api: RateLimit }
  readonly dispatcher: {
    /** Devices that are delivered, written down, judged and marked together. */
    readonly chunkSize: number
    /** Chunks at once; small ones do not count. */
    readonly concurrency: number
    /** How long a chunk is one process's, unless that renews it. */
    readonly leaseMs: number
    /** Share of rejected tokens that means the wrong environment; 1 is off. */
    readonly mismatchShare: number
    /** How long records of notifications, and tombstones, are kept. */
    readonly retentionMs: number
  }
  readonly feedback: { readonly everyMs: number }
  /** One more admin key than those in the database. */
  readonly adminKey: string | undefined
  readonly sender: {
    /** Connections at once to one gateway. */
    readonly connections: number
    /** How long an answer may take that must come, in milliseconds. */
    readonly requestTimeoutMs: number
    /** How often one notification is written at most. */
    readonly attempts: number
    /** New connections to one gateway in a second. */
    readonly connectionsPerSecond: number
    /** How long a gateway without confirmation barriers must be silent, in milliseconds. */
    readonly quietTimeMs: number
    /** Whether silence counts as acceptance at such a gateway. */
    readonly assumeAccepted: boolean
    /** `http://…`, which connections to APNs are made through. May hold a password. */
    readonly proxy: string | undefined
  }
  readonly log: { readonly level: LogLevel; readonly format: LogFormat }
  /** In the order of the file; topics are unique. */
  readonly apps: readonly AppConfig[]
  /** Each key with its value and origin, for people. Secrets are redacted. */
  readonly settings: readonly Setting[]
}

/** One line of `lhspn config`. */
export interface Setting {
  readonly key: string
  /** As it was written, not as it was understood: `30s`, not 30000. `[redacted]` where it is secret. */
  readonly value: string | number | boolean
  readonly origin: Origin
  /** The variable's name, or the file's path; undefined for flags and defaults. */
  readonly from?: string
}

/** What the configuration is made of. Nothing here is read from the process. */
export interface ConfigSources {
  /** Environment variables; those that do not begin with `LHSPN_` are of no interest. */
  readonly variables?: Readonly<Record<string, string | undefined>>
  /** The TOML text of the file, where there is one. */
  readonly text?: string | undefined
  /** Its path, for messages and for relative paths in it. */
  readonly file?: string | undefined
  /** Values that flags gave. */
  readonly flags?: Partial<Readonly<Record<ConfigKey, string>>>
  /** Reads the files that `…_FILE` variables name; what it throws becomes a fault. Without it they cannot be read. */
  readonly readFile?: (path: string) => string
}

/**
 * Puts the configuration together. Without any source it is the defaults, with no app.
 * @throws ServiceError `invalid-configuration`, listing every fault at once
 */
export function parseConfig(sources: ConfigSources = {}): Config {
  const { variables = {}, text, file, flags = {}, readFile = unreadable } = sources
  const faults: ConfigFault[] = []
  const keys: GivenKeys = new Map()
  const blocks = text === undefined ? [] : readToml(text, file, keys, faults)
  readVariables(variables, readFile, keys, blocks, faults)
  for (const [key, raw] of Object.entries(flags)) {
    if (isConfigKey(key)) keys.set(key, { raw, origin: 'flag' })
  }

  const settings: Setting[] = []
  const value = <Name extends ConfigKey>(name: Name): ValueOf<(typeof KEYS)[Name]> | MaybeAbsent<Name> => {
    const entry: Key<unknown> = KEYS[name]
    const given = keys.get(name) ?? { raw: entry.fallback, origin: 'default' }
    return (given.raw === undefined ? undefined : check(name, entry, given, settings, faults)) as
      | ValueOf<(typeof KEYS)[Name]>
      | MaybeAbsent<Name>
  }
  const database = {
    url: absoluteUrl(value('database.url'), keys.get('database.url'), text === undefined ? undefined : file),
    password: value('database.password'),
    migrate: value('database.migrate'),
  }
  const queue = { url: value('queue.url') || undefined }
  const server = {
    listen: value('server.listen'),
    basePath: value('server.basePath'),
    trustProxy: value('server.trustProxy') ?? [],
    drainTimeoutMs: value('server.drainTimeout'),
  }
  const ops = { listen: value('ops.listen') }
  const legacy = { enabled: value('legacy.enabled'), app: value('legacy.app') }
  const sender = {
    connections: value('sender.connections'),
    requestTimeoutMs: value('sender.requestTimeout'),
    attempts: value('sender.attempts'),
    connectionsPerSecond: value('sender.connectionsPerSecond'),
    quietTimeMs: value('sender.quietTime'),
    assumeAccepted: value('sender.assumeAccepted'),
    proxy: value('sender.proxy'),
  }
  const dispatcher = {
    chunkSize: value('dispatcher.chunkSize'),
    concurrency: value('dispatcher.concurrency'),
    leaseMs: value('dispatcher.lease'),
    mismatchShare: value('dispatcher.mismatchShare'),
    retentionMs: value('dispatcher.retention'),
  }
  const feedback = { everyMs: value('feedback.every') }
  const rateLimit = { register: value('rateLimit.register'), api: value('rateLimit.api') }
  const log = { level: value('log.level'), format: value('log.format') }
  const adminKey = value('adminKey')
  const apps = blocks.map((block, index) =>
    readApp(
      block,
      index,
      (name, entry, given) => absolute(entry, check(name, entry, given, settings, faults), given),
      faults,
    ),
  )
  for (const [index, { topic }] of apps.entries()) {
    const first = apps.findIndex((app) => app.topic === topic)
    if (first === index || topic === '') continue
    faults.push({ key: `apps[${index}].topic`, detail: `${topic} has a block already, apps[${first}]` })
  }
  checkLegacy(legacy, apps, faults)
  if (faults.length > 0) throw invalid(file, faults)
  return {
    file,
    database,
    queue,
    server,
    ops,
    legacy,
    sender,
    dispatcher,
    feedback,
    rateLimit,
    log,
    adminKey,
    apps,
    settings,
  }
}

/** Keys without a default. */
type MaybeAbsent<Name extends ConfigKey> = (typeof KEYS)[Name] extends { readonly fallback: unknown }
  ? never
  : undefined

/** The endpoint serves one app; the only one need not be named. */
function checkLegacy(legacy: Config['legacy'], apps: readonly AppConfig[], faults: ConfigFault[]): void {
  const { enabled, app } = legacy
  if (!enabled) return
  if (app === undefined && apps.length !== 1) {
    faults.push({ key: 'legacy.app', detail: 'missing; it names the app whose devices come to the legacy endpoint' })
  } else if (app !== undefined && apps.every(({ topic }) => topic !== app)) {
    const topics = apps.map(({ topic }) => topic)
    faults.push({ key: 'legacy.app', detail: `must be one of the apps, not "${app}"${didYouMean(app, topics)}` })
  }
}

/** Paths in the file are relative to it, those of the environment to the working directory. */
function absolute(entry: Key<unknown>, value: unknown, given: Given): unknown {
  const isPath = entry.holds === 'path' || entry.holds === 'path-or-pem'
  return isPath && typeof value === 'string' && !isPem(value) ? absolutePath(value, given) : value
}

/** The default lies beside the configuration, where there is one. A faulty one is undefined here, and told elsewhere. */
function absoluteUrl(url: string | undefined, given: Given | undefined, configuration: string | undefined): string {
  const path = url?.startsWith('sqlite:') ? url.slice('sqlite:'.length) : ':memory:'
  const byDefault: Given = { raw: url, origin: 'file', ...(configuration !== undefined && { from: configuration }) }
  return path === ':memory:' ? (url ?? '') : `sqlite:${absolutePath(path, given ?? byDefault)}`
}

function absolutePath(path: string, given: Given | undefined): string {
  return given?.origin === 'file' && given.from !== undefined ? resolve(dirname(given.from), path) : resolve(path)
}

function check(
  key: string,
  entry: Key<unknown>,
  { raw, origin, from }: Given,
  settings: Setting[],
  faults: ConfigFault[],
): unknown {
  const isSecret = entry.holds === 'secret' || (typeof raw === 'string' && isPem(raw))
  const value = isSecret ? REDACTED : show(entry, raw)
  settings.push({ key, value, origin, ...(from === undefined ? {} : { from }) })
  const answer = entry.schema.safeParse(raw)
  if (answer.success) return answer.data
  const where = origin === 'environment' ? ` (${from})` : ''
  const got = typeof value === 'string' ? `"${value}"` : value
  faults.push({ key, detail: `must be ${entry.due}, not ${got}${where}` })
  return undefined
}

function show(entry: Key<unknown>, raw: unknown): string | number | boolean {
  if (entry.holds === 'database' && typeof raw === 'string')
    return raw.replace(/^(mysql:\/\/[^/@]*?:).*@/s, `$1${REDACTED}@`)
  const isUrl = entry.holds === 'proxy' || entry.holds === 'queue'
  if (isUrl && typeof raw === 'string') return raw.replace(/^(\w+:\/\/)?.*@/s, `$1${REDACTED}@`)
  if (typeof raw === 'string' || typeof raw === 'number' || typeof raw === 'boolean') return raw
  return JSON.stringify(raw)
}

function invalid(file: string | undefined, faults: readonly ConfigFault[]): ServiceError {
  const count = faults.length === 1 ? 'a fault' : `${faults.length} faults`
  const lines = faults.map(({ key, detail }) => `\n  ${key}: ${detail}`)
  return new ServiceError(
    'invalid-configuration',
    `${file ?? 'The configuration'} has ${count}:${lines.join('')}`,
    'Correct it; `lhspn config` shows every key with its value and origin.',
    { faults },
  )
}

function unreadable(): never {
  throw new Error('no files are read here')
}
