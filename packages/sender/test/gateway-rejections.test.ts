import type { Journal, Rule } from '@lhspn/apns-simulator'
import { afterAll, describe, expect, test } from 'vitest'

import type { Sender } from '../src/index.ts'
import {
  arrivals,
  contradictions,
  expectNoLeftovers,
  numbered,
  openDelivery,
  outcomesOf,
  range,
  tally,
} from './delivery.ts'

const at = (number: number, action: Rule['do'], times?: number): Rule => ({
  when: { token: numbered(number).token },
  do: action,
  ...(times !== undefined && { times }),
})

afterAll(expectNoLeftovers)

describe.concurrent('an error response settles what was before it, and what was after it goes again', () => {
  interface Case {
    readonly rule: string
    readonly rules: readonly Rule[]
    readonly tally: Record<string, number>
    /** What arrives on each connection that has notifications at all; `!` was rejected, `-` discarded. */
    readonly arrivals: readonly string[]
  }
  const rejected = { accepted: 7, 'rejected InvalidToken': 1 }
  test.for<Case>([
    {
      rule: 'a rejected token in the middle',
      rules: [at(3, { status: 8 })],
      tally: rejected,
      arrivals: ['0 1 2 3! 4- 5- 6- 7-', '4 5 6 7'],
    },
    {
      rule: 'the first',
      rules: [at(0, { status: 8 })],
      tally: rejected,
      arrivals: ['0! 1- 2- 3- 4- 5- 6- 7-', '1 2 3 4 5 6 7'],
    },
    { rule: 'the last', rules: [at(7, { status: 8 })], tally: rejected, arrivals: ['0 1 2 3 4 5 6 7!'] },
    {
      rule: 'several',
      rules: [at(1, { status: 5 }), at(2, { status: 8 }), at(6, { status: 7 })],
      tally: {
        accepted: 5,
        'rejected InvalidTokenSize': 1,
        'rejected InvalidToken': 1,
        'rejected InvalidPayloadSize': 1,
      },
      arrivals: ['0 1! 2- 3- 4- 5- 6- 7-', '2! 3- 4- 5- 6- 7-', '3 4 5 6! 7-', '7'],
    },
    {
      rule: 'shutdown names the last that was taken',
      rules: [at(3, { status: 10 })],
      tally: { accepted: 8 },
      arrivals: ['0 1 2 3 4- 5- 6- 7-', '4 5 6 7'],
    },
    {
      rule: 'shutdown that names the one before',
      rules: [at(3, { status: 10, identifier: 'previous' }, 1)],
      tally: { accepted: 8 },
      arrivals: ['0 1 2 3- 4- 5- 6- 7-', '3 4 5 6 7'],
    },
    {
      rule: 'late: what came meanwhile was discarded, its barrier too',
      rules: [at(3, { status: 8, delayMs: 300 })],
      tally: rejected,
      arrivals: ['0 1 2 3! 4- 5- 6- 7-', '4 5 6 7'],
    },
    {
      rule: 'garbage behind it means nothing',
      rules: [at(3, { status: 8, garbage: '080800000001ffff' })],
      tally: rejected,
      arrivals: ['0 1 2 3! 4- 5- 6- 7-', '4 5 6 7'],
    },
    {
      rule: 'a reset behind it',
      rules: [at(3, { status: 8, reset: true })],
      tally: rejected,
      arrivals: ['0 1 2 3! 4- 5- 6- 7-', '4 5 6 7'],
    },
    ...[[1], [2], [3], [4], [5], [1, 1, 1, 1, 1]].map((split) => ({
      rule: `in pieces of ${split.join(', ')} and the rest`,
      rules: [at(3, { status: 8, split, garbage: '00' })],
      tally: rejected,
      arrivals: ['0 1 2 3! 4- 5- 6- 7-', '4 5 6 7'],
    })),
  ])('$rule', async ({ rules, tally: expected, arrivals: expectedArrivals }, context) => {
    const { simulator, sender } = await openDelivery(context, { script: { rules } })
    const sent = range(0, 8)
    closeAfter(expectedArrivals.join(' '), simulator.journal, sender)
    const outcomes = await outcomesOf(sender.send([sent]))
    expect(tally(outcomes)).toEqual(expected)
    expect(contradictions(simulator.journal, sent, outcomes)).toEqual([])
    expect(arrivals(simulator.journal)).toEqual(expectedArrivals)
  })

  test('without being hurried, what goes again is proven when a barrier is due', async (context) => {
    const { simulator, sender } = await openDelivery(context, { script: { rules: [at(3, { status: 8 })] } })
    const sent = range(0, 8)
    const outcomes = await outcomesOf(sender.send([sent]))
    expect(tally(outcomes)).toEqual(rejected)
    expect(contradictions(simulator.journal, sent, outcomes)).toEqual([])
  })
})

