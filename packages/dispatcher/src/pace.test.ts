import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { allowedAt, pace } from './pace.ts'

async function* give(...arrays: readonly (readonly number[])[]) {
  yield* arrays
}

const numbers = (from: number, count: number): number[] => Array.from({ length: count }, (_, n) => from + n)

test('nothing goes before its time, and never more than the rate and one step of it', () => {
  const rate = fc.double({ min: 0.01, max: 100_000, noNaN: true })
  const ms = fc.double({ min: -1000, max: 100_000, noNaN: true })
  fc.assert(
    fc.property(rate, ms, (each, at) => {
      const allowed = allowedAt(at, each)
      if (at < 0) expect(allowed).toBe(0)
      else {
        expect(allowed).toBeGreaterThanOrEqual(1)
        expect(allowed).toBeLessThanOrEqual(((at + 25) * each) / 1000 + 1)
        expect(allowed).toBeGreaterThan((at * each) / 1000)
      }
    }),
  )
})

test('an array is cut, and nothing of it is lost', async () => {
  const start = performance.now() + 20
  const got: number[] = []
  for await (const some of pace(give([1, 2, 3], [4], numbers(5, 96)), {
    rate: 1000,
    start,
    signal: new AbortController().signal,
  }))
    got.push(...some)
  expect(got).toEqual(numbers(1, 100))
  expect(performance.now() - start).toBeGreaterThan(50)
})

test('an abort ends the wait', async () => {
  const aborting = new AbortController()
  const got: number[] = []
  for await (const some of pace(give([1, 2]), { rate: 0.001, start: performance.now(), signal: aborting.signal })) {
    got.push(...some)
    aborting.abort()
  }
  expect(got).toEqual([1])
})
