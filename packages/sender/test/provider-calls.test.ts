import { afterAll, describe, expect, test } from 'vitest'

import {
  contradictions,
  deliverAll,
  Endless,
  expectNoLeftovers,
  numbered,
  outcomesOf,
  range,
  tally,
} from './delivery.ts'
import { openProviderDelivery } from './provider-delivery.ts'

afterAll(expectNoLeftovers)

/** What one call may hold, with the default of four connections: streams, and what waits to be written. */
const ROOM = 4 * 4096 + 8192

test('15,000 in one call, by a certain number of streams at once', async (context) => {
  const { simulator, sender } = await openProviderDelivery(context, {
    script: {
      provider: { rules: [{ when: { every: 500 }, do: { status: 410, reason: 'Unregistered', timestamp: 1 } }] },
    },
  })
  const sent = range(0, 15_000)
  const outcomes = await outcomesOf(sender.send([sent]))
  expect(contradictions(simulator.journal, sent, outcomes)).toEqual([])
  expect(tally(outcomes)).toEqual({ accepted: 14_970, 'unregistered Unregistered': 30 })
})

describe('a call that ends before its input does', () => {
  test('aborted: what was written is settled, the rest leaves unsent', async (context) => {
    const { simulator, sender } = await openProviderDelivery(context)
    const aborting = new AbortController()
    const source = new Endless(100)
    const sending = sender.send(source, { signal: aborting.signal })
    const outcomes = await outcomesOf(sending, () => aborting.abort())
    expect(source.left).toBe(true)
    expect(source.pulled.length - outcomes.length).toBeLessThanOrEqual(100)
    expect(contradictions(simulator.journal, source.pulled.slice(0, outcomes.length), outcomes)).toEqual([])
    const { accepted = 0, 'unsent Aborted': unsent = 0, ...others } = tally(outcomes)
    expect([others, accepted > 0, unsent > 0]).toEqual([{}, true, true])
  })

  test('its deadline came while its notifications waited', async (context) => {
    let at = Infinity
    const { simulator, sender } = await openProviderDelivery(context, {
      script: { provider: { maxConcurrentStreams: 5 } },
    })
    const sent = range(0, 5000)
    const outcomes = await outcomesOf(sender.send([sent], { deadline: () => at }), () => (at = 0))
    expect(contradictions(simulator.journal, sent, outcomes)).toEqual([])
    const { accepted = 0, 'unsent Deadline': unsent = 0, ...others } = tally(outcomes)
    expect([others, accepted > 0, unsent > 0]).toEqual([{}, true, true])
  })

  test('aborted while one of it waits for its Retry-After: that one is given back at once', async (context) => {
    const answer = { status: 429, reason: 'TooManyRequests', retryAfter: 50 }
    const { simulator, sender } = await openProviderDelivery(context, {
      script: { provider: { rules: [{ when: { token: numbered(3).token }, do: answer }] } },
    })
    const aborting = new AbortController()
    const sending = deliverAll(sender, range(0, 10), { signal: aborting.signal })
    await simulator.journal.waitFor(({ accepted }) => accepted === 9)
    aborting.abort()
    expect(tally((await sending).outcomes)).toEqual({ accepted: 9, 'unsent Aborted x1': 1 })
  })

  test('the sender closes: all is settled or drained, and the connections end', async (context) => {
    const { simulator, sender } = await openProviderDelivery(context)
    const sent = range(0, 20_000)
    let closing: Promise<void> | undefined
    const outcomes = await outcomesOf(sender.send([sent]), () => void (closing ??= sender.close()))
    await closing
    expect(contradictions(simulator.journal, sent, outcomes)).toEqual([])
    expect(Object.keys(tally(outcomes)).toSorted()).toEqual(['accepted', 'unsent Draining'])
    await expect(sender.sendOne(numbered(0))).rejects.toMatchObject({ code: 'closed' })
  })

  test('the caller leaves the loop: the source is left, and other calls go on', async (context) => {
    const { simulator, sender } = await openProviderDelivery(context)
    const source = new Endless(100, 100_000)
    const other = outcomesOf(sender.send([range(0, 3000)]))
    for await (const some of sender.send(source)) if (some.length > 0) break
    expect(tally(await other)).toEqual({ accepted: 3000 })
    await sender.close()
    expect(source.left).toBe(true)
    expect(simulator.journal.accepted).toBeLessThanOrEqual(3000 + source.pulled.length)
  })
})

