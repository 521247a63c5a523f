import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { hexOf } from '../test/vectors.ts'
import { MAX_TOKEN_BYTES, parseDeviceToken, shortenDeviceToken } from './device-token.ts'
import { ProtocolError } from './errors.ts'

const TOKEN = '740f4707bebcf74f9b7c25d48e3358945f6aa01da5ddb387462c7eaf61bb78ad'

function outcomeOf(text: string): { readonly token?: string; readonly error?: ProtocolError } {
  try {
    return { token: parseDeviceToken(text) }
  } catch (error) {
    if (error instanceof ProtocolError) return { error }
    throw error
  }
}

test.for([
  ['as it is', TOKEN],
  ['in capitals', TOKEN.toUpperCase()],
  ['as NSData was printed', `<${TOKEN.replaceAll(/(.{8})(?!$)/g, '$1 ')}>`],
  ['with white space around and inside', ` \t${TOKEN.slice(0, 10)}\r\n\u00a0${TOKEN.slice(10)}\n`],
] as const)('a token %s', ([, text]) => {
  expect(parseDeviceToken(text)).toBe(TOKEN)
})

test.for([
  ['nothing', '', 'empty'],
  ['white space alone', ' \n ', 'empty'],
  ['brackets alone', '<>', 'empty'],
  ['half a byte', `${TOKEN}a`, '65 hex digits'],
  ['101 bytes', '00'.repeat(MAX_TOKEN_BYTES + 1), 'at most 100 bytes'],
  ['a megabyte', 'ab'.repeat(500_000), 'at most 100 bytes'],
  ['a letter that is no digit', `g${TOKEN.slice(1)}`, 'no hex digits'],
  ['one bracket', `<${TOKEN}`, 'no hex digits'],
  ['a prefix', `0x${TOKEN}`, 'no hex digits'],
  ['full-width digits', '１２', 'no hex digits'],
  ['base64 with padding', 'dA9HB7689w+bfCXUjjNYlF9qoB2l3bOHRix+r2G7eK0=', 'base64'],
  ['base64 without padding', 'dA9HB7689w-bfCXUjjNYlF9qoB2l3bOHRix-r2G7eK0', 'base64'],
  ['the description of NSData', '{length = 32, bytes = 0x740f4707 bebcf74f 9b7c25d4 ... 61bb78ad }', 'NSData'],
] as const)('%s is refused', ([, text, part]) => {
  const { error } = outcomeOf(text)
  expect(error).toMatchObject({ code: 'invalid-device-token', message: expect.stringContaining(part) })
  expect(error?.remedy).toBeTruthy()
})

test.for([[undefined], [null], [7], [{}], [[]]])('%j is no text', ([value]) => {
  expect(() => Reflect.apply(parseDeviceToken, undefined, [value])).toThrow(
    expect.objectContaining({ code: 'invalid-device-token' }),
  )
})

test('any text gives a token or one error, which shows no more than its two ends and no control character', () => {
  const long = fc.stringMatching(/^[0-9a-z]{12,260}$/)
  fc.assert(
    fc.property(fc.oneof(fc.string({ unit: 'binary' }), long), (text) => {
      const { token, error } = outcomeOf(text)
      expect(token ?? 'aa').toMatch(/^(?:[0-9a-f]{2}){1,100}$/)
      expect(error?.code ?? 'invalid-device-token').toBe('invalid-device-token')
      expect(error?.message ?? '').not.toMatch(/\p{Cc}/u)
      expect(text.length > 11 && error?.message.includes(text)).toBeFalsy()
    }),
  )
})

test('the hex of any 1 to 100 bytes is taken, and parsing it again changes nothing', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: MAX_TOKEN_BYTES }), (bytes) => {
      const hex = hexOf(bytes)
      expect(parseDeviceToken(hex)).toBe(hex)
      expect(parseDeviceToken(hex.toUpperCase())).toBe(hex)
    }),
  )
})

test.for([
  [TOKEN, '740f47…78ad'],
  ['0123456789a', '012345…789a'],
  ['0123456789', '0123456789'],
  ['', ''],
] as const)('%s is shown as %s', ([token, shown]) => {
  expect(shortenDeviceToken(token)).toBe(shown)
})
