import { verify } from 'node:crypto'

import {
  parseProviderToken,
  ProtocolError,
  type ProviderReason,
  type ReceivedProviderToken,
} from '@lhspn/apns-protocol'

import type { Environment, VerifyingKey } from '../signing-key.ts'

/** Why a request is refused, and what exactly was found. */
export interface Refusal {
  /** `BadRequestPayload`, for a payload that is no JSON, is a word that Apple documents for broadcasts only. */
  readonly reason: ProviderReason | 'BadRequestPayload'
  readonly detail: string
}

/** A provider token whose signature is good. Its age is another matter. */
interface Verified {
  readonly token: ReceivedProviderToken
  readonly key: VerifyingKey
}

/** Verifies provider tokens by the keys it knows. A token is verified once, however many requests carry it. */
export class ProviderTokenVerifier {
  readonly #keys: ReadonlyMap<string, VerifyingKey>
  readonly #environment: Environment
  /** By text; the oldest go first. */
  readonly #known = new Map<string, Verified | Refusal>()

  constructor(keys: readonly VerifyingKey[], environment: Environment) {
    this.#keys = new Map(keys.map((key) => [key.keyId, key]))
    this.#environment = environment
  }

  verify(text: string): Verified | Refusal {
    const known = this.#known.get(text)
    if (known !== undefined) return known
    if (this.#known.size >= MAX_KNOWN) this.#known.delete(this.#known.keys().next().value ?? '')
    const verdict = this.#verifyNew(text)
    this.#known.set(text, verdict)
    return verdict
  }

  #verifyNew(text: string): Verified | Refusal {
    let token: ReceivedProviderToken
    try {
      token = parseProviderToken(text)
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      return invalid(error.message)
    }
    const key = this.#keys.get(token.keyId)
    if (key === undefined) return invalid(`nobody knows the key ${token.keyId}`)
    if (key.teamId !== token.teamId)
      return invalid(`the key ${key.keyId} is of team ${key.teamId}, not ${token.teamId}`)
    const signed = Buffer.from(token.signed)
    if (!verify('sha256', signed, { key: key.publicKey, dsaEncoding: 'ieee-p1363' }, token.signature)) {
      return invalid(`the signature is not made with the key ${key.keyId}`)
    }
    if (key.environment !== undefined && key.environment !== this.#environment) {
      return { reason: 'BadEnvironmentKeyIdInToken', detail: `the key ${key.keyId} is for ${key.environment}` }
    }
    return { token, key }
  }
}

const MAX_KNOWN = 1000
const MAX_AGE_SECONDS = 3600
/** How often a connection may change its token once more. */
const UPDATE_EVERY_MS = 20 * 60_000

/** What one connection has shown of itself by provider tokens (Apple, Establishing a token-based connection to APNs). */
export class ConnectionTokens {
  readonly #verifier: ProviderTokenVerifier
  #keyId: string | undefined
  #current: string | undefined
  #updatedAt: number | undefined

  constructor(verifier: ProviderTokenVerifier) {
    this.#verifier = verifier
  }

  /** Judges what a request has behind `bearer` at `now`, UNIX milliseconds; undefined: it is in order. */
  check(text: string | undefined, now: number): Refusal | undefined {
    if (text === undefined) {
      return {
        reason: 'MissingProviderToken',
        detail: 'there is no authorization, and the connection has no certificate',
      }
    }
    const verdict = this.#verifier.verify(text)
    if ('reason' in verdict) return verdict
    const { keyId, issuedAt } = verdict.token
    const age = now / 1000 - issuedAt
    if (age < 0)
      return invalid(`it was issued ${(-age).toFixed(1)} s in the future: iat is ${issuedAt}, in UNIX seconds`)
    if (age > MAX_AGE_SECONDS) {
      return { reason: 'ExpiredProviderToken', detail: `it is ${Math.floor(age / 60)} minutes old; 60 are the limit` }
    }
    if (this.#keyId !== undefined && this.#keyId !== keyId) {
      return {
        reason: 'UnrelatedKeyIdInToken',
        detail: `the connection belongs to the key ${this.#keyId}, not ${keyId}`,
      }
    }
    return this.#update(text, keyId, now)
  }

  #update(text: string, keyId: string, now: number): Refusal | undefined {
    if (this.#current !== undefined && this.#current !== text) {
      if (this.#updatedAt !== undefined && now - this.#updatedAt < UPDATE_EVERY_MS) {
        return {
          reason: 'TooManyProviderTokenUpdates',
          detail: `the last update was ${Math.floor((now - this.#updatedAt) / 1000)} s ago; 20 minutes must lie between`,
        }
      }
      this.#updatedAt = now
    }
    this.#keyId = keyId
    this.#current = text
    return undefined
  }
}

function invalid(detail: string): Refusal {
  return { reason: 'InvalidProviderToken', detail }
}