describe('calls beside each other', () => {
  test('a reader who sleeps stops only itself, and holds a bounded part of its source', async (context) => {
    const { simulator, sender } = await openProviderDelivery(context, { journal: 'counts' })
    const source = new Endless(100, 1_000_000)
    const sleeper = sender.send(source)
    await sleeper.next()
    expect(tally(await outcomesOf(sender.send([range(0, 3000)])))).toEqual({ accepted: 3000 })
    await simulator.journal.waitFor(({ accepted }) => accepted >= 3000 + 4 * 4096)
    expect(tally(await outcomesOf(sender.send([range(3000, 4000)])))).toEqual({ accepted: 1000 })
    expect(source.pulled.length).toBeLessThanOrEqual(ROOM + 2 * 100 + 4096)
    await sleeper.return()
  })

  test('a single one does not wait behind a broadcast', async (context) => {
    const { simulator, sender } = await openProviderDelivery(context, {
      script: { provider: { maxConcurrentStreams: 10 } },
    })
    const broadcast = outcomesOf(sender.send([range(0, 3000)]))
    await simulator.journal.waitFor(({ accepted }) => accepted > 50)
    expect(await sender.sendOne(numbered(1_000_000))).toMatchObject({ kind: 'accepted' })
    expect(simulator.journal.accepted).toBeLessThan(2000)
    expect(tally(await broadcast)).toEqual({ accepted: 3000 })
  })
})

test('what cannot be written is refused alone, and nothing of it is', async (context) => {
  const { simulator, sender } = await openProviderDelivery(context)
  const { content } = numbered(0)
  const odd = [
    { ...numbered(100), token: 'no hex' },
    { ...numbered(101), token: '' },
    { ...numbered(102), token: 'ab'.repeat(101) },
    { ...numbered(103), token: 7 as unknown as string },
    { ...numbered(104), id: 'no uuid' },
    { ...numbered(105), id: 'ABCDEF00-0000-8000-8000-000000000000' },
    { ...numbered(106), badge: -1 },
    { ...numbered(107), badge: 2 ** 31 },
    { ...numbered(108), content: { payload: { aps: { alert: 'x'.repeat(4097) } } } },
    { ...numbered(109), content: { ...content, expiration: 1 } },
  ]
  const { outcomes } = await deliverAll(sender, [...range(0, 20), ...odd, ...range(20, 40)])
  expect(tally(outcomes)).toEqual({
    accepted: 40,
    'rejected MalformedToken x0': 4,
    'rejected MalformedId x0': 2,
    'rejected MalformedBadge x0': 2,
    'rejected ContentRefused x0': 1,
    'rejected Expired x0': 1,
  })
  expect(simulator.journal.requests().length).toBe(40)
})

test('headers and payload arrive as they were given', async (context) => {
  const { simulator, sender } = await openProviderDelivery(context)
  const id = '8e1a9f44-5d2b-8b6c-9f00-0123456789ab'
  const outcome = await sender.sendOne({
    token: 'ABCDEF'.repeat(20),
    id,
    badge: 42,
    content: {
      payload: { aps: { alert: { title: 'Größe', body: '👩‍🚀' }, badge: 1 }, key: [1, null] },
      pushType: 'alert',
      priority: 5,
      expiration: 4_000_000_000,
      collapseId: 'ü'.repeat(32),
    },
  })
  expect(outcome).toMatchObject({ kind: 'accepted', attempts: 1 })
  const [request] = simulator.journal.requests()
  expect(request).toMatchObject({ token: 'abcdef'.repeat(20), id, status: 200 })
  expect(request?.headers).toMatchObject({
    'apns-id': id,
    'apns-topic': 'com.example.app',
    'apns-push-type': 'alert',
    'apns-priority': '5',
    'apns-expiration': '4000000000',
    ':authority': simulator.provider,
  })
  expect(Buffer.from(request?.headers['apns-collapse-id'] ?? '', 'latin1').toString()).toBe('ü'.repeat(32))
  expect(JSON.parse(Buffer.from(request?.payload ?? []).toString())).toEqual({
    aps: { alert: { title: 'Größe', body: '👩‍🚀' }, badge: 42 },
    key: [1, null],
  })
})
