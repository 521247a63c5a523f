import type { Interface } from '@lhspn/apns-protocol'
import type { Credentials } from '@lhspn/sender'

import {
  type AppConfig,
  credentialOf,
  type Environment,
  ENVIRONMENT_KEYS,
  ENVIRONMENTS,
  interfaceOf,
  keyIdOf,
} from './app-config.ts'
import { readCertificate, readCredentials, serverOf } from './apps.ts'

/** An app as people and programs may see it; nothing in it is secret. */
export interface AppDescription {
  readonly topic: string
  /** Only those in which it can be served. */
  readonly environments: Readonly<Partial<Record<Environment, EnvironmentDescription>>>
}

export interface EnvironmentDescription {
  readonly interface: Interface
  readonly credential: 'key' | 'certificate'
  /** Of a key. */
  readonly keyId?: string
  /** Of a certificate. Absent where it cannot be used. */
  readonly expiresAt?: Date
  /** Why the credential cannot be used; may name a file. */
  readonly fault?: string
  /** HOST or HOST:PORT; only on the provider API. */
  readonly provider?: string
  /** HOST:PORT */
  readonly gateway?: string
  readonly feedback?: string
}

/** Describes an app, with what its keys and certificates themselves say. Reads them anew. */
export async function describeApp(app: AppConfig): Promise<AppDescription> {
  const environments: Partial<Record<Environment, EnvironmentDescription>> = {}
  for (const environment of ENVIRONMENTS) {
    const over = interfaceOf(app, environment)
    if (over !== undefined) environments[environment] = await describe(app, environment, over)
  }
  return { topic: app.topic, environments }
}

async function describe(app: AppConfig, environment: Environment, over: Interface): Promise<EnvironmentDescription> {
  if (over === 'gateway') {
    const names = ENVIRONMENT_KEYS[environment]
    const [gateway, feedback] = [app[names.gateway], app[names.feedback]]
    return {
      interface: over,
      credential: 'certificate',
      ...(await stateOf(() => readCertificate(app, environment))),
      ...(gateway !== undefined && { gateway }),
      ...(feedback !== undefined && { feedback }),
    }
  }
  const credential = credentialOf(app, environment) ?? 'certificate'
  const keyId = credential === 'key' ? keyIdOf(app, environment) : undefined
  return {
    interface: over,
    credential,
    ...(keyId !== undefined && { keyId }),
    ...(await stateOf(() => readCredentials(app, environment))),
    provider: serverOf(app, environment, 'provider'),
  }
}

async function stateOf(read: () => Promise<Credentials>): Promise<{ expiresAt?: Date } | { fault: string }> {
  try {
    const credentials = await read()
    return 'expiresAt' in credentials ? { expiresAt: credentials.expiresAt } : {}
  } catch (error) {
    return { fault: error instanceof Error ? error.message : String(error) }
  }
}
