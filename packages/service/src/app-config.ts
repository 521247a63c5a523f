import { basename } from 'node:path'

import type { Interface } from '@lhspn/apns-protocol'

import type { ConfigFault } from './errors.ts'
import type { Given, GivenApp } from './given.ts'
import { APP_KEYS, type AppKey, isAppKey, type Key } from './keys.ts'

/** The two worlds of APNs. A device token is good in one of them. */
export const ENVIRONMENTS = ['production', 'sandbox'] as const
export type Environment = (typeof ENVIRONMENTS)[number]

/**
 * One `[[apps]]` block. Paths are absolute; `key`, `sandboxKey`, `certificate`, `sandboxCertificate` and `ca` may hold
 * PEM text instead.
 */
export interface AppConfig {
  /** The bundle id: the app's name everywhere. */
  readonly topic: string
  /** Ten characters; there wherever a key is. */
  readonly teamId?: string
  readonly key?: string
  /** Ten characters, of `key`; there wherever it is, also where only the file's name says it. */
  readonly keyId?: string
  readonly sandboxKey?: string
  readonly sandboxKeyId?: string
  readonly certificate?: string
  readonly sandboxCertificate?: string
  readonly passphrase?: string
  readonly passphraseFile?: string
  /** HOST or HOST:PORT, instead of Apple's provider API. */
  readonly provider?: string
  readonly sandboxProvider?: string
  /** Addresses of binary gateways and their feedback services are HOST:PORT. */
  readonly gateway?: string
  readonly feedback?: string
  readonly sandboxGateway?: string
  readonly sandboxFeedback?: string
  readonly ca?: string
  /** Keys of attributes that only `send` and `admin` keys may write. */
  readonly trustedAttributes?: readonly string[]
}

/** The keys of a block that say what an environment has of its own. */
export const ENVIRONMENT_KEYS = {
  production: {
    key: 'key',
    keyId: 'keyId',
    certificate: 'certificate',
    provider: 'provider',
    gateway: 'gateway',
    feedback: 'feedback',
  },
  sandbox: {
    key: 'sandboxKey',
    keyId: 'sandboxKeyId',
    certificate: 'sandboxCertificate',
    provider: 'sandboxProvider',
    gateway: 'sandboxGateway',
    feedback: 'sandboxFeedback',
  },
} as const satisfies Record<Environment, Record<string, keyof AppConfig>>

/** The key of the block by which an environment proves who it is: its own first, then those that serve both. */
export function credentialKeyOf(
  app: AppConfig,
  environment: Environment,
): 'key' | 'sandboxKey' | 'certificate' | 'sandboxCertificate' | undefined {
  const { key, certificate } = ENVIRONMENT_KEYS[environment]
  return ([key, certificate, 'key', 'certificate'] as const).find((name) => app[name] !== undefined)
}

/** The id of the signing key of an environment, where it has one. */
export function keyIdOf(app: AppConfig, environment: Environment): string | undefined {
  const name = credentialKeyOf(app, environment)
  return name === 'key' || name === 'sandboxKey' ? app[`${name}Id`] : undefined
}

/** What kind of credential that is. */
export function credentialOf(app: AppConfig, environment: Environment): 'key' | 'certificate' | undefined {
  const name = credentialKeyOf(app, environment)
  return name === 'key' || name === 'sandboxKey' ? 'key' : name && 'certificate'
}

/**
 * How an app reaches its devices in an environment; undefined where it does not. It is a binary gateway where one, or
 * its feedback service, is named. The provider API is spoken with credentials for it; but the certificate of an app whose
 * other environment has a gateway is not shown to Apple unless a provider is named.
 */
export function interfaceOf(app: AppConfig, environment: Environment): Interface | undefined {
  const { provider, gateway, feedback } = ENVIRONMENT_KEYS[environment]
  if (app[gateway] !== undefined || app[feedback] !== undefined) return 'gateway'
  const credential = credentialOf(app, environment)
  if (credential === undefined) return undefined
  return credential === 'key' || app[provider] !== undefined || !speaksToGateways(app) ? 'provider-api' : undefined
}

/** As `interfaceOf`, but a feedback service alone is nothing to send to. */
export function interfaceForSending(app: AppConfig, environment: Environment): Interface | undefined {
  const over = interfaceOf(app, environment)
  return over === 'gateway' && app[ENVIRONMENT_KEYS[environment].gateway] === undefined ? undefined : over
}

/** Whether a binary gateway, or its feedback service, is named in any environment. */
export function speaksToGateways(app: AppConfig): boolean {
  return ENVIRONMENTS.some((environment) => {
    const { gateway, feedback } = ENVIRONMENT_KEYS[environment]
    return app[gateway] !== undefined || app[feedback] !== undefined
  })
}

/** Whether a value is PEM text itself, not the path of a file. */
export function isPem(value: string): boolean {
  return value.includes('-----BEGIN ')
}

/**
 * Reads one block: each value as it is due, then whether they go together.
 * @param read checks one value and answers it as the program uses it; a fault is pushed and answered as undefined
 */
