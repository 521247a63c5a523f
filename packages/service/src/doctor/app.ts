import { connect } from 'node:net'

import type { Certificate, Credentials, SigningKey } from '@lhspn/sender'

import {
  type AppConfig,
  credentialOf,
  type Environment,
  ENVIRONMENT_KEYS,
  ENVIRONMENTS,
  interfaceForSending,
  interfaceOf,
} from '../app-config.ts'
import { notReachable, readCertificate, readCredentials } from '../apps.ts'
import type { Config } from '../config.ts'
import { failure } from '../finding.ts'
import { probe, type Probe } from '../probe/probe.ts'
import { addressOf } from '../probe/reach.ts'
import type { Check, DoctorOptions } from './check.ts'

const DAY_MS = 86_400_000
const SOON_MS = 30 * DAY_MS

/** Whether an app has what it needs, and whether APNs, its gateway and its feedback services take it. */
export async function* examineApp(
  config: Config,
  app: AppConfig,
  options: DoctorOptions,
): AsyncGenerator<Check, void, undefined> {
  if (ENVIRONMENTS.every((environment) => interfaceForSending(app, environment) === undefined)) {
    const { message, remedy } = notReachable(app, 'production')
    yield { check: `app ${app.topic}`, verdict: 'warn', found: `nothing can be sent: ${message}`, remedy }
  }
  for (const environment of ENVIRONMENTS) {
    if (interfaceOf(app, environment) !== undefined) yield* examineEnvironment(config, app, environment, options)
  }
}

async function* examineEnvironment(
  config: Config,
  app: AppConfig,
  environment: Environment,
  options: DoctorOptions,
): AsyncGenerator<Check, void, undefined> {
  const name = `${app.topic} ${environment}`
  const isReadable = yield* examineCredentials(name, app, environment, options)
  if (isReadable && interfaceForSending(app, environment) !== undefined) {
    yield* examineServer(name, config, app, environment, options)
  }
  const feedback = app[ENVIRONMENT_KEYS[environment].feedback]
  if (feedback !== undefined) yield await examineFeedback(`feedback ${name}`, feedback, config, options)
}

/** @returns whether they can be used */
async function* examineCredentials(
  name: string,
  app: AppConfig,
  environment: Environment,
  { now = Date.now }: DoctorOptions,
): AsyncGenerator<Check, boolean, undefined> {
  const isGateway = interfaceOf(app, environment) === 'gateway'
  const check = `${isGateway ? 'certificate' : credentialOf(app, environment)} ${name}`
  let credentials: Credentials
  try {
    credentials = await (isGateway ? readCertificate(app, environment) : readCredentials(app, environment))
  } catch (error) {
    yield { check, ...failure(error) }
    return false
  }
  yield 'keyId' in credentials ? judgeKey(check, credentials) : judgeCertificate(check, app, credentials, now())
  return true
}

function judgeKey(check: string, { keyId, teamId }: SigningKey): Check {
  return { check, verdict: 'ok', found: `P-256, key id ${keyId}, team id ${teamId}` }
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

function dayOf(time: Date): string {
  return time.toISOString().slice(0, 10)
}

async function* examineServer(
  name: string,
  config: Config,
  app: AppConfig,
  environment: Environment,
  { signal }: DoctorOptions,
): AsyncGenerator<Check, void, undefined> {
  const isGateway = interfaceForSending(app, environment) === 'gateway'
  const check = `${isGateway ? 'gateway' : 'provider'} ${name}`
  let shown: Probe
  try {
    shown = await probe(config, app, environment, { signal })
  } catch (error) {
    signal?.throwIfAborted()
    yield { check, ...failure(error) }
    return
  }
  const { connection, clock, credentials } = shown
  yield { check, ...connection }
  if (clock !== undefined) yield { check: `clock ${name}`, ...clock }
  if (credentials === undefined) return
  const { taken: _, ...finding } = credentials
  yield { check: `${isGateway ? 'barrier' : 'probe'} ${name}`, ...finding }
}

/** TCP only: with TLS the service would hand out its list, and forget it. */
async function examineFeedback(
  check: string,
  address: string,
  config: Config,
  { signal }: DoctorOptions,
): Promise<Check> {
  const socket = connect({ ...addressOf(address), timeout: config.sender.requestTimeoutMs })
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
    return {
      check,
      verdict: 'fail',
      found: `${address}: ${why}`,
      remedy: 'Check the address, the network and the service.',
    }
  } finally {
    socket.destroy()
  }
}
