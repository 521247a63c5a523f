import { readFile } from 'node:fs/promises'

import type { FeedbackTuple } from '@lhspn/apns-protocol'
import { type Certificate, openCertificate, readFeedback, Sender, type SenderEvent } from '@lhspn/sender'

import { type AppConfig, type Config, isPem } from './config.ts'
import { ServiceError } from './errors.ts'
import { didYouMean } from './nearest.ts'

/** The two worlds of APNs. A device token is good in one of them. */
export const ENVIRONMENTS = ['production', 'sandbox'] as const
export type Environment = (typeof ENVIRONMENTS)[number]

/** The keys of an `[[apps]]` block that say where an environment's servers are. */
const SERVER_KEYS = {
  production: { gateway: 'gateway', feedback: 'feedback' },
  sandbox: { gateway: 'sandboxGateway', feedback: 'sandboxFeedback' },
} as const satisfies Record<Environment, { gateway: keyof AppConfig; feedback: keyof AppConfig }>

/**
 * Which app is meant. The only one may be left out.
 * @throws ServiceError `unknown-app` where none is configured, none of this topic, or several and no topic is given
 */
export function findApp({ apps, file }: Pick<Config, 'apps' | 'file'>, topic: string | undefined): AppConfig {
  const only = apps.length === 1 ? apps[0] : undefined
  const app = topic === undefined ? only : apps.find((candidate) => candidate.topic === topic)
  if (app !== undefined) return app
  const topics = apps.map((candidate) => candidate.topic)
  if (topics.length === 0) {
    const where = file === undefined ? 'there is no configuration file' : `${file} has no [[apps]]`
    throw new ServiceError(
      'unknown-app',
      `No app is configured: ${where}`,
      'Run `lhspn init`, then `lhspn apps add TOPIC`.',
    )
  }
  const known = `Configured: ${topics.join(', ')}.`
  if (topic === undefined) throw new ServiceError('unknown-app', 'Which app? There are several', `${known} Name one.`)
  throw new ServiceError('unknown-app', `There is no app ${topic}${didYouMean(topic, topics)}`, known)
}

/**
 * Reads the certificate of an app. `sandboxCertificate` serves the sandbox where there is one; else `certificate`
 * serves both environments, as Apple's universal certificates do.
 * @throws ServiceError `app-not-configured`, `unreadable-file`; SenderError `invalid-credentials`
 */
export async function readCertificate(app: AppConfig, environment: Environment): Promise<Certificate> {
  const source = (environment === 'sandbox' ? app.sandboxCertificate : undefined) ?? app.certificate
  if (source === undefined) throw notConfigured(app, environment, 'certificate', 'certificate')
  const bytes = isPem(source) ? new TextEncoder().encode(source) : await read(source)
  return openCertificate(bytes, await readPassphrase(app))
}

/**
 * Opens a sender for one app in one environment. Whoever opens it closes it.
 * @throws ServiceError `app-not-configured`, `unreadable-file`; SenderError `invalid-credentials`
 */
export async function openSender(
  config: Pick<Config, 'sender'>,
  app: AppConfig,
  environment: Environment,
  onEvent?: (event: SenderEvent) => void,
): Promise<Sender> {
  const gateway = serverOf(app, environment, 'gateway')
  const credentials = await readCertificate(app, environment)
  return new Sender({ ...config.sender, gateway, credentials, ...(await trustOf(app)), ...(onEvent && { onEvent }) })
}

/**
 * Reads the feedback service of one app in one environment. What it hands out it hands out once: keep every tuple.
 * @throws ServiceError `app-not-configured`, `unreadable-file`; SenderError; also while it is read
 */
export async function* openFeedback(
  config: Pick<Config, 'sender'>,
  app: AppConfig,
  environment: Environment,
  signal?: AbortSignal,
): AsyncGenerator<FeedbackTuple, void, undefined> {
  const feedback = serverOf(app, environment, 'feedback')
  const credentials = await readCertificate(app, environment)
  const timeoutMs = config.sender.requestTimeoutMs
  yield* readFeedback({ feedback, credentials, timeoutMs, ...(await trustOf(app)), ...(signal && { signal }) })
}

/**
 * Where the gateway or the feedback service of an environment listens, as HOST:PORT.
 * @throws ServiceError `app-not-configured`
 */
export function serverOf(app: AppConfig, environment: Environment, server: 'gateway' | 'feedback'): string {
  const key = SERVER_KEYS[environment][server]
  const address = app[key]
  if (address === undefined)
    throw notConfigured(app, environment, server === 'gateway' ? server : 'feedback service', key)
  return address
}

async function trustOf(app: AppConfig): Promise<{ ca?: string }> {
  if (app.ca === undefined) return {}
  return { ca: isPem(app.ca) ? app.ca : (await read(app.ca)).toString('utf8') }
}

async function readPassphrase(app: AppConfig): Promise<string | undefined> {
  if (app.passphraseFile === undefined) return app.passphrase
  return (await read(app.passphraseFile)).toString('utf8').replace(/\r?\n$/, '')
}

async function read(path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new ServiceError('unreadable-file', `A file cannot be read: ${why}`, 'Correct its path or its permissions.', {
      cause: error,
    })
  }
}

function notConfigured(app: AppConfig, environment: Environment, what: string, key: string): ServiceError {
  return new ServiceError(
    'app-not-configured',
    `${app.topic} has no ${what} in ${environment}`,
    `Set ${key} in its [[apps]] block.`,
  )
}
