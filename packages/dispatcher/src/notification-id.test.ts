import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { notificationId, notificationIds, pushNumberOf } from './notification-id.ts'

const PUSH = { id: 'psh_01KAX3Q9V6ABCDEFGHJKMNPQRS', number: 123_456_789 }
const UUID_8 = /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

const numbers = fc.oneof(fc.constantFrom(0, 1, 0xffff, 0x1_0000, 0xffff_ffff, 2 ** 48 - 1), fc.nat(), fc.maxSafeNat())
const pushes = fc.record({
  id: fc.string({ unit: fc.constantFrom('0', '9', 'A', 'Z'), minLength: 26, maxLength: 26 }),
  number: numbers.map((number) => number % 2 ** 48),
})
const tokens = fc.uint8Array({ minLength: 1, maxLength: 100 }).map((bytes) => Buffer.from(bytes).toString('hex'))

test('an id is the same on every machine and after every restart: this one is pinned', () => {
  expect(notificationId(PUSH, '740f4707bebcf74f9b7c25d48e3358945f6aa01da5ddb387462c7eaf61bb78ad')).toBe(
    '0000075b-cd15-8be6-b8e6-b21575ed15d9',
  )
})

test('an id is a UUID of version 8 that tells the number of its push', () =>
  fc.assert(
    fc.property(pushes, tokens, (push, token) => {
      const id = notificationId(push, token)
      expect(id).toMatch(UUID_8)
      expect(pushNumberOf(id)).toBe(push.number)
      expect(pushNumberOf(id.toUpperCase())).toBe(push.number)
    }),
  ))

test('ids differ between tokens, and between pushes of the same number', () =>
  fc.assert(
    fc.property(pushes, tokens, fc.nat(), fc.integer({ min: 1, max: 15 }), (push, token, at, by) => {
      const index = at % token.length
      const digit = (Number.parseInt(token.charAt(index), 16) ^ by).toString(16)
      const other = token.slice(0, index) + digit + token.slice(index + 1)
      const ids = [
        notificationId(push, token),
        notificationId(push, other),
        notificationId(push, `${token}00`),
        notificationId({ ...push, id: `${push.id}0` }, token),
      ]
      expect(new Set(ids).size).toBe(ids.length)
    }),
  ))

test('ids of one push do not disturb those of another', () =>
  fc.assert(
    fc.property(pushes, pushes, tokens, (one, another, token) => {
      const [idOfOne, idOfAnother] = [notificationIds(one), notificationIds(another)]
      const first = idOfOne(token)
      expect(idOfAnother(token)).toBe(notificationId(another, token))
      expect(idOfOne(token)).toBe(first)
    }),
  ))

// Any 32 of the mixed bits must meet as often as those of a fair die: the whole 74 then do so once in 10^10 pushes of
// a million devices. Counted tokens are the hardest input there is, and the one that people make up.
test.for([
  { tokens: 'counted at their end', token: (n: number) => n.toString(16).padStart(64, '0') },
  { tokens: 'counted at their start', token: (n: number) => n.toString(16).padStart(8, '0').padEnd(64, '0') },
  { tokens: 'of four bytes', token: (n: number) => n.toString(16).padStart(8, '0') },
])('ids of a million tokens $tokens are spread like dice', ({ token }) => {
  const idOf = notificationIds(PUSH)
  const million = 1_000_000
  const parts = [new Uint32Array(million), new Uint32Array(million), new Uint32Array(million)] as const
  for (let index = 0; index < million; index++) {
    const id = idOf(token(index))
    parts[0][index] = Number.parseInt(id.slice(28), 16)
    parts[1][index] = Number.parseInt(`${id.slice(15, 18)}${id.slice(20, 23)}${id.slice(24, 26)}`, 16)
    parts[2][index] = Number.parseInt(id.slice(20, 23) + id.slice(26, 31), 16)
  }
  const expected = million ** 2 / 2 / 2 ** 32
  for (const part of parts) {
    const met = part.toSorted().reduce((sum, value, index, sorted) => sum + Number(value === sorted[index - 1]), 0)
    expect(Math.abs(met - expected)).toBeLessThan(5 * Math.sqrt(expected))
  }
})

test.for([
  '',
  'psh_01KAX3Q9V6ABCDEFGHJKMNPQRS',
  'eec1c9a5-0e17-4b5f-9d2a-1b0e6f6f3c11',
  '0000075b-cd15-8000-c000-000000000000',
])('%j is no id of a notification of ours', (id) => expect(pushNumberOf(id)).toBeUndefined())

test.for([-1, 1.5, 2 ** 48, Number.NaN])('%d is no number of a push', (number) =>
  expect(() => notificationIds({ ...PUSH, number })).toThrow(RangeError),
)
