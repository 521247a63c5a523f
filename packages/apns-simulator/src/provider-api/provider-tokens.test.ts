import { createPrivateKey, generateKeyPairSync, sign } from 'node:crypto'

import { joinProviderToken, signingInput } from '@lhspn/apns-protocol'
import { expect, test } from 'vitest'

import { openVerifyingKey, type Environment } from '../signing-key.ts'
import { ConnectionTokens, ProviderTokenVerifier } from './provider-tokens.ts'

const pair = () =>
  generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
const KEYS = { AAAAAAAAAA: pair(), BBBBBBBBBB: pair(), SANDBOXKEY: pair() }
const TEAM = 'TEAMTEAMTE'
const SECOND = 1000
const MINUTE = 60 * SECOND
const NOW = 1_700_000_000_000

function verifier(): ProviderTokenVerifier {
  const keys = Object.entries(KEYS).map(([keyId, { publicKey }]) => {
    const environment: { environment?: Environment } = keyId === 'SANDBOXKEY' ? { environment: 'sandbox' } : {}
    return openVerifyingKey({ keyId, teamId: TEAM, publicKey, ...environment })
  })
  return new ProviderTokenVerifier(keys, 'production')
}

/** `at`: UNIX milliseconds. */
function token(at: number, keyId: keyof typeof KEYS = 'AAAAAAAAAA', signer = keyId, teamId = TEAM): string {
  const input = signingInput({ keyId, teamId, issuedAt: Math.floor(at / SECOND) })
  const key = createPrivateKey(KEYS[signer].privateKey)
  return joinProviderToken(input, sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }))
}

/** What a new connection answers to one token at `NOW`. */
function judged(text: string | undefined): string {
  return new ConnectionTokens(verifier()).check(text, NOW)?.reason ?? 'in order'
}

test.for<{ rule: string; text: string | undefined; due: string }>([
  { rule: 'of this second', text: token(NOW), due: 'in order' },
  { rule: 'an hour old', text: token(NOW - 60 * MINUTE), due: 'in order' },
  { rule: 'a second older', text: token(NOW - 60 * MINUTE - SECOND), due: 'ExpiredProviderToken' },
  { rule: 'of the next second', text: token(NOW + SECOND), due: 'InvalidProviderToken' },
  { rule: 'in milliseconds', text: token(NOW * 1000), due: 'InvalidProviderToken' },
  { rule: 'signed by another key', text: token(NOW, 'AAAAAAAAAA', 'BBBBBBBBBB'), due: 'InvalidProviderToken' },
  { rule: 'of another team', text: token(NOW, 'AAAAAAAAAA', 'AAAAAAAAAA', 'OTHERTEAM1'), due: 'InvalidProviderToken' },
  { rule: 'of another environment', text: token(NOW, 'SANDBOXKEY'), due: 'BadEnvironmentKeyIdInToken' },
  { rule: 'cut', text: token(NOW).slice(0, -4), due: 'InvalidProviderToken' },
  { rule: 'no token at all', text: 'letters', due: 'InvalidProviderToken' },
  { rule: 'another scheme', text: '', due: 'InvalidProviderToken' },
  { rule: 'missing', text: undefined, due: 'MissingProviderToken' },
])('a token $rule: $due', ({ text, due }) => expect(judged(text)).toBe(due))

test('a key that nobody knows is named', () => {
  const keys = [openVerifyingKey({ keyId: 'BBBBBBBBBB', teamId: TEAM, publicKey: KEYS.BBBBBBBBBB.publicKey })]
  const tokens = new ConnectionTokens(new ProviderTokenVerifier(keys, 'production'))
  const refusal = tokens.check(token(NOW), NOW)
  expect(refusal).toEqual({ reason: 'InvalidProviderToken', detail: 'nobody knows the key AAAAAAAAAA' })
})

test('a connection may change its token once in 20 minutes; a refused change changes nothing', () => {
  const tokens = new ConnectionTokens(verifier())
  const [first, second, third] = [token(NOW), token(NOW), token(NOW)]
  const told = (text: string, at: number) => tokens.check(text, at)?.reason ?? 'in order'
  expect(told(first, NOW)).toBe('in order')
  expect(told(second, NOW + MINUTE)).toBe('in order')
  expect(told(third, NOW + 20 * MINUTE)).toBe('TooManyProviderTokenUpdates')
  expect(told(second, NOW + 20 * MINUTE)).toBe('in order')
  expect(told(third, NOW + 21 * MINUTE)).toBe('in order')
})

test('a connection belongs to the key that it was opened with; a refused token binds nothing', () => {
  const tokens = new ConnectionTokens(verifier())
  expect(tokens.check(token(NOW - 90 * MINUTE, 'BBBBBBBBBB'), NOW)?.reason).toBe('ExpiredProviderToken')
  expect(tokens.check(token(NOW), NOW)).toBeUndefined()
  expect(tokens.check(token(NOW, 'BBBBBBBBBB'), NOW)?.reason).toBe('UnrelatedKeyIdInToken')
})
