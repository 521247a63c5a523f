import { setTimeout as delay } from 'node:timers/promises'

import type { Outcome } from '@lhspn/sender'
import { describe, expect, test } from 'vitest'

import { APP, Delivery, gate, numbers, token } from './delivery.ts'
import { ENGINES } from './engines.ts'

const reject = (list: readonly number[]) => ({
  rules: list.map((n) => ({ when: { token: token(n) }, do: { status: 8 } as const })),
})

describe.for(ENGINES)('on $engine', ({ freshUrl }) => {
  test('every member of every chunk gets one outcome, the push is completed, and nobody is sent to twice', async () => {
    const world = await Delivery.open(await freshUrl())
    await world.register(numbers(2500))
    const push = await world.push({ devices: [numbers(1000), numbers(1000, 1000), numbers(500, 2000)] })
    world.worker()
    await world.until(push, 'completed')
    expect(await world.sums(push)).toMatchObject({ accepted: 2500, remaining: 0, done: 3 })
    expect([world.apple.journal.accepted, new Set(world.apple.journal.acceptedTokens()).size]).toEqual([2500, 2500])
    expect(world.of('completed')).toHaveLength(1)
    expect(world.of('error')).toEqual([])
  })

  test('devices that are gone, refused or moved since it was planned are settled without being sent to', async () => {
    const world = await Delivery.open(await freshUrl())
    await world.register(numbers(6))
    const push = await world.push({ devices: [numbers(6)] })
    await world.store.delete(APP, token(1))
    await world.store.refuse(APP, 'production', [{ token: token(2), reason: 'BadDeviceToken' }])
    await world.register([3], { environment: 'sandbox' })
    world.worker()
    await world.until(push, 'completed')
    expect(await world.reasons(push)).toEqual({ Removed: 1, Refused: 1, Moved: 1 })
    expect(await world.sums(push)).toMatchObject({ accepted: 3, rejected: 2, unregistered: 1 })
    expect(world.apple.journal.accepted).toBe(3)
    expect(world.of('not-accepted').map(({ reason, token: each }) => [reason, each])).toEqual([
      ['Removed', undefined],
      ['Refused', token(2)],
      ['Moved', token(3)],
    ])
  })

  test('explicit tokens are sent to whatever the registry says; only badges look them up', async () => {
    const world = await Delivery.open(await freshUrl())
    await world.register([1, 2], { badge: 5 })
    await world.store.refuse(APP, 'production', [{ token: token(1), reason: 'BadDeviceToken' }])
    const push = await world.push({ tokens: [[1, 2, 3]], badge: 'increment' })
    world.worker()
    await world.until(push, 'completed')
    expect([...world.sentBadges()]).toEqual([
      [1, 6],
      [2, 6],
      [3, 1],
    ])
    expect(await world.badges([1, 2])).toEqual([6, 6])
  })

  test('badges are counted once for each member that is sent to, and the value sent is the one that is stored', async () => {
    const world = await Delivery.open(await freshUrl())
    await world.register(numbers(1500), { badge: 3 })
    const push = await world.push({ devices: [numbers(1500)], badge: 'increment' })
    await world.store.refuse(APP, 'production', [{ token: token(7), reason: 'BadDeviceToken' }])
    world.worker()
    await world.until(push, 'completed')
    const badges = await world.badges(numbers(1500))
    expect(badges.every((badge, n) => badge === (n === 7 ? 3 : 4))).toBe(true)
    expect(new Set(world.sentBadges().values())).toEqual(new Set([4]))
  })

  test('rejected tokens are marked before their chunk is closed, but not who registered meanwhile', async () => {
    const world = await Delivery.open(await freshUrl(), reject([5, 6]))
    await world.register(numbers(300))
    const push = await world.push({ devices: [numbers(300)] })
    const sender = world.sender()
    world.worker({
      senderFor: async () => {
        const [chunk] = await world.database.query<{ started_at: number }>('SELECT started_at FROM chunk')
        // Later than the chunk was taken up, if only by a ms.
        await expect.poll(() => Date.now(), { interval: 1 }).toBeGreaterThan(chunk?.started_at as number)
        await world.register([6])
        return sender
      },
    })
    await world.until(push, 'completed')
    expect(await world.reasons(push)).toEqual({ InvalidToken: 2 })
    expect((await world.store.get(APP, token(5)))?.refused).toMatchObject({ reason: 'InvalidToken' })
    expect((await world.store.get(APP, token(6)))?.refused).toBeNull()
    expect(world.of('not-accepted').map(({ token: each }) => each)).toEqual([token(5), token(6)])
  })

  test('many rejected tokens pause the push before any is marked; resumed without the check they are marked', async () => {
    const world = await Delivery.open(await freshUrl(), { rules: [{ when: { every: 10 }, do: { status: 8 } }] })
    await world.register(numbers(1000))
    const push = await world.push({ devices: [numbers(1000)] })
    world.worker()
    await world.until(push, 'paused')
    expect(world.of('paused')).toMatchObject([{ because: 'environment-mismatch' }])
    expect(await world.store.count({ app: APP, refused: true })).toBe(0)
    await world.database.execute(
      'UPDATE push SET state = 2, paused_from = NULL, paused_because = NULL, mismatch_off = 1',
    )
    await world.until(push, 'completed')
    const { rejected } = await world.sums(push)
    expect([await world.store.count({ app: APP, refused: true }), rejected]).toEqual([rejected, rejected])
    expect(rejected).toBeGreaterThanOrEqual(90)
  })

  test('what was in flight when a push was resumed without the check pauses it no more', async () => {
    const world = await Delivery.open(await freshUrl())
    await world.register(numbers(200))
    const push = await world.push({ devices: [numbers(200)] })
    const sender = {
      async *send(batches: AsyncIterable<readonly object[]>) {
        for await (const batch of batches) {
          await world.database.execute('UPDATE push SET mismatch_off = 1')
          yield batch.map((notification) => ({ notification, attempts: 1, kind: 'rejected', reason: 'BadDeviceToken' }))
        }
      },
    } as never
    world.worker({ senderFor: () => sender })
    await world.until(push, 'completed')
    expect(world.of('paused')).toEqual([])
    expect(await world.sums(push)).toMatchObject({ rejected: 200 })
  })

  test('chunks too small to be judged by themselves are judged by their push', async () => {
    const world = await Delivery.open(await freshUrl(), { rules: [{ when: { every: 10 }, do: { status: 8 } }] })
    await world.register(numbers(400))
    const chunks = numbers(20).map((n) => numbers(20, n * 20))
    const push = await world.push({ devices: chunks })
    world.worker()
    await world.until(push, 'paused')
    expect(world.of('paused')).toMatchObject([{ because: 'environment-mismatch' }])
    expect(await world.store.count({ app: APP, refused: true })).toBe(0)
  })

  test('a push of few is marked at its end', async () => {
    const world = await Delivery.open(await freshUrl(), reject([3]))
    await world.register(numbers(20))
    const push = await world.push({ devices: [numbers(10), numbers(10, 10)] })
    world.worker()
    await world.until(push, 'completed')
    expect(await world.store.count({ app: APP, refused: true })).toBe(1)
  })

  test('a content that Apple refuses pauses the push, and what it hit remains', async () => {
    const world = await Delivery.open(await freshUrl(), { rules: [{ when: { nth: 3 }, do: { status: 7 } }] })
    await world.register(numbers(10))
    const push = await world.push({ devices: [numbers(10)] })
    world.worker()
    await world.until(push, 'paused')
    expect(world.of('paused')).toMatchObject([{ because: 'content', reason: expect.any(String) }])
    const { accepted, remaining, rejected } = await world.sums(push)
    expect([accepted, rejected]).toEqual([world.apple.journal.accepted, 0])
    expect(remaining).toBe(10 - accepted)
  })

  test('credentials that Apple refuses pause the push; resumed, it goes on with another sender', async () => {
    const world = await Delivery.open(await freshUrl(), { connections: [{ nth: 1, do: 'tls-alert' }] })
    await world.register(numbers(10))
    const push = await world.push({ devices: [numbers(10)] })
    const senders = [world.sender()]
    world.worker({
      senderFor: (_app, _environment, stopped) => {
        if (stopped === senders.at(-1)) senders.push(world.sender())
        return senders.at(-1) as (typeof senders)[0]
      },
    })
    await world.until(push, 'paused')
    expect(world.of('paused')).toMatchObject([{ because: 'credentials' }])
    expect(await world.sums(push)).toMatchObject({ remaining: 10 })
    await world.database.execute('UPDATE push SET state = 2, paused_from = NULL, paused_because = NULL')
    await world.until(push, 'completed')
    expect(senders).toHaveLength(2)
  })

  test('a sender that cannot be had pauses the push, which is told once for all of its chunks', async () => {
    const world = await Delivery.open(await freshUrl())
    await world.register(numbers(4))
    const push = await world.push({ devices: [numbers(2), numbers(2, 2)] })
    const both = gate()
    let asked = 0
    world.worker({
      senderFor: async () => {
        // Both chunks are in hand before either finds out.
        if (++asked === 2) both.open()
        await both.passed
        throw new Error('no such file')
      },
    })
    await world.until(push, 'paused')
    expect(world.of('paused')).toMatchObject([{ because: 'credentials', error: { message: 'no such file' } }])
    expect(await world.chunks(push)).toMatchObject([
      { state: 0, leases: 0 },
      { state: 0, leases: 0 },
    ])
  })

  test('a pause ends the sending; what was written settles, the chunk goes back, and resuming finishes it', async () => {
    const world = await Delivery.open(await freshUrl())
    await world.register(numbers(3000))
    const push = await world.push({ devices: [numbers(3000)], rate: 1000 })
    world.worker({ leaseMs: 1000 })
    await world.apple.journal.waitFor(({ accepted }) => accepted > 100)
    await world.database.execute('UPDATE push SET state = 3, paused_from = 2, paused_because = 0')
    await world.until(push, 'paused')
    const { accepted, remaining } = await world.sums(push)
    expect(accepted).toBe(world.apple.journal.accepted)
    expect(remaining).toBeGreaterThan(0)
    await world.database.execute('UPDATE push SET state = 2, paused_from = NULL, paused_because = NULL, rate = NULL')
    await world.until(push, 'completed')
    expect([world.apple.journal.accepted, new Set(world.apple.journal.acceptedTokens()).size]).toEqual([3000, 3000])
  })

  test('a rate is kept, and another one is heard', async () => {
    const world = await Delivery.open(await freshUrl())
    await world.register(numbers(500))
    const push = await world.push({ devices: [numbers(200), numbers(200, 200), numbers(100, 400)], rate: 100 })
    world.worker({ leaseMs: 900 })
    const began = performance.now()
    await world.apple.journal.waitFor(({ accepted }) => accepted >= 200)
    expect(performance.now() - began).toBeGreaterThan(1900)
    await world.database.execute('UPDATE push SET rate = 10000')
    await world.until(push, 'completed')
    expect(performance.now() - began).toBeLessThan(4900)
    expect(await world.sums(push)).toMatchObject({ accepted: 500 })
  })

  test('slots shorter than the way to Apple get through all the same', async () => {
    const world = await Delivery.open(await freshUrl())
    await world.register(numbers(30))
    const push = await world.push({ devices: numbers(10).map((n) => numbers(3, n * 3)), rate: 100_000 })
    world.worker()
    await world.until(push, 'completed')
    expect(await world.sums(push)).toMatchObject({ accepted: 30 })
  })

  test('a drain settles what is in flight and gives the rest back at once', async () => {
    const world = await Delivery.open(await freshUrl())
    await world.register(numbers(1000))
    const push = await world.push({ devices: [numbers(1000)], rate: 200 })
    const worker = world.worker()
    await world.apple.journal.waitFor(({ accepted }) => accepted > 50)
    expect(await worker.drain(10_000)).toBe(true)
    const { accepted, remaining, leased } = await world.sums(push)
    expect([accepted, leased]).toEqual([world.apple.journal.accepted, 0])
    expect(accepted + remaining).toBe(1000)
    expect(await world.chunks(push)).toMatchObject([{ state: 0, leases: 0, run_at: 0 }])
  })

  test('a drain that takes too long gives up on what is in flight, and keeps what has settled', async () => {
    const world = await Delivery.open(await freshUrl())
    await world.register(numbers(10))
    const push = await world.push({ devices: [numbers(10)] })
    const worker = world.worker({ senderFor: () => answeringHalf() })
    while (world.of('not-accepted').length === 0) await new Promise((resolve) => setTimeout(resolve, 10))
    expect(await worker.drain(50)).toBe(false)
    expect(await world.sums(push)).toMatchObject({ rejected: 5, remaining: 5, leased: 0 })
  })

  test('a push to few does not wait for the chunks of a large one', async () => {
    const world = await Delivery.open(await freshUrl())
    await world.register(numbers(801))
    const large = await world.push({ devices: numbers(4).map((n) => numbers(200, n * 200)) })
    world.worker({ senderFor: () => answeringHalf(), concurrency: 2, ahead: 0 })
    while ((await world.sums(large)).leased < 2) await new Promise((resolve) => setTimeout(resolve, 10))
    const small = await world.push({ devices: [[800]] })
    await world.until(small, 'completed')
    expect(await world.sums(large)).toMatchObject({ leased: 2, done: 0 })
  })

  test('an Apple that cannot be reached is left alone for a while, and the chunk waits as long', async () => {
    const world = await Delivery.open(await freshUrl(), { connections: [{ nth: { from: 1 }, do: 'refuse' }] })
    await world.register(numbers(10))
    const push = await world.push({ devices: [numbers(10)] })
    const sender = world.sender({ connectionsPerSecond: 64 })
    world.worker({ senderFor: () => sender })
    const before = Date.now()
    while (world.of('held').length === 0) await new Promise((resolve) => setTimeout(resolve, 20))
    await world.until(push, 'running')
    const [chunk] = await world.chunks(push)
    expect(chunk).toMatchObject({ state: 0, leases: 0, settled: 0 })
    expect(chunk?.['run_at']).toBeGreaterThan(before + 4000)
    expect(world.of('held')).toMatchObject([{ ms: 5000 }])
  })

  test('dead tokens remove their devices in the checkpoint that says so, but not who registered since', async () => {
    const world = await Delivery.open(await freshUrl())
    await world.register(numbers(500), { attributes: { plan: 'pro' } })
    const push = await world.push({ devices: [numbers(500)] })
    const since = Date.now() + 60_000
    world.worker({
      senderFor: () =>
        answering((index) => ({ kind: 'unregistered', reason: 'Unregistered', since: index === 499 ? 1 : since })),
    })
    await world.until(push, 'completed')
    expect(await world.sums(push)).toMatchObject({ unregistered: 500 })
    expect(await world.reasons(push)).toEqual({ Unregistered: 500 })
    expect(await world.store.count({ app: APP })).toBe(1)
    expect(await world.store.tombstone(APP, token(1))).toMatchObject({ cause: 'unregistered' })
    expect(world.of('removed').flatMap(({ tokens }) => tokens)).toHaveLength(499)
    expect(world.of('not-accepted')).toHaveLength(100)
    expect(world.of('more-not-accepted')).toMatchObject([{ count: 400 }])
  })

  test('those that are asked to wait go again, and settle when nothing else came back five times', async () => {
    const world = await Delivery.open(await freshUrl())
    await world.register(numbers(5))
    const push = await world.push({ devices: [numbers(5)] })
    let written = 0
    world.worker({
      senderFor: () =>
        answering((index) => {
          written++
          return index < 3
            ? { kind: 'accepted' }
            : { kind: 'unsent', reason: 'RetryLater', status: 429, retryAt: Date.now() + 10 }
        }),
    })
    await world.until(push, 'completed')
    expect(await world.reasons(push)).toEqual({ TooManyRequests: 2 })
    // The first time others were settled too.
    expect(written).toBe(3 + 2 * 5)
    expect(world.of('not-accepted').map(({ outcome, reason }) => [outcome, reason])).toEqual([
      ['rejected', 'TooManyRequests'],
      ['rejected', 'TooManyRequests'],
    ])
  })

  test('what stays unconfirmed though it was sent again settles so, and is told', async () => {
    const world = await Delivery.open(await freshUrl())
    await world.register(numbers(3))
    const push = await world.push({ devices: [numbers(3)], onUnconfirmed: 'resend' })
    world.worker({
      senderFor: () =>
        answering((index) => (index === 1 ? { kind: 'unconfirmed', reason: 'NoAnswer' } : { kind: 'accepted' })),
    })
    await world.until(push, 'completed')
    expect(await world.sums(push)).toMatchObject({ accepted: 2, unconfirmed: 1 })
    expect(world.of('not-accepted')).toMatchObject([{ token: token(1), outcome: 'unconfirmed', reason: 'NoAnswer' }])
  })

  test('with a rate, what is known to be unconfirmed only behind its slot goes again five times at most', async () => {
    const world = await Delivery.open(await freshUrl())
    await world.register(numbers(3))
    const push = await world.push({ devices: [numbers(3)], rate: 1000, onUnconfirmed: 'resend' })
    const written = [0, 0, 0]
    world.worker({
      senderFor: () =>
        answeringLate((index) => {
          written[index]!++
          if (index === 0) return { kind: 'accepted' }
          return { kind: 'unconfirmed', reason: index === 1 ? 'NoAnswer' : 'Quiet' }
        }),
    })
    await world.until(push, 'completed')
    expect(await world.sums(push)).toMatchObject({ accepted: 1, unconfirmed: 2 })
    expect(written).toEqual([1, 5, 1])
  })

  test('a push that sends the unconfirmed again leaves those of a call that was cut', async () => {
    const world = await Delivery.open(await freshUrl(), { rules: [{ when: { nth: 50 }, do: 'half-open' }] })
    await world.register(numbers(100))
    const push = await world.push({ devices: [numbers(100)], onUnconfirmed: 'resend' })
    const sender = world.sender({ requestTimeoutMs: 500, connections: 1 })
    const worker = world.worker({ senderFor: () => sender })
    await world.apple.journal.waitFor(({ connections }) => connections >= 1)
    await worker.drain(10_000)
    expect(await world.sums(push)).toMatchObject({ unconfirmed: 0, leased: 0 })
    world.apple.script({})
    world.worker()
    await world.until(push, 'completed')
    expect(await world.sums(push)).toMatchObject({ accepted: 100 })
  })
})

