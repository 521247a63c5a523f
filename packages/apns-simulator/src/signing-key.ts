import { createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'

import { SimulatorError } from './errors.ts'

/** A key that signs provider tokens the simulator takes, as Apple's developer portal would hand it out. */
export interface SimulatorSigningKey {
  readonly keyId: string
  readonly teamId: string
  /** PEM of the private key, PKCS #8, P-256: what a .p8 file holds. */
  readonly key: string
}

/** A key of somebody else whose provider tokens are to be taken. */
export interface AcceptedKey {
  /** Ten characters. */
  readonly keyId: string
  /** Ten characters. */
  readonly teamId: string
  /** PEM, P-256. */
  readonly publicKey: string
  /** Where it may be used; default everywhere. Elsewhere it is answered with BadEnvironmentKeyIdInToken. */
  readonly environment?: Environment
}

export type Environment = 'production' | 'sandbox'

/** An accepted key, ready to verify with. */
export interface VerifyingKey {
  readonly keyId: string
  readonly teamId: string
  readonly publicKey: KeyObject
  readonly environment: Environment | undefined
}

/** The simulator's own key, new in each process; its ids are always the same. */
export async function createSigningKey(): Promise<SimulatorSigningKey> {
  const { privateKey } = await promisify(generateKeyPair)('ec', { namedCurve: 'P-256' })
  return {
    keyId: 'SIMULATED1',
    teamId: 'LHSPNTEAM1',
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  }
}

/** @throws SimulatorError `invalid-options` for an id that has not ten characters, or a key that is none of P-256 */
export function openVerifyingKey({ keyId, teamId, publicKey, environment }: AcceptedKey): VerifyingKey {
  for (const id of [keyId, teamId]) {
    if (!/^[A-Z0-9]{10}$/.test(id))
      throw refused(`${JSON.stringify(id)} is no id of a key or a team`, 'Give ten capital letters and digits.')
  }
  let key: KeyObject
  try {
    // of a private key it takes the public half
    key = createPublicKey(publicKey)
  } catch (cause) {
    throw refused(`the key ${keyId} cannot be read`, 'Give the PEM of a public key.', cause)
  }
  if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw refused(
      `the key ${keyId} is none of the curve P-256`,
      'Give an EC key of the curve P-256: ES256 signs with no other.',
    )
  }
  return { keyId, teamId, publicKey: key, environment }
}

function refused(what: string, remedy: string, cause?: unknown): SimulatorError {
  return new SimulatorError('invalid-options', `signingKeys: ${what}`, remedy, { cause })
}
