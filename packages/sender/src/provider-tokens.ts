import { type KeyObject, sign } from 'node:crypto'

import { joinProviderToken, renderAuthorization, signingInput } from '@lhspn/apns-protocol'

import { readSigningKey, type SigningKey } from './signing-key.ts'

/** A token that proves to Apple whose requests these are. */
export interface ProviderToken {
  /** Secret, as long as Apple takes it: an hour. */
  readonly text: string
  /** UNIX seconds. */
  readonly issuedAt: number
  /** Counts up from 1 with each token of a key. */
  readonly generation: number
  /** The header field that carries it, as HPACK. */
  readonly field: Uint8Array
}

/** Apple refuses a token that is an hour old, and more than one new one in 20 minutes on a connection. */
const SERVES_MS = 45 * 60_000
/**
 * How far in the future a token may have been issued. More than that means that the clock was put back, and whether Apple
 * takes a token from the future is told nowhere.
 */
const AHEAD_MS = 60_000

/** Makes the provider tokens of one key; all connections share the one that serves. */
export class ProviderTokens {
  readonly #names: Pick<SigningKey, 'keyId' | 'teamId'>
  readonly #key: KeyObject
  #token: ProviderToken | undefined

  /** @throws SenderError `invalid-credentials` */
  constructor({ key, keyId, teamId }: SigningKey) {
    this.#names = { keyId, teamId }
    this.#key = readSigningKey(key)
  }

  /** The token that serves at this time, by the clock that Apple's is compared with: a new one 45 minutes after the last was issued. */
  at(unixMs: number): ProviderToken {
    const token = this.#token
    if (token === undefined) return this.renew(unixMs)
    const age = unixMs - token.issuedAt * 1000
    return age < SERVES_MS && age >= -AHEAD_MS ? token : this.renew(unixMs)
  }

  /** A new token at once, which serves from now on. */
  renew(unixMs: number): ProviderToken {
    const issuedAt = Math.floor(unixMs / 1000)
    const input = signingInput({ ...this.#names, issuedAt })
    const signature = sign('sha256', Buffer.from(input), { key: this.#key, dsaEncoding: 'ieee-p1363' })
    const text = joinProviderToken(input, signature)
    const generation = (this.#token?.generation ?? 0) + 1
    this.#token = { text, issuedAt, generation, field: renderAuthorization(text) }
    return this.#token
  }
}