type Answer = Omit<Outcome, 'notification' | 'attempts'>

/** A sender that answers at once what it is told to; the index is that of the member in its chunk. */
function answering(answer: (index: number) => Answer) {
  return {
    async *send(batches: AsyncIterable<readonly { readonly index: number }[]>) {
      for await (const batch of batches)
        yield batch.map((notification) => ({ notification, attempts: 1, ...answer(notification.index) }))
    },
  } as never
}

/** The same, but each answer comes when nothing may be written any more. */
function answeringLate(answer: (index: number) => Answer) {
  return {
    async *send(batches: AsyncIterable<readonly { readonly index: number }[]>, options: { deadline: () => number }) {
      for await (const batch of batches) {
        while (performance.now() < options.deadline()) await delay(options.deadline() - performance.now())
        yield batch.map((notification) => ({ notification, attempts: 1, ...answer(notification.index) }))
      }
    },
  } as never
}

/** A sender that settles the first half of every array at once, and nothing else before it is left. */
function answeringHalf() {
  return {
    async *send(batches: AsyncIterable<readonly object[]>) {
      for await (const batch of batches) {
        const half = batch.slice(0, Math.ceil(batch.length / 2))
        yield half.map((notification) => ({ notification, attempts: 1, kind: 'rejected', reason: 'Unknown' }))
        if (half.length < batch.length) await new Promise(() => undefined)
      }
    },
  } as never
}
