import { createPublicKey, generateKeyPairSync, sign, verify } from 'node:crypto'

import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { toBase64url } from '../base64url.ts'
import { ProtocolError } from '../errors.ts'
import { toUtf8 } from '../utf8.ts'
import { joinProviderToken, parseProviderToken, signingInput } from './provider-token.ts'

const CLAIMS = { teamId: 'DEF123GHIJ', keyId: 'ABC123DEFG', issuedAt: 1_700_000_000 }
/** Made by a program that shares no code with ours. */
const INPUT = 'eyJhbGciOiJFUzI1NiIsImtpZCI6IkFCQzEyM0RFRkcifQ.eyJpc3MiOiJERUYxMjNHSElKIiwiaWF0IjoxNzAwMDAwMDAwfQ'
const SIGNATURE = Uint8Array.from({ length: 64 }, (_, index) => index)

test('the golden signing input', () => {
  expect(signingInput(CLAIMS)).toBe(INPUT)
})

test('what Node signs is verified after reading', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const input = signingInput(CLAIMS)
  const signature = sign('sha256', toUtf8(input), { key: privateKey, dsaEncoding: 'ieee-p1363' })
  const { signed, signature: read, ...claims } = parseProviderToken(joinProviderToken(input, signature))
  expect(claims).toEqual(CLAIMS)
  const key = createPublicKey(publicKey.export({ type: 'spki', format: 'pem' }))
  expect(verify('sha256', toUtf8(signed), { key, dsaEncoding: 'ieee-p1363' }, read)).toBe(true)
})

test('a signature in DER is refused, with the way out', () => {
  expect(() => joinProviderToken(INPUT, new Uint8Array(72))).toThrow(
    expect.objectContaining({ code: 'invalid-provider-token', remedy: expect.stringContaining('ieee-p1363') }),
  )
})

test('every token comes back as it was made', () => {
  const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 20 })
  fc.assert(
    fc.property(text, text, fc.nat(), fc.uint8Array({ minLength: 64, maxLength: 64 }), (teamId, keyId, issuedAt, r) => {
      const input = signingInput({ teamId, keyId, issuedAt })
      const token = joinProviderToken(input, r)
      expect(token).toMatch(/^[\w-]+\.[\w-]+\.[\w-]{86}$/)
      expect(parseProviderToken(token)).toEqual({ teamId, keyId, issuedAt, signed: input, signature: r })
    }),
  )
})

const HEADER = { alg: 'ES256', kid: 'ABC123DEFG' }
const BODY = { iss: 'DEF123GHIJ', iat: 1_700_000_000 }

function tokenOf(header: unknown, claims: unknown, signature: Uint8Array = SIGNATURE): string {
  return (
    [header, claims].map((part) => `${toBase64url(toUtf8(JSON.stringify(part)))}.`).join('') + toBase64url(signature)
  )
}

test.for([
  { fault: 'no token', token: '' },
  { fault: 'two parts', token: INPUT },
  { fault: 'four parts', token: `${tokenOf(HEADER, BODY)}.AAAA` },
  { fault: 'bearer before it', token: `bearer ${tokenOf(HEADER, BODY)}` },
  { fault: 'padding', token: `${tokenOf(HEADER, BODY)}==` },
  { fault: 'another algorithm', token: tokenOf({ ...HEADER, alg: 'HS256' }, BODY) },
  { fault: 'no algorithm', token: tokenOf({ kid: 'ABC123DEFG' }, BODY) },
  { fault: 'no key id', token: tokenOf({ alg: 'ES256' }, BODY) },
  { fault: 'a team id that is no text', token: tokenOf(HEADER, { ...BODY, iss: 1 }) },
  { fault: 'the time as text', token: tokenOf(HEADER, { ...BODY, iat: '1700000000' }) },
  { fault: 'a time that is none', token: tokenOf(HEADER, { ...BODY, iat: -1 }) },
  { fault: 'claims that are no object', token: tokenOf(HEADER, [BODY]) },
  { fault: 'a header that is no JSON', token: tokenOf(HEADER, BODY).replace(/^.{8}/, 'AAAAAAAA') },
  { fault: 'a signature in DER', token: tokenOf(HEADER, BODY, new Uint8Array(72)) },
  { fault: '2049 characters', token: `${'A'.repeat(1950)}.AAAA.${'A'.repeat(93)}` },
])('$fault is refused, and the token is not told', ({ token }) => {
  expect(() => parseProviderToken(token)).toThrow(expect.objectContaining({ code: 'invalid-provider-token' }))
  const [, claims = ''] = token.split('.')
  if (claims.length > 8) expect(() => parseProviderToken(token)).not.toThrow(claims)
})

test('any text gives claims or the one typed error', () => {
  const part = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.json().map((json) => toBase64url(toUtf8(json))),
  )
  fc.assert(
    fc.property(fc.array(part, { maxLength: 4 }), (parts) => {
      try {
        expect(parseProviderToken(parts.join('.')).signature).toHaveLength(64)
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolError)
      }
    }),
  )
})
