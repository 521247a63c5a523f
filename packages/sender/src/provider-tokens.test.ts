import { createPublicKey, generateKeyPairSync, verify } from 'node:crypto'

import { parseProviderToken, renderAuthorization } from '@lhspn/apns-protocol'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { ProviderTokens } from './provider-tokens.ts'
import { openSigningKey } from './signing-key.ts'

const MINUTE = 60_000
const NOW = 1_700_000_000_000
const IDS = { keyId: 'ABC123DEFG', teamId: 'DEF123GHIJ' }
const { privateKey } = generateKeyPairSync('ec', {
  namedCurve: 'P-256',
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
})
const key = openSigningKey(privateKey, IDS)
const publicKey = createPublicKey(privateKey)

test('a provider token names key, team and time in seconds, and is signed with the key', () => {
  const token = new ProviderTokens(key).at(NOW + 999)
  const { signed, signature, ...claims } = parseProviderToken(token.text)
  expect(claims).toEqual({ ...IDS, issuedAt: 1_700_000_000 })
  expect(verify('sha256', Buffer.from(signed), { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature)).toBe(true)
  expect(token).toEqual({
    text: token.text,
    issuedAt: 1_700_000_000,
    generation: 1,
    field: renderAuthorization(token.text),
  })
})

test('it serves until it is 45 minutes old', () => {
  const tokens = new ProviderTokens(key)
  const first = tokens.at(NOW)
  expect(tokens.at(NOW + 44 * MINUTE)).toBe(first)
  expect(tokens.at(NOW + 45 * MINUTE - 1)).toBe(first)
  const second = tokens.at(NOW + 45 * MINUTE)
  expect(second).toMatchObject({ generation: 2, issuedAt: NOW / 1000 + 45 * 60 })
  expect(second.text).not.toBe(first.text)
  // Its age is what counts, not when the last one was asked for.
  expect(tokens.at(NOW + 89 * MINUTE)).toBe(second)
  expect(tokens.at(NOW + 90 * MINUTE).generation).toBe(3)
})

test('a renewed one differs, also within the same second, and serves from then on', () => {
  const tokens = new ProviderTokens(key)
  const first = tokens.at(NOW)
  const renewed = tokens.renew(NOW)
  expect(renewed.text).not.toBe(first.text)
  expect(renewed.generation).toBe(2)
  expect(tokens.at(NOW + 44 * MINUTE)).toBe(renewed)
})

test('a clock that is put back a little changes nothing; by more, it makes a new token', () => {
  const tokens = new ProviderTokens(key)
  const first = tokens.at(NOW)
  expect(tokens.at(NOW - MINUTE)).toBe(first)
  const second = tokens.at(NOW - MINUTE - 1)
  expect(second.generation).toBe(2)
  expect(tokens.at(NOW - MINUTE - 1 + 44 * MINUTE)).toBe(second)
})

test('however the clock goes, a token is less than 45 minutes old and at most a minute ahead, and is new only if it must be', () => {
  const steps = fc.array(fc.integer({ min: -120 * MINUTE, max: 120 * MINUTE }), { maxLength: 20 })
  fc.assert(
    fc.property(steps, (moves) => {
      const tokens = new ProviderTokens(key)
      let now = NOW
      let last = tokens.at(now)
      for (const move of moves) {
        now += move
        const served = (issuedAt: number): boolean => {
          const age = now - issuedAt * 1000
          return age >= -MINUTE && age < 45 * MINUTE
        }
        const token = tokens.at(now)
        if (!served(token.issuedAt) || (token === last) !== served(last.issuedAt)) return false
        last = token
      }
      return true
    }),
    { numRuns: 50 },
  )
})

test('a key that was not opened is refused', () => {
  expect(() => new ProviderTokens({ ...IDS, key: 'AuthKey_ABC123DEFG.p8' })).toThrow(
    expect.objectContaining({ code: 'invalid-credentials' }),
  )
})
