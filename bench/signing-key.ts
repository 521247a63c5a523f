import { generateKeyPairSync, sign } from 'node:crypto'

import { joinProviderToken, signingInput } from '@lhspn/apns-protocol'
import type { SigningKey } from '@lhspn/sender'

/** A key that nobody knows: the servers of the benches do not read provider tokens. */
export function createSigningKey(): SigningKey {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  return { keyId: 'ABC123DEFG', teamId: 'DEF123GHIJ', key }
}

/** A provider token for clients that make none. */
export function providerTokenOf({ key, keyId, teamId }: SigningKey): string {
  const input = signingInput({ teamId, keyId, issuedAt: Math.floor(Date.now() / 1000) })
  return joinProviderToken(input, sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }))
}
