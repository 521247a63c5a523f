import { afterAll, describe, expect, test } from 'vitest'

import { type Outcome, Sender } from '../src/index.ts'
import {
  contradictions,
  Endless,
  expectNoLeftovers,
  type Numbered,
  numbered,
  openDelivery,
  outcomesOf,
  range,
  tally,
} from './delivery.ts'

afterAll(expectNoLeftovers)

/** What a call may hold: four windows. */
const ROOM = 4 * 16_384

/** Holds a source back until a test lets it go on. */
class Gate {
  #open: () => void = () => {}

  opened(): Promise<void> {
    return new Promise((resolve) => (this.#open = resolve))
  }

  open(): void {
    this.#open()
  }
}

describe.concurrent('a call that ends before its input does', () => {
  test('aborted: what was written is settled at once, the rest leaves unsent, nothing more is pulled', async (context) => {
    const { simulator, sender } = await openDelivery(context)
    const aborting = new AbortController()
    const source = new Endless(1000)
    const start = performance.now()
    let pulled = 0
    const outcomes = await outcomesOf(sender.send(source, { signal: aborting.signal }), () => {
      aborting.abort()
      pulled ||= source.pulled.length
    })
    // Long before a barrier would be given up.
    expect(performance.now() - start).toBeLessThan(10_000)
    expect(source.left).toBe(true)
    // One array may have been asked for before.
    const given = source.pulled.slice(0, outcomes.length)
    expect(source.pulled.length - given.length).toBeLessThanOrEqual(1000)
    expect(source.pulled.length - pulled).toBeLessThanOrEqual(1000)
    expect(contradictions(simulator.journal, given, outcomes)).toEqual([])
    const { accepted = 0, 'unsent Aborted': unsent = 0, ...others } = tally(outcomes)
    expect(others).toEqual({})
    expect(Math.min(accepted, unsent)).toBeGreaterThan(0)
  })

  test('its deadline came: it is read again and again, and ends the call without an error', async (context) => {
    const { simulator, sender } = await openDelivery(context)
    let at = Infinity
    const sent = range(0, 100_000)
    const outcomes = await outcomesOf(sender.send([sent], { deadline: () => at }), () => (at = 0))
    expect(contradictions(simulator.journal, sent, outcomes)).toEqual([])
    const { accepted = 0, 'unsent Deadline': unsent = 0, ...others } = tally(outcomes)
    expect(others).toEqual({})
    expect(Math.min(accepted, unsent)).toBeGreaterThan(0)
  })

  test('its deadline was past before it began: nothing is written', async (context) => {
    const { simulator, sender } = await openDelivery(context)
    const outcomes = await outcomesOf(sender.send([range(0, 5)], { deadline: () => performance.now() - 1 }))
    expect(tally(outcomes)).toEqual({ 'unsent Deadline': 5 })
    expect(simulator.journal.entries()).toEqual([])
  })

  test('its deadline is no number: it counts as past, and does not stop the clock of others', async (context) => {
    const { sender } = await openDelivery(context)
    const other = outcomesOf(sender.send([range(0, 3)]))
    expect(tally(await outcomesOf(sender.send([range(3, 5)], { deadline: () => NaN })))).toEqual({
      'unsent Deadline': 2,
    })
    expect(tally(await other)).toEqual({ accepted: 3 })
  })

  test('its deadline is further away than timers reach', async (context) => {
    const { sender } = await openDelivery(context)
    const warnings: string[] = []
    const hear = ({ name }: Error): void => void warnings.push(name)
    process.on('warning', hear)
    context.onTestFinished(() => void process.off('warning', hear))
    const outcomes = await outcomesOf(sender.send([range(0, 5)], { deadline: () => Number.MAX_SAFE_INTEGER }))
    expect(tally(outcomes)).toEqual({ accepted: 5 })
    expect(warnings).toEqual([])
  })

  test('the sender closes: what was written is settled, the rest is drained, and no call is taken any more', async (context) => {
    const { simulator, sender } = await openDelivery(context)
    const sent = range(0, 100_000)
    let closing: Promise<void> | undefined
    const outcomes = await outcomesOf(sender.send([sent]), () => void (closing ??= sender.close()))
    await closing
    expect(contradictions(simulator.journal, sent, outcomes)).toEqual([])
    const { accepted = 0, 'unsent Draining': unsent = 0, ...others } = tally(outcomes)
    expect(others).toEqual({})
    expect(Math.min(accepted, unsent)).toBeGreaterThan(0)
    await expect(sender.sendOne(numbered(0))).rejects.toMatchObject({ code: 'closed' })
    await expect(sender.send([]).next()).rejects.toMatchObject({ code: 'closed' })
  })

  test('the caller leaves the loop: the source is left, what was written stays true, other calls go on', async (context) => {
    const { simulator, sender } = await openDelivery(context)
    const source = new Endless(1000)
    const others = range(1_000_000, 1_050_000)
    const other = outcomesOf(sender.send([others]))
    for await (const some of sender.send(source)) if (some.length > 0) break
    expect(tally(await other)).toEqual({ accepted: 50_000 })
    await sender.close()
    expect(source.left).toBe(true)
    expect(source.pulled.length).toBeLessThan(ROOM + 3072 + 2000)
    expect(simulator.journal.accepted).toBeLessThanOrEqual(50_000 + source.pulled.length)
  })

  test('aborted before it began: nothing is pulled, and a single one is given back', async (context) => {
    const { simulator, sender } = await openDelivery(context)
    const signal = AbortSignal.abort()
    const source = new Endless(1000)
    expect(await outcomesOf(sender.send(source, { signal }))).toEqual([])
    expect(source.pulled).toEqual([])
    expect(await sender.sendOne(numbered(0), { signal })).toEqual({
      notification: numbered(0),
      kind: 'unsent',
      reason: 'Aborted',
      attempts: 0,
    })
    const aborting = new AbortController()
    const outcome = sender.sendOne(numbered(1), { signal: aborting.signal })
    aborting.abort()
    expect(await outcome).toMatchObject({ kind: 'unsent', reason: 'Aborted' })
    expect(simulator.journal.accepted).toBe(0)
  })
})

describe.concurrent('calls beside each other', () => {
  test('a reader who sleeps stops only itself, and holds a bounded part of its source', async (context) => {
    const { simulator, sender } = await openDelivery(context, { journal: 'counts' })
    const source = new Endless(1000)
    const sleeper = sender.send(source)
    await sleeper.next()
    const fast = range(10_000_000, 10_040_000)
    const outcomes = await outcomesOf(sender.send([fast]))
    expect(tally(outcomes)).toEqual({ accepted: 40_000 })
    // Everything that the sleeper holds is written by now or waits for room.
    await simulator.journal.waitFor(({ accepted }) => accepted >= 40_000 + ROOM)
    const most = ROOM + 1024 + 3072 + 2000
    expect(source.pulled.length).toBeLessThanOrEqual(most)
    const more = await outcomesOf(sender.send([range(20_000_000, 20_020_000)]))
    expect(tally(more)).toEqual({ accepted: 20_000 })
    expect(source.pulled.length).toBeLessThanOrEqual(most)
    // It wakes up, and its source is pulled again.
    const before = source.pulled.length
    for await (const some of sleeper) if (source.pulled.length > before + 10_000 && some.length > 0) break
    expect(source.pulled.length).toBeGreaterThan(before)
  })

  test('a single one does not wait behind a broadcast', async (context) => {
    const { simulator, sender } = await openDelivery(context)
    const broadcast = range(0, 200_000)
    const reading = sender.send([broadcast])
    const first = await reading.next()
    const arrivedBefore = simulator.journal.entries().length
    const single = sender.sendOne(numbered(999_999))
    const rest = outcomesOf(reading)
    expect(await single).toMatchObject({ kind: 'accepted', attempts: 1 })
    const settledThen = simulator.journal.accepted
    const outcomes = [...(first.value ?? []), ...(await rest)]
    expect(tally(outcomes)).toEqual({ accepted: 200_000 })
    const { token } = numbered(999_999)
    const position = simulator.journal.entries().findIndex((entry) => entry.token === token)
    // In the window that is being written, or the next one.
    expect(position - arrivedBefore).toBeLessThan(2 * 16_384)
    expect(settledThen).toBeLessThan(150_000)
  })

  test('a thousand single ones at once share connections', async (context) => {
    const { simulator, sender } = await openDelivery(context)
    const sent = range(0, 1000)
    const outcomes = await Promise.all(sent.map((notification) => sender.sendOne(notification)))
    expect(tally(outcomes)).toEqual({ accepted: 1000 })
    expect(outcomes.map(({ notification }) => notification)).toEqual(sent)
    expect(contradictions(simulator.journal, sent, outcomes)).toEqual([])
    expect(simulator.journal.connections).toBeLessThan(6)
  })

  test('a single one alone is proven within 5 s', async (context) => {
    const { sender } = await openDelivery(context)
    const start = performance.now()
    expect(await sender.sendOne(numbered(0))).toEqual({ notification: numbered(0), kind: 'accepted', attempts: 1 })
    expect(performance.now() - start).toBeLessThan(5000)
  })
})

describe.concurrent('sources of any kind', () => {
  test('none, empty arrays, and empty ones between', async (context) => {
    const { simulator, sender } = await openDelivery(context)
    expect(await outcomesOf(sender.send([]))).toEqual([])
    expect(await outcomesOf(sender.send([[], []]))).toEqual([])
    expect(simulator.journal.connections).toBe(0)
    const outcomes = await outcomesOf(sender.send([[], range(0, 2), [], range(2, 4), []]))
    expect(tally(outcomes)).toEqual({ accepted: 4 })
  })

  test('one that throws: all that it gave has its outcome first', async (context) => {
    const { simulator, sender } = await openDelivery(context)
    const sent = range(0, 20_000)
    async function* failing(): AsyncGenerator<Numbered[]> {
      yield sent
      throw new Error('the database is gone')
    }
    const outcomes: Outcome<Numbered>[] = []
    const reading = async (): Promise<void> => {
      for await (const some of sender.send(failing())) outcomes.push(...some)
    }
    await expect(reading()).rejects.toThrow('the database is gone')
    expect(tally(outcomes)).toEqual({ accepted: 20_000 })
    expect(contradictions(simulator.journal, sent, outcomes)).toEqual([])
    expect(await sender.sendOne(numbered(30_000))).toMatchObject({ kind: 'accepted' })
  })

  test('one that goes on and on: outcomes come while it waits', async (context) => {
    const { sender } = await openDelivery(context)
    const gate = new Gate()
    async function* slow(): AsyncGenerator<Numbered[]> {
      for (let number = 0; ; number++) {
        yield [numbered(number)]
        await gate.opened()
      }
    }
    const seen: number[] = []
    for await (const some of sender.send(slow())) {
      seen.push(...some.map(({ notification }) => notification.number))
      if (seen.length === 3) break
      gate.open()
    }
    expect(seen).toEqual([0, 1, 2])
    // The source is still waiting; nothing else must.
    gate.open()
  })

  test('a slow one whose end comes when all is settled', async (context) => {
    const { sender } = await openDelivery(context)
    const gate = new Gate()
    async function* slow(): AsyncGenerator<Numbered[]> {
      yield range(0, 3)
      await gate.opened()
    }
    const outcomes = []
    for await (const some of sender.send(slow())) {
      outcomes.push(...some)
      if (outcomes.length === 3) setImmediate(() => gate.open())
    }
    expect(tally(outcomes)).toEqual({ accepted: 3 })
  })

  test('a slow one, and a reader who sleeps until its room is full: both go on', async (context) => {
    const { simulator, sender } = await openDelivery(context, { sender: { connections: 1 }, journal: 'counts' })
    const room = 16_384
    const total = 4 * room
    async function* slow(): AsyncGenerator<Numbered[]> {
      for (let start = 0; start < total; start += room / 16) {
        yield range(start, start + room / 16)
        await new Promise((resolve) => setImmediate(resolve))
      }
    }
    let count = 0
    for await (const some of sender.send(slow())) {
      count += some.length
      const full = Math.min(count + room, total)
      const windows = full / room
      await simulator.journal.waitFor((journal) => (journal.answers().get(2) ?? 0) > windows)
      // The answers are on their way; when they have come, nothing happens any more until the reader takes outcomes.
      for (let turn = 0; turn < 50; turn++) await new Promise((resolve) => setImmediate(resolve))
    }
    expect(count).toBe(total)
  })
})

describe.concurrent('what cannot be sent leaves by itself, and harms nothing else', () => {
  const hi = { payload: { aps: { alert: 'Hi' } } }
  const bad: { what: string; notification: Partial<Numbered>; outcome: string }[] = [
    { what: 'no token', notification: { token: '' }, outcome: 'rejected MalformedToken x0' },
    { what: 'a token that is no hex', notification: { token: 'zz'.repeat(32) }, outcome: 'rejected MalformedToken x0' },
    { what: 'half a byte', notification: { token: 'abc' }, outcome: 'rejected MalformedToken x0' },
    { what: 'a token of 101 bytes', notification: { token: 'ab'.repeat(101) }, outcome: 'rejected MalformedToken x0' },
    { what: 'null for a token', notification: { token: null as never }, outcome: 'rejected MalformedToken x0' },
    { what: 'a number for a token', notification: { token: 12 as never }, outcome: 'rejected MalformedToken x0' },
    { what: 'a negative badge', notification: { badge: -1 }, outcome: 'rejected MalformedBadge x0' },
    { what: 'half a badge', notification: { badge: 0.5 }, outcome: 'rejected MalformedBadge x0' },
    { what: 'a badge of 2^31', notification: { badge: 2 ** 31 }, outcome: 'rejected MalformedBadge x0' },
    { what: 'a badge that is no number', notification: { badge: NaN }, outcome: 'rejected MalformedBadge x0' },
    {
      what: 'a payload too large',
      notification: { content: { payload: { aps: { alert: 'x'.repeat(3000) } } } },
      outcome: 'rejected ContentRefused x0',
    },
    {
      what: 'a collapse id',
      notification: { content: { ...hi, collapseId: 'a' } },
      outcome: 'rejected ContentRefused x0',
    },
    { what: 'no content', notification: { content: undefined as never }, outcome: 'rejected ContentRefused x0' },
    {
      what: 'a payload that is no JSON',
      notification: { content: { payload: { big: 1n as never } } },
      outcome: 'rejected ContentRefused x0',
    },
    {
      what: 'an expiration before all time',
      notification: { content: { ...hi, expiration: -5 } },
      outcome: 'rejected ContentRefused x0',
    },
    {
      what: 'an expiration that has passed',
      notification: { content: { ...hi, expiration: 1_500_000_000 } },
      outcome: 'rejected Expired x0',
    },
  ]

  test.for(bad)('$what: $outcome', async ({ notification, outcome }, context) => {
    const { simulator, sender } = await openDelivery(context)
    const [first, second] = range(0, 2) as [Numbered, Numbered]
    const outcomes = await outcomesOf(sender.send([[first, { ...numbered(2), ...notification }, second]]))
    expect(tally(outcomes)).toEqual({ accepted: 2, [outcome]: 1 })
    expect(simulator.journal.counts()).toMatchObject({ accepted: 2, rejected: 0, discarded: 0 })
  })

  test('nothing but such: no window is ever begun', async (context) => {
    const { simulator, sender } = await openDelivery(context)
    const sent = range(0, 100_000).map((notification) => ({ ...notification, token: 'x' }))
    expect(tally(await outcomesOf(sender.send([sent])))).toEqual({ 'rejected MalformedToken x0': 100_000 })
    expect(simulator.journal.counts().accepted).toBe(0)
  })

  test('what can be sent: odd tokens, badges, expirations, all of them as they were given', async (context) => {
    const { simulator, sender } = await openDelivery(context)
    const sent: Numbered[] = [
      { ...numbered(0), token: 'AB' },
      { ...numbered(1), token: 'cd'.repeat(100) },
      { ...numbered(2), badge: 0 },
      { ...numbered(3), badge: 2 ** 31 - 1 },
      { ...numbered(4), content: { ...hi, expiration: 0 } },
      { ...numbered(5), content: { ...hi, expiration: 2 ** 32 - 1, priority: 5 } },
    ]
    const outcomes = await outcomesOf(sender.send([sent]))
    expect(tally(outcomes)).toEqual({ accepted: 6 })
    expect(outcomes.map(({ notification }) => notification)).toEqual(sent)
    const entries = simulator.journal.entries().filter(({ verdict }) => verdict === 'accepted')
    expect(entries.map(({ token }) => token)).toEqual(sent.map(({ token }) => token.toLowerCase()))
    const payloads = entries.map(({ payload }) => JSON.parse(new TextDecoder().decode(payload)) as unknown)
    expect(payloads.slice(2, 4)).toEqual([
      { aps: { alert: 'Hi', badge: 0 } },
      { aps: { alert: 'Hi', badge: 2 ** 31 - 1 } },
    ])
  })
})

test.for([
  ['gateway', 'no address'],
  ['gateway', 'host:0'],
  ['connections', 0],
  ['connections', 65],
  ['connections', 1.5],
  ['connectionsPerSecond', 0],
  ['attempts', 101],
  ['attempts', NaN],
  ['requestTimeoutMs', -1],
  ['quietTimeMs', Infinity],
] as const)('an option that cannot be is refused: %s = %s', ([name, value]) => {
  const credentials = { certificate: '', key: '', topics: [], expiresAt: new Date() }
  const options = { gateway: '127.0.0.1:2195', credentials, [name]: value }
  expect(() => new Sender(options)).toThrow(expect.objectContaining({ code: 'invalid-options' }) as Error)
})