export function readApp(
  block: GivenApp,
  index: number,
  read: (name: string, entry: Key<unknown>, given: Given) => unknown,
  faults: ConfigFault[],
): AppConfig {
  const values: { -readonly [Name in Exclude<AppKey, 'trustedAttributes'>]?: string } = {}
  let trustedAttributes: readonly string[] | undefined
  for (const name of Object.keys(APP_KEYS).filter(isAppKey)) {
    const given = block.get(name)
    if (given === undefined) continue
    const value = read(`apps[${index}].${name}`, APP_KEYS[name], given)
    if (name === 'trustedAttributes') trustedAttributes = value as readonly string[] | undefined
    else if (typeof value === 'string') values[name] = value
  }
  const app: AppConfig = {
    ...values,
    topic: values.topic ?? '',
    ...(trustedAttributes !== undefined && { trustedAttributes }),
  }
  const keyIds = { ...knownKeyId(app, 'production'), ...knownKeyId(app, 'sandbox') }
  // a value that broke a rule of its own is not there; what is missing then is not worth a word
  const isGiven = (name: AppKey): boolean => block.has(name)
  for (const [name, detail] of contradictions({ ...app, ...keyIds }, isGiven)) {
    faults.push({ key: `apps[${index}].${name}`, detail })
  }
  return { ...app, ...keyIds }
}

/** Apple names the file of a signing key for its id. */
function idInName(path: string): string | undefined {
  return isPem(path) ? undefined : /^AuthKey_([A-Z\d]{10})\.p8$/.exec(basename(path))?.[1]
}

function knownKeyId(app: AppConfig, environment: Environment): { keyId?: string; sandboxKeyId?: string } {
  const { key, keyId } = ENVIRONMENT_KEYS[environment]
  const path = app[key]
  const id = app[keyId] ?? (path === undefined ? undefined : idInName(path))
  return id === undefined ? {} : { [keyId]: id }
}

type Contradiction = readonly [name: AppKey, detail: string]

/** What cannot be, or not together: the key at fault, and why with what to do. */
function* contradictions(
  app: AppConfig,
  isGiven: (name: AppKey) => boolean,
): Generator<Contradiction, void, undefined> {
  if (!isGiven('topic')) yield ['topic', 'missing; it names the app']
  if (app.passphrase !== undefined && app.passphraseFile !== undefined) {
    yield ['passphraseFile', 'a passphrase is given too; only one of both may be']
  }
  const hasKey = app.key !== undefined || app.sandboxKey !== undefined
  if (hasKey && !isGiven('teamId')) {
    yield ['teamId', 'missing; it stands in the membership details of the developer account']
  }
  if (!hasKey && app.teamId !== undefined) {
    yield ['teamId', 'is for a signing key, and there is none; give key, or leave it out']
  }
  for (const environment of ENVIRONMENTS) {
    yield* contradictionsOfKey(app, environment, isGiven)
    yield* contradictionsOfServer(app, environment)
  }
}

function* contradictionsOfKey(
  app: AppConfig,
  environment: Environment,
  isGiven: (name: AppKey) => boolean,
): Generator<Contradiction, void, undefined> {
  const names = ENVIRONMENT_KEYS[environment]
  const path = app[names.key]
  const id = app[names.keyId]
  if (path === undefined) {
    if (id !== undefined) yield [names.keyId, `is the id of a signing key, and there is no ${names.key}`]
    return
  }
  const named = idInName(path)
  if (id === undefined && !isGiven(names.keyId)) {
    yield [names.keyId, `missing; only a file with the name that Apple gave it, AuthKey_<key id>.p8, says it itself`]
  } else if (id !== undefined && named !== undefined && id !== named) {
    yield [names.keyId, `must be "${named}", as the name of ${names.key} says, not "${id}"`]
  }
  if (id !== undefined && id === app.teamId) {
    yield ['teamId', `is "${id}", which is the id of ${names.key}; the team has another`]
  }
  if (app[names.certificate] !== undefined) {
    yield [names.certificate, `${names.key} is given too; only one of both may be`]
  }
}

function* contradictionsOfServer(app: AppConfig, environment: Environment): Generator<Contradiction, void, undefined> {
  const { provider, gateway, feedback } = ENVIRONMENT_KEYS[environment]
  const binary = [gateway, feedback].find((name) => app[name] !== undefined)
  if (binary === undefined) return
  if (app[provider] !== undefined) {
    yield [provider, `${binary} is given too, and belongs to the binary interface; only one of both may be`]
  }
  const credential = credentialKeyOf(app, environment)
  if (credential !== 'key' && credential !== 'sandboxKey') return
  const certificate = ENVIRONMENT_KEYS[environment].certificate
  const remedy =
    credential === ENVIRONMENT_KEYS[environment].key ? `give ${certificate} instead of it` : `give ${certificate}`
  yield [credential, `a binary gateway takes no signing key, and ${binary} is given; ${remedy}`]
}
