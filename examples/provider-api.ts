import { readFileSync } from 'node:fs'
import { basename } from 'node:path'

import { type ProviderScript, startSimulator } from '@lhspn/apns-simulator'
import { openSigningKey, type SigningKey } from '@lhspn/sender'

/** Whom the examples of the provider API send to, and as whom. */
export interface ProviderApi {
  /** Bundle id. */
  readonly app: string
  readonly credentials: SigningKey
  /** `host:port`; absent where it is Apple's. */
  readonly provider?: string
  /** PEM of the authority to trust instead of the system's. */
  readonly ca?: string
  close(): Promise<void>
}

/**
 * Apple's provider API for what KEY (the .p8 file, named as Apple named it), TEAM and APP of the environment say;
 * PROVIDER (`host:port`) and CA (a file) lead elsewhere. Without KEY a simulator inside this process, which plays `script`.
 */
export async function openProviderApi(script: ProviderScript = {}): Promise<ProviderApi> {
  const { KEY, TEAM, APP, PROVIDER, CA } = process.env
  if (KEY === undefined) return simulate(script)
  if (TEAM === undefined || APP === undefined) throw new Error('Beside KEY name TEAM and APP: team id and bundle id')
  const keyId = /^AuthKey_(\w+)\.p8$/.exec(basename(KEY))?.[1]
  if (keyId === undefined) throw new Error('Leave the file of the key its name, AuthKey_<key id>.p8')
  return {
    app: APP,
    credentials: openSigningKey(readFileSync(KEY), { keyId, teamId: TEAM }),
    ...(PROVIDER !== undefined && { provider: PROVIDER }),
    ...(CA !== undefined && { ca: readFileSync(CA, 'utf8') }),
    close: async () => {},
  }
}

async function simulate(script: ProviderScript): Promise<ProviderApi> {
  const simulator = await startSimulator({ script: { provider: script }, journal: 'counts' })
  const { provider, signingKey, certificates } = simulator
  const credentials = openSigningKey(signingKey.key, signingKey)
  return { app: 'com.example.app', credentials, provider, ca: certificates.ca, close: () => simulator.close() }
}