describe.concurrent('a fault of the gateway: the named one goes again, alone, as often as it may', () => {
  test.for([
    { status: 1, times: 1, attempts: 3, refused: 1, tally: { accepted: 3, 'accepted x2': 1 } },
    { status: 1, times: 2, attempts: 3, refused: 2, tally: { accepted: 3, 'accepted x3': 1 } },
    { status: 1, times: 3, attempts: 3, refused: 3, tally: { accepted: 3, 'rejected ProcessingError x3': 1 } },
    { status: 1, times: 9, attempts: 3, refused: 3, tally: { accepted: 3, 'rejected ProcessingError x3': 1 } },
    { status: 1, times: 9, attempts: 1, refused: 1, tally: { accepted: 3, 'rejected ProcessingError': 1 } },
    { status: 255, times: 1, attempts: 5, refused: 1, tally: { accepted: 3, 'accepted x2': 1 } },
    { status: 255, times: 9, attempts: 5, refused: 2, tally: { accepted: 3, 'rejected Unknown x2': 1 } },
    { status: 77, times: 9, attempts: 5, refused: 2, tally: { accepted: 3, 'rejected Unknown x2': 1 } },
  ])(
    'status $status $times times, and $attempts attempts',
    async ({ status, times, attempts, refused, tally: expected }, context) => {
      const { simulator, sender } = await openDelivery(context, {
        script: { rules: [at(1, { status }, times)] },
        sender: { attempts },
      })
      const sent = range(0, 4)
      closeWhen(
        simulator.journal,
        sender,
        Object.keys(expected).some((key) => key.startsWith('rejected')) ? 3 : 4,
        refused,
      )
      const outcomes = await outcomesOf(sender.send([sent]))
      expect(tally(outcomes)).toEqual(expected)
      expect(contradictions(simulator.journal, sent, outcomes)).toEqual([])
      expect(simulator.journal.counts().rejected).toBe(refused)
    },
  )
})

describe.concurrent('in a long stream', () => {
  const STREAM = 20_000

  test.for<{ rule: string; rules: Rule[] }>([
    { rule: 'one rejection in five hundred', rules: [{ when: { chance: 0.002 }, do: { status: 8 } }] },
    {
      rule: 'late rejections',
      rules: [{ when: { chance: 0.0004 }, do: { status: 8, delayMs: 100 } }],
    },
    {
      rule: 'rejections, shutdowns, faults of the gateway, all mixed',
      rules: [
        { when: { chance: 0.0004 }, do: { status: 8 } },
        { when: { chance: 0.0004 }, do: { status: 10 } },
        { when: { chance: 0.0004 }, do: { status: 10, identifier: 'previous' } },
        { when: { chance: 0.0004 }, do: { status: 1, split: [3] } },
        { when: { chance: 0.0004 }, do: { status: 255, reset: true } },
      ],
    },
  ])('$rule: every outcome is true, and nothing is taken twice', async ({ rules }, context) => {
    const { simulator, sender } = await openDelivery(context, { script: { rules }, seed: 7 })
    const sent = range(0, STREAM)
    const batches = Array.from({ length: STREAM / 1000 }, (_, index) => sent.slice(index * 1000, index * 1000 + 1000))
    const outcomes = await outcomesOf(sender.send(batches))
    expect(contradictions(simulator.journal, sent, outcomes)).toEqual([])
    const { accepted = 0, ...others } = tally(outcomes)
    expect(accepted).toBeGreaterThan(0.99 * STREAM)
    expect(Object.keys(others).every((key) => /^(accepted|rejected (InvalidToken|Unknown))/.test(key))).toBe(true)
    const wrongly = outcomes.filter(
      ({ kind, status }) =>
        kind === 'rejected' && !rules.some((rule) => typeof rule.do === 'object' && rule.do.status === status),
    )
    expect(wrongly).toEqual([])
  })
})

test('an answer is read before much more is written: the write loop lets others have their turns', async (context) => {
  const { simulator, sender } = await openDelivery(context, {
    script: { rules: [at(0, { status: 8 })] },
    journal: 'counts',
  })
  const outcomes = await outcomesOf(sender.send([range(0, 16_384)]))
  expect(tally(outcomes)).toEqual({ accepted: 16_383, 'rejected InvalidToken': 1 })
  expect(simulator.journal.counts().discarded).toBeLessThan(12_000)
})

/** Closes the sender, which hurries its last barrier, when all that is to be taken and to be refused has arrived. */
function closeWhen(journal: Journal, sender: Sender, taken: number, refused: number): void {
  void journal
    .waitFor(({ accepted }) => accepted === taken && journal.counts().rejected === refused)
    .then(() => sender.close())
}

function closeAfter(names: string, journal: Journal, sender: Sender): void {
  const all = names.split(' ')
  const refused = all.filter((name) => name.endsWith('!')).length
  closeWhen(journal, sender, all.length - refused - all.filter((name) => name.endsWith('-')).length, refused)
}
