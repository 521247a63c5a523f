import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { ChunkOutcomes, judge, MOST_REMOVALS } from './chunk-outcomes.ts'
import { outcomeOfCode, REMOVED, UNSETTLED } from './outcome-code.ts'

const DEAD = 3
const BAD_TOKEN = 23
const code = fc.constantFrom(1, 2, DEAD, 4, 10, REMOVED, 12, 14, BAD_TOKEN, 255)
const step = fc.oneof(
  { weight: 20, arbitrary: fc.record({ settle: fc.nat(499), code }) },
  { weight: 1, arbitrary: fc.constant('take' as const) },
)

test('whatever is settled, in whatever order, every part is whole: its counts and reasons are those of its codes', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 500, maxLength: 500, max: 2 }),
      fc.array(step, { maxLength: 400 }),
      (stored, steps) => {
        const outcomes = new ChunkOutcomes(stored)
        const settled = new Map<number, number>()
        const reasons = new Map<number, number>()
        let removals = 0
        const take = (): void => {
          const part = outcomes.take()
          expect(part.removals.length).toBeLessThanOrEqual(MOST_REMOVALS)
          removals += part.removals.length
          for (const [reason, n] of part.reasons) reasons.set(reason, n)
          const counts = { accepted: 0, rejected: 0, unregistered: 0, unconfirmed: 0 }
          for (const each of part.codes) {
            const kind = outcomeOfCode(each)?.kind
            if (kind !== undefined) counts[kind]++
          }
          expect(part.counts).toEqual(counts)
          expect(part.settled).toBe(part.codes.filter((each) => each !== UNSETTLED).length)
          for (const [reason, n] of reasons) expect(part.codes.filter((each) => each === reason).length).toBe(n)
        }
        for (const each of steps) {
          if (each === 'take') take()
          else if (outcomes.codeAt(each.settle) === UNSETTLED) {
            outcomes.settle(each.settle, each.code, each.code === DEAD ? { token: 'ab', since: 1 } : undefined)
            settled.set(each.settle, each.code)
          }
        }
        while (outcomes.pending > 0) take()
        const { codes } = outcomes.take()
        expect([...codes]).toEqual([...stored].map((each, index) => settled.get(index) ?? each))
        expect(removals).toBe([...settled.values()].filter((each) => each === DEAD).length)
        expect([outcomes.removals, outcomes.settled]).toEqual([0, codes.filter((each) => each !== UNSETTLED).length])
      },
    ),
  )
})

test('a member has one outcome', () => {
  const outcomes = new ChunkOutcomes(new Uint8Array(2))
  outcomes.settle(0, { kind: 'accepted' })
  expect(() => outcomes.settle(0, { kind: 'accepted' })).toThrow('twice')
})

test('what was not written says nothing about an environment', () => {
  expect(
    judge([
      [UNSETTLED, 9],
      [1, 90],
      [REMOVED, 50],
      [BAD_TOKEN, 10],
    ]),
  ).toEqual({ settled: 100, mismatched: 10 })
})
