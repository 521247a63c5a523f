import { array, assert, property, uint8Array } from 'fast-check'
import { expect, test } from 'vitest'

import { TokenSet } from './token-set.ts'

test('tells of each token whether it is new, as a Set does', () => {
  const token = uint8Array({ minLength: 1, maxLength: 100, max: 3 }).map((bytes) => Buffer.from(bytes).toString('hex'))
  assert(
    property(array(token), (tokens) => {
      const set = new TokenSet()
      const due = new Set<string>()
      for (const each of tokens) {
        expect(set.add(each)).toBe(!due.has(each))
        due.add(each)
        expect(set.size).toBe(due.size)
      }
    }),
  )
})

test('holds many, and tells those that begin alike apart', () => {
  const set = new TokenSet()
  const tokens = Array.from({ length: 100_000 }, (_, n) => n.toString(16).padStart(64, '0'))
  expect(tokens.every((each) => set.add(each))).toBe(true)
  expect(tokens.some((each) => set.add(each))).toBe(false)
  expect(set.add('00')).toBe(true)
  expect(set.add('0000')).toBe(true)
  expect(set.add('00')).toBe(false)
})
