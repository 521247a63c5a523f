/**
 * Provider tokens, text ↔ values: a JWT that proves whose the requests are (Apple, Establishing a token-based
 * connection to APNs; RFC 7515, 7518 section 3.4).
 *
 * header · "." · claims · "." · signature, each in base64url without padding
 * header: {"alg":"ES256","kid":key id} · claims: {"iss":team id,"iat":UNIX seconds}
 * signature: ECDSA with P-256 and SHA-256 over the ASCII of header, dot and claims; r and s, 32 bytes each
 *
 * Signing and verifying need a cryptographic library, so they are left to whoever has one.
 */
import { fromBase64url, toBase64url } from '../base64url.ts'
import { ProtocolError } from '../errors.ts'
import { isJsonObject } from '../json.ts'
import { fromUtf8, toUtf8 } from '../utf8.ts'

/** What a provider token says. */
export interface ProviderClaims {
  /** Ten characters: whose key it is. */
  readonly teamId: string
  /** Ten characters: which key signed it. */
  readonly keyId: string
  /** UNIX seconds. APNs takes the token for an hour from then on. */
  readonly issuedAt: number
}

/** A provider token as it was read; nothing is verified. */
export interface ReceivedProviderToken extends ProviderClaims {
  /** What the signature is over, as ASCII. */
  readonly signed: string
  /** r and s, 32 bytes each (the form that Node calls ieee-p1363). */
  readonly signature: Uint8Array
}

const SIGNATURE_BYTES = 64
/** Far above what keys and teams need: tokens have about 220 characters. */
const MAX_TOKEN_CHARACTERS = 2048

/** The text to sign, ASCII. */
export function signingInput({ teamId, keyId, issuedAt }: ProviderClaims): string {
  const header = JSON.stringify({ alg: 'ES256', kid: keyId })
  const claims = JSON.stringify({ iss: teamId, iat: issuedAt })
  return `${toBase64url(toUtf8(header))}.${toBase64url(toUtf8(claims))}`
}

/**
 * The provider token of a {@link signingInput} and its signature.
 *
 * @param signature r and s, 64 bytes
 * @throws ProtocolError `invalid-provider-token`: the signature has another length
 */
export function joinProviderToken(input: string, signature: Uint8Array): string {
  if (signature.length !== SIGNATURE_BYTES)
    throw new ProtocolError(
      'invalid-provider-token',
      `a signature has ${SIGNATURE_BYTES} bytes, not ${signature.length}`,
      'Sign for r and s alone, without DER around them: dsaEncoding "ieee-p1363" in Node.',
    )
  return `${input}.${toBase64url(signature)}`
}

/**
 * Reads a provider token, without `bearer` before it. Neither its signature nor its age are judged.
 *
 * @throws ProtocolError `invalid-provider-token`: not three parts of base64url, another algorithm, a claim that is not
 *   there or of another type, a signature that is not 64 bytes. The message holds nothing of the token.
 */
export function parseProviderToken(text: string): ReceivedProviderToken {
  if (text.length > MAX_TOKEN_CHARACTERS) throw refusal(`it has more than ${MAX_TOKEN_CHARACTERS} characters`)
  const parts = text.split('.')
  const [header = '', claims = '', last = ''] = parts
  if (parts.length !== 3) throw refusal('it has not three parts with dots between')
  const { alg, kid } = readJson(header, 'header')
  if (alg !== 'ES256') throw refusal('"alg" in its header is not "ES256"')
  if (typeof kid !== 'string' || kid === '') throw refusal('"kid" in its header is no key id')
  const { iss, iat } = readJson(claims, 'claims')
  if (typeof iss !== 'string' || iss === '') throw refusal('"iss" in its claims is no team id')
  if (typeof iat !== 'number' || !Number.isFinite(iat) || iat < 0)
    throw refusal('"iat" in its claims is no number of UNIX seconds')
  const signature = fromBase64url(last)
  if (signature?.length !== SIGNATURE_BYTES) throw refusal(`its signature has not ${SIGNATURE_BYTES} bytes`)
  return { teamId: iss, keyId: kid, issuedAt: iat, signed: `${header}.${claims}`, signature }
}

function readJson(part: string, name: string): { readonly [key: string]: unknown } {
  const bytes = fromBase64url(part)
  if (bytes === undefined) throw refusal(`its ${name} is no base64url`)
  let value: unknown
  try {
    value = JSON.parse(fromUtf8(bytes))
  } catch {
    // The error of JSON.parse would quote the token.
  }
  if (!isJsonObject(value)) throw refusal(`its ${name} is no JSON object`)
  return value
}

function refusal(fault: string): ProtocolError {
  return new ProtocolError(
    'invalid-provider-token',
    `this is no provider token: ${fault}`,
    'Make it of the key id, the team id and the time in UNIX seconds, and sign it with ES256.',
  )
}
