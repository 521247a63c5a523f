import type { Action } from '@lhspn/apns-simulator'
import { afterAll, describe, expect, test } from 'vitest'

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

const QUIET = { quietTimeMs: 200 }
const SILENT = { barriers: false }

afterAll(expectNoLeftovers)

describe.concurrent('what an answer to the barrier of a window says', () => {
  test.for<{ rule: string; action: Action; outcome: string }>([
    { rule: 'status 2 that names it', action: { status: 2 }, outcome: 'accepted' },
    { rule: 'status 2 that names 0', action: { status: 2, identifier: 'zero' }, outcome: 'accepted' },
    { rule: 'any other status that names it', action: { status: 8 }, outcome: 'accepted' },
    { rule: 'a status without a name', action: { status: 200 }, outcome: 'accepted' },
    {
      rule: 'a shutdown that names the last before it',
      action: { status: 10, identifier: 'previous' },
      outcome: 'accepted',
    },
    { rule: 'late', action: { status: 2, delayMs: 300 }, outcome: 'accepted' },
    { rule: 'in pieces', action: { status: 2, split: [1, 1, 1, 1, 1] }, outcome: 'accepted' },
    { rule: 'with our bytes unread', action: { status: 2, unread: true }, outcome: 'accepted' },
    { rule: 'status 0', action: { status: 0 }, outcome: 'unconfirmed PositionUnknown' },
    { rule: 'status 128', action: { status: 128 }, outcome: 'unconfirmed PositionUnknown' },
    {
      rule: 'an identifier never sent',
      action: { status: 2, identifier: 'unknown' },
      outcome: 'unconfirmed PositionUnknown',
    },
    {
      rule: 'another status that names 0',
      action: { status: 8, identifier: 'zero' },
      outcome: 'unconfirmed PositionUnknown',
    },
    { rule: 'a bare close', action: 'close', outcome: 'unconfirmed ConnectionLost' },
    { rule: 'silence', action: 'half-open', outcome: 'unconfirmed NoAnswer' },
  ])('$rule: $outcome', async ({ action, outcome }, context) => {
    const { simulator, sender } = await openDelivery(context, {
      script: { rules: [{ when: { barrier: true, nth: 2 }, do: action }] },
      sender: { requestTimeoutMs: 500 },
    })
    const sent = range(0, 3)
    const outcomes = await outcomesOf(sender.send([sent]))
    expect(tally(outcomes)).toEqual({ [outcome]: 3 })
    expect(contradictions(simulator.journal, sent, outcomes)).toEqual([])
    expect(arrivals(simulator.journal)).toEqual(['0 1 2'])
  })
})

describe.concurrent('a gateway that does not answer barriers', () => {
  test.for([
    { assumeAccepted: false, outcome: 'unconfirmed Quiet' },
    { assumeAccepted: true, outcome: 'accepted Assumed' },
  ])(
    'is served by quiet time, assumeAccepted $assumeAccepted: $outcome',
    async ({ assumeAccepted, outcome }, context) => {
      const { simulator, sender, events } = await openDelivery(context, {
        script: SILENT,
        sender: { ...QUIET, assumeAccepted },
      })
      const sent = range(0, 8)
      const outcomes = await outcomesOf(sender.send([sent]))
      expect(tally(outcomes)).toEqual({ [outcome]: 8 })
      expect(arrivals(simulator.journal)).toEqual(['0 1 2 3 4 5 6 7'])
      expect(events).toContainEqual({ kind: 'barriers', answered: false })
    },
  )

  test('an error response settles what has not left', async (context) => {
    const { simulator, sender } = await openDelivery(context, {
      script: { ...SILENT, rules: [{ when: { token: numbered(3).token }, do: { status: 8 } }] },
      sender: QUIET,
    })
    const sent = range(0, 8)
    const outcomes = await outcomesOf(sender.send([sent]))
    expect(tally(outcomes)).toEqual({ accepted: 3, 'rejected InvalidToken': 1, 'unconfirmed Quiet': 4 })
    expect(contradictions(simulator.journal, sent, outcomes)).toEqual([])
    expect(arrivals(simulator.journal)).toEqual(['0 1 2 3! 4- 5- 6- 7-', '4 5 6 7'])
  })

  test('where the named one has left, all after it go again', async (context) => {
    const { simulator, sender } = await openDelivery(context, {
      script: { ...SILENT, rules: [{ when: { token: numbered(3).token }, do: { status: 8, delayMs: 1200 } }] },
      sender: { quietTimeMs: 800 },
    })
    const first = range(0, 8)
    const early = await outcomesOf(sender.send([first]))
    expect(tally(early)).toEqual({ 'unconfirmed Quiet': 8 })
    const second = range(8, 12)
    const outcomes = await outcomesOf(sender.send([second]))
    expect(tally(outcomes)).toEqual({ 'unconfirmed Quiet': 4 })
    expect(arrivals(simulator.journal)).toEqual(['0 1 2 3! 4- 5- 6- 7- 8- 9- 10- 11-', '8 9 10 11'])
  })

  test('a long stream is written on one connection after the other, and leaves by quiet time', async (context) => {
    const { simulator, sender } = await openDelivery(context, { script: SILENT, sender: QUIET })
    const sent = range(0, 40_000)
    const outcomes = await outcomesOf(sender.send([sent]))
    expect(tally(outcomes)).toEqual({ 'unconfirmed Quiet': 40_000 })
    // Some may still be on their way: quiet time proves nothing.
    await simulator.journal.waitFor(({ accepted }) => accepted === 40_000)
    expect(contradictions(simulator.journal, sent, outcomes)).toEqual([])
    expect(simulator.journal.connections).toBeLessThan(7)
  })

  test('closing waits for the quiet time, and what was written leaves by it', async (context) => {
    const { simulator, sender } = await openDelivery(context, { script: SILENT, sender: QUIET })
    const outcome = sender.sendOne(numbered(0))
    await simulator.journal.waitFor(({ accepted }) => accepted === 1)
    await sender.close()
    expect(await outcome).toMatchObject({ kind: 'unconfirmed', reason: 'Quiet' })
  })
})

