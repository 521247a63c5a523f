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

const SIZE = 8

afterAll(expectNoLeftovers)

const unknownPositions: { rule: string; action: Action; reason: string }[] = [
  { rule: 'an error response that names 0', action: { status: 8, identifier: 'zero' }, reason: 'PositionUnknown' },
  {
    rule: 'one that names what was never sent',
    action: { status: 8, identifier: 'unknown' },
    reason: 'PositionUnknown',
  },
  { rule: 'a shutdown that names 0', action: { status: 10, identifier: 'zero' }, reason: 'PositionUnknown' },
  { rule: 'status 0, whatever it names', action: { status: 0 }, reason: 'PositionUnknown' },
  { rule: 'status 128, whatever it names', action: { status: 128 }, reason: 'PositionUnknown' },
  { rule: 'a bare close', action: 'close', reason: 'ConnectionLost' },
  { rule: 'a reset', action: 'reset', reason: 'ConnectionLost' },
  { rule: 'a gateway that stops reading', action: 'stall', reason: 'NoAnswer' },
  { rule: 'a half-open connection', action: 'half-open', reason: 'NoAnswer' },
]

describe.concurrent('at an unknown position', () => {
  test.for(unknownPositions)(
    '$rule: reported as unconfirmed, and never written again',
    async ({ action, reason }, context) => {
      const { simulator, sender } = await openDelivery(context, {
        script: { rules: [{ when: { token: numbered(3).token }, do: action }] },
        sender: { requestTimeoutMs: 400 },
      })
      const sent = range(0, SIZE)
      const outcomes = await outcomesOf(sender.send([sent]))
      expect(tally(outcomes)).toEqual({ [`unconfirmed ${reason}`]: SIZE })
      expect(contradictions(simulator.journal, sent, outcomes)).toEqual([])
      expect(arrivals(simulator.journal)).toHaveLength(1)
    },
  )

  test.for(unknownPositions)('$rule: sent again where the caller chose so', async ({ action }, context) => {
    const { simulator, sender } = await openDelivery(context, {
      script: { rules: [{ when: { token: numbered(3).token }, do: action, times: 1 }] },
      sender: { requestTimeoutMs: 400 },
    })
    const sent = range(0, SIZE)
    // Hurries the last barrier.
    void simulator.journal
      .waitFor((journal) => journal.acceptedTimes(numbered(7).token) === 1)
      .then(() => sender.close())
    const outcomes = await outcomesOf(sender.send([sent], { onUnconfirmed: 'resend' }))
    expect(tally(outcomes)).toEqual({ 'accepted x2': SIZE })
    expect(contradictions(simulator.journal, sent, outcomes, true)).toEqual([])
    expect(arrivals(simulator.journal)[1]).toBe('0 1 2 3 4 5 6 7')
  })

  test('what is sent again does not go for ever, and is never called rejected', async (context) => {
    const { simulator, sender } = await openDelivery(context, {
      script: { rules: [{ when: { token: numbered(0).token }, do: 'close' }] },
      sender: { attempts: 3 },
    })
    const sent = range(0, 2)
    const outcomes = await outcomesOf(sender.send([sent], { onUnconfirmed: 'resend' }))
    expect(tally(outcomes)).toEqual({ 'unconfirmed ConnectionLost x3': 2 })
    expect(arrivals(simulator.journal)).toEqual(['0- 1-', '0- 1-', '0- 1-'])
  })

  test('one that went again from there and is refused for want of service stays unconfirmed', async (context) => {
    const { simulator, sender } = await openDelivery(context, {
      script: {
        rules: [
          { when: { token: numbered(1).token }, do: 'close', times: 1 },
          { when: { token: numbered(0).token, connection: 3 }, do: { status: 1 } },
        ],
      },
      sender: { attempts: 2 },
    })
    const sent = range(0, 2)
    void simulator.journal
      .waitFor((journal) => journal.acceptedTimes(numbered(1).token) === 1)
      .then(() => sender.close())
    const outcomes = await outcomesOf(sender.send([sent], { onUnconfirmed: 'resend' }))
    expect(simulator.journal.acceptedTimes(numbered(0).token)).toBe(1)
    expect(tally(outcomes)).toEqual({ 'unconfirmed PositionUnknown x2': 1, 'accepted x2': 1 })
  })
})

describe.concurrent('an answer is not lost', () => {
  test('to a gateway that closes with our data unread', async (context) => {
    const { simulator, sender } = await openDelivery(context, {
      script: { rules: [{ when: { every: 250 }, do: { status: 8, unread: true } }] },
    })
    const sent = range(0, 25_000)
    const outcomes = await outcomesOf(sender.send([sent]))
    expect(contradictions(simulator.journal, sent, outcomes)).toEqual([])
    const { accepted = 0, 'rejected InvalidToken': rejected = 0, ...others } = tally(outcomes)
    expect(others).toEqual({})
    expect(accepted + rejected).toBe(25_000)
    expect(rejected).toBe(100)
  })

  test('to a slow reader: it is late, and true', async (context) => {
    const { simulator, sender } = await openDelivery(context, {
      script: {
        rules: [{ when: { token: numbered(900).token }, do: { status: 8 } }],
        connections: [{ nth: 2, do: 'read-slowly', bytesPerSecond: 500_000 }],
      },
    })
    const sent = range(0, 1000)
    void simulator.journal.waitFor(({ accepted }) => accepted === 999).then(() => sender.close())
    const outcomes = await outcomesOf(sender.send([sent]))
    expect(contradictions(simulator.journal, sent, outcomes)).toEqual([])
    expect(tally(outcomes)).toEqual({ accepted: 999, 'rejected InvalidToken': 1 })
  })
})
