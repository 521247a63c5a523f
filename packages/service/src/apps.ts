import { readFile } from 'node:fs/promises'

import type { FeedbackTuple, Interface } from '@lhspn/apns-protocol'
import {
  type Certificate,
  type Credentials,
  openCertificate,
  openSigningKey,
  PROVIDERS,
  readFeedback,
  Sender,
  type SenderEvent,
  type SenderOptions,
  type SigningKey,
} from '@lhspn/sender'

import {
  type AppConfig,
  credentialKeyOf,
  type Environment,
  ENVIRONMENT_KEYS,
  interfaceForSending,
  isPem,
  speaksToGateways,
} from './app-config.ts'
import type { Config } from './config.ts'
import { ServiceError } from './errors.ts'
import { didYouMean } from './nearest.ts'

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
 * Reads what an app proves itself with in an environment. `sandboxKey` or `sandboxCertificate` serve the sandbox where
 * there is one; else `key` or `certificate` serves both environments.
 * @throws ServiceError `app-not-configured`, `unreadable-file`; SenderError `invalid-credentials`
 */
export async function readCredentials(app: AppConfig, environment: Environment): Promise<Credentials> {
  const name = credentialKeyOf(app, environment)
  if (name === undefined) throw notConfigured(app, environment, 'credentials', 'key (with teamId) or certificate')
  if (name === 'certificate' || name === 'sandboxCertificate') return openCertificateOf(app, name)
  return openKeyOf(app, name)
}

/**
 * Reads the certificate that an app shows to its gateway and feedback service.
 * @throws ServiceError `app-not-configured`, `unreadable-file`; SenderError `invalid-credentials`
 */
export async function readCertificate(app: AppConfig, environment: Environment): Promise<Certificate> {
  const own = ENVIRONMENT_KEYS[environment].certificate
  const name = app[own] === undefined ? 'certificate' : own
  if (app[name] === undefined) throw notConfigured(app, environment, 'certificate', 'certificate')
  return openCertificateOf(app, name)
}

/**
 * Opens a sender for one app in one environment, over the interface that it has there. Whoever opens it closes it.
 * @throws ServiceError `app-not-configured`, `unreadable-file`; SenderError `invalid-credentials`, `invalid-options`
 */
export async function openSender(
  config: Pick<Config, 'sender'>,
  app: AppConfig,
  environment: Environment,
  onEvent?: (event: SenderEvent) => void,
): Promise<Sender> {
  return new Sender({ ...(await readSenderOptions(config, app, environment)), ...(onEvent && { onEvent }) })
}

/**
 * Reads all that a sender of an app in an environment is opened with: the files that the app names, too.
 * @throws ServiceError `app-not-configured`, `unreadable-file`; SenderError `invalid-credentials`
 */
export async function readSenderOptions(
  config: Pick<Config, 'sender'>,
  app: AppConfig,
  environment: Environment,
): Promise<SenderOptions> {
  const over = sendingInterface(app, environment)
  const { quietTimeMs, assumeAccepted, proxy, ...settings } = config.sender
  const server: SenderOptions =
    over === 'gateway'
      ? {
          gateway: serverOf(app, environment, 'gateway'),
          credentials: await readCertificate(app, environment),
          quietTimeMs,
          assumeAccepted,
        }
      : {
          app: app.topic,
          environment,
          provider: serverOf(app, environment, 'provider'),
          credentials: await readCredentials(app, environment),
        }
  return { ...settings, ...server, ...(await trustOf(app)), ...(proxy !== undefined && { proxy }) }
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

const SERVER_NAMES = { provider: 'provider API', gateway: 'gateway', feedback: 'feedback service' } as const

/**
 * Where a server of an environment listens: HOST:PORT of a gateway or a feedback service; HOST or HOST:PORT of the
 * provider API, which is Apple's unless the app names another.
 * @throws ServiceError `app-not-configured`
 */
export function serverOf(
  app: AppConfig,
  environment: Environment,
  server: 'provider' | 'gateway' | 'feedback',
): string {
  const name = ENVIRONMENT_KEYS[environment][server]
  const address = app[name] ?? (server === 'provider' ? PROVIDERS[environment] : undefined)
  if (address === undefined) throw notConfigured(app, environment, SERVER_NAMES[server], name)
  return address
}

/**
 * Over which interface notifications of an app leave in an environment.
 * @throws ServiceError `app-not-configured`
 */
export function sendingInterface(app: AppConfig, environment: Environment): Interface {
  const over = interfaceForSending(app, environment)
  if (over === undefined) throw notReachable(app, environment)
  return over
}

/** The authority that an app trusts instead of the system's. @throws ServiceError `unreadable-file` */
export async function trustOf(app: AppConfig): Promise<{ ca?: string }> {
  if (app.ca === undefined) return {}
  return { ca: isPem(app.ca) ? app.ca : (await read(app.ca)).toString('utf8') }
}

async function openCertificateOf(app: AppConfig, name: 'certificate' | 'sandboxCertificate'): Promise<Certificate> {
  return openCertificate(await contentOf(app[name] ?? ''), await readPassphrase(app))
}

async function openKeyOf(app: AppConfig, name: 'key' | 'sandboxKey'): Promise<SigningKey> {
  const { teamId = '' } = app
  return openSigningKey(await contentOf(app[name] ?? ''), { keyId: app[`${name}Id`] ?? '', teamId })
}

/** Of the file, or the PEM text that stands in its place. */
async function contentOf(source: string): Promise<Uint8Array> {
  return isPem(source) ? new TextEncoder().encode(source) : read(source)
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

/** There is neither a gateway nor credentials for the provider API: `app-not-configured`. */
export function notReachable(app: AppConfig, environment: Environment): ServiceError {
  const { gateway } = ENVIRONMENT_KEYS[environment]
  return speaksToGateways(app)
    ? notConfigured(app, environment, 'gateway', gateway)
    : notConfigured(app, environment, 'credentials', 'key (with teamId) or certificate')
}

function notConfigured(app: AppConfig, environment: Environment, what: string, key: string): ServiceError {
  return new ServiceError(
    'app-not-configured',
    `${app.topic} has no ${what} in ${environment}`,
    `Set ${key} in its [[apps]] block.`,
  )
}
