import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { UnsentBodies } from './unsent-bodies.ts'

const byte = (stream: number): Uint8Array => new Uint8Array(100).fill(stream)

/** What was written of each stream, and whether its end was. */
function frames(bytes: Uint8Array): { stream: number; length: number; end: boolean }[] {
  const found = []
  for (let at = 0; at < bytes.length;) {
    const length = ((bytes[at + 1] ?? 0) << 8) | (bytes[at + 2] ?? 0)
    const stream = bytes[at + 8] ?? 0
    expect(bytes.subarray(at + 9, at + 9 + length).every((value) => value === stream)).toBe(true)
    found.push({ stream, length, end: bytes[at + 4] === 1 })
    at += 9 + length
  }
  return found
}

test('however windows open, bodies leave whole, in frames that fit them, and end once', () => {
  const grant = fc.record({
    stream: fc.constantFrom(1, 3, 5),
    widen: fc.nat(60),
    connection: fc.nat(90),
    space: fc.nat(120),
  })
  fc.assert(
    fc.property(fc.array(grant, { maxLength: 30 }), fc.integer({ min: -50, max: 100 }), (grants, initial) => {
      const bodies = new UnsentBodies()
      const allowed = new Map([1, 3, 5].map((stream) => [stream, initial]))
      const sent = new Map([1, 3, 5].map((stream) => [stream, 0]))
      for (const stream of allowed.keys()) bodies.add(stream, byte(stream), initial)
      const take = (space: number, window: number): void => {
        const into = new Uint8Array(space)
        const { at, bytes } = bodies.write(into, 0, space, window)
        let total = 0
        for (const { stream, length, end } of frames(into.subarray(0, at))) {
          total += length
          sent.set(stream, (sent.get(stream) ?? 0) + length)
          expect(sent.get(stream)).toBeLessThanOrEqual(Math.max(0, allowed.get(stream) ?? 0))
          expect(end).toBe(sent.get(stream) === 100)
        }
        expect([total, total <= window]).toEqual([bytes, true])
      }
      for (const { stream, widen, connection, space } of grants) {
        const has = bodies.has(stream)
        expect(bodies.widen(stream, widen) === undefined).toBe(!has)
        if (has) allowed.set(stream, (allowed.get(stream) ?? 0) + widen)
        take(space, connection)
      }
      for (const stream of allowed.keys()) {
        allowed.set(stream, 1000)
        bodies.widen(stream, 1000)
      }
      for (let i = 0; i < 4; i++) take(400, 400)
      expect([bodies.size, ...sent.values()]).toEqual([0, 100, 100, 100])
    }),
  )
})

test('a lowered initial window may leave less than nothing, and is made up for first', () => {
  const bodies = new UnsentBodies()
  bodies.add(1, byte(1), 10)
  bodies.shift(-30)
  expect(bodies.writable(1000)).toBe(false)
  expect(bodies.widen(1, 20)).toBe(0)
  expect(bodies.writable(1000)).toBe(false)
  expect(bodies.widen(1, 1)).toBe(1)
  expect([bodies.writable(1000), bodies.writable(0)]).toEqual([true, false])
  expect(bodies.delete(1)).toBe(true)
  expect([bodies.widen(1, 1), bodies.delete(1)]).toEqual([undefined, false])
})