describe.concurrent('whether a gateway answers barriers is learnt', () => {
  test('late: off by silence, on again by the answer', async (context) => {
    const { simulator, sender, events } = await openDelivery(context, {
      script: { rules: [{ when: { barrier: true, nth: 1 }, do: { status: 2, delayMs: 1500 } }] },
      sender: QUIET,
    })
    const first = range(0, 4)
    const early = await outcomesOf(sender.send([first]))
    expect(tally(early)).toEqual({ 'unconfirmed Quiet': 4 })
    await simulator.journal.waitFor((journal) => journal.answers().get(2) === 1)
    const second = range(4, 8)
    const outcomes = await outcomesOf(sender.send([second]))
    expect(tally(outcomes)).toEqual({ accepted: 4 })
    expect(events.filter(({ kind }) => kind === 'barriers')).toEqual([
      { kind: 'barriers', answered: false },
      { kind: 'barriers', answered: true },
    ])
    expect(contradictions(simulator.journal, [...first, ...second], [...early, ...outcomes])).toEqual([])
  })

  test('by a bare close, and a connection that stays open with nothing written', async (context) => {
    const { simulator, sender, events } = await openDelivery(context, {
      script: { ...SILENT, rules: [{ when: { barrier: true, nth: 1 }, do: 'close' }] },
      sender: QUIET,
    })
    const sent = range(0, 4)
    const outcomes = await outcomesOf(sender.send([sent]))
    expect(tally(outcomes)).toEqual({ 'unconfirmed Quiet': 4 })
    expect(arrivals(simulator.journal)).toEqual(['0 1 2 3'])
    expect(events).toContainEqual({ kind: 'barriers', answered: false })
  })

  test('of one that answers them, silence is a half-open connection', async (context) => {
    const { simulator, sender, events } = await openDelivery(context, {
      script: { connections: [{ nth: { from: 2 }, do: 'half-open' }] },
      sender: { ...QUIET, requestTimeoutMs: 700 },
    })
    const sent = range(0, 4)
    const start = performance.now()
    const outcomes = await outcomesOf(sender.send([sent]))
    expect(tally(outcomes)).toEqual({ 'unconfirmed NoAnswer': 4 })
    expect(performance.now() - start).toBeGreaterThan(600)
    expect(simulator.journal.accepted).toBe(0)
    expect(events.filter(({ kind }) => kind === 'barriers')).toEqual([{ kind: 'barriers', answered: true }])
  })
})

// By itself: nobody else may be held up.
test('an answer that waits to be read is no silence, however long this process was held up', async (context) => {
  const { simulator, sender } = await openDelivery(context, { sender: { requestTimeoutMs: 300 } })
  const outcome = sender.sendOne(numbered(0))
  await simulator.journal.waitFor((journal) => journal.answers().get(2) === 2)
  const until = performance.now() + 600
  while (performance.now() < until);
  expect(await outcome).toMatchObject({ kind: 'accepted' })
})
