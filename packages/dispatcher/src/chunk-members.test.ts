import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { decodeMembers, encodeIds, encodeTokens } from './chunk-members.ts'

test('ids come back as they were given, whatever lies between them', () => {
  const ids = fc
    .uniqueArray(fc.oneof(fc.integer({ min: 1, max: 500 }), fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER })))
    .map((list) => list.toSorted((one, other) => one - other))
  fc.assert(
    fc.property(ids, (list) => {
      expect(decodeMembers(encodeIds(list))).toEqual({ ids: list })
    }),
  )
})

test('tokens come back as they were given, of every length', () => {
  const token = fc.uint8Array({ minLength: 1, maxLength: 100 }).map((bytes) => Buffer.from(bytes).toString('hex'))
  fc.assert(
    fc.property(fc.array(token), (tokens) => {
      expect(decodeMembers(encodeTokens(tokens))).toEqual({ tokens })
    }),
  )
})

test('neighbours take a byte each', () => {
  const ids = Array.from({ length: 5000 }, (_, index) => 1_000_000_000 + index)
  expect(encodeIds(ids).length).toBe(1 + 5 + 4999)
})

test('ids that do not ascend are no members', () => {
  expect(() => encodeIds([2, 2])).toThrow(RangeError)
  expect(() => encodeIds([0])).toThrow(RangeError)
})

test('bytes of another form are refused', () => {
  expect(() => decodeMembers(Uint8Array.of(9, 1))).toThrow(RangeError)
})
