import { describe, expect, test } from 'vitest'

import { APP, Delivery, numbers, token } from './delivery.ts'
import { ENGINES } from './engines.ts'

const HOUR_MS = 3_600_000
/** Longer than a sender waits itself, so that the chunk is given back meanwhile. */
const LONG_S = 90
const MOST_WAITS = 5

const gone = (n: number, timestamp?: number) => ({
  when: { token: token(n) },
  do: { status: 410, reason: 'Unregistered', ...(timestamp !== undefined && { timestamp }) },
})

describe.for(ENGINES)('over the provider API on $engine', ({ freshUrl }) => {
  test('who Apple calls unregistered is removed, unless they registered after that', async () => {
    const world = await Delivery.open(await freshUrl())
    await world.register(numbers(1200), { badge: 1 })
    const now = Date.now()
    const rules = [
      ...numbers(300, 100).map((n) => gone(n, now + HOUR_MS)),
      gone(7, now - HOUR_MS),
      gone(8),
      { when: { token: token(9) }, do: { status: 410, reason: 'ExpiredToken', timestamp: now + HOUR_MS } },
    ]
    world.apple.script({ provider: { rules } })
    const push = await world.push({ devices: [numbers(700), numbers(500, 700)], badge: 'increment' })
    const sender = world.providerSender()
    world.worker({ senderFor: () => sender })
    await world.until(push, 'completed')
    expect(await world.sums(push)).toMatchObject({ accepted: 897, unregistered: 303, remaining: 0, done: 2 })
    expect(await world.reasons(push)).toEqual({ Unregistered: 302, ExpiredToken: 1 })
    const left = await world.store.getMany(APP, numbers(1200).map(token))
    expect(left.flatMap((device, n) => (device === undefined ? [n] : []))).toEqual([8, 9, ...numbers(300, 100)])
    expect(left[7]?.badge).toBe(2)
    expect(await world.store.tombstone(APP, token(100))).toMatchObject({ cause: 'unregistered' })
    expect(world.apple.journal.violations()).toEqual([])

    // A later push does not know them any more.
    const next = await world.push({ devices: [numbers(7), numbers(90, 10)] })
    await world.until(next, 'completed')
    expect(await world.sums(next)).toMatchObject({ accepted: 97 })
  })

  test('who is asked to wait for long goes again then; the fifth time that is what became of them', async () => {
    const world = await Delivery.open(await freshUrl())
    await world.register(numbers(50))
    const busy = [3, 4].map((n) => ({
      when: { token: token(n) },
      do: { status: 429, reason: 'TooManyRequests', retryAfter: LONG_S },
    }))
    world.apple.script({ provider: { rules: busy } })
    const push = await world.push({ devices: [numbers(50)] })
    const sender = world.providerSender()
    world.worker({ senderFor: () => sender })
    for (let times = 1; times < MOST_WAITS; times++) {
      const chunk = await waiting(world, push, times)
      expect(chunk).toMatchObject({ state: 0, leases: 0, settled: 48, waits: times })
      expect(Number(chunk?.['run_at']) - Date.now()).toBeGreaterThan((LONG_S - 30) * 1000)
      await world.database.execute('UPDATE chunk SET run_at = 0')
    }
    await world.until(push, 'completed')
    expect(await world.sums(push)).toMatchObject({ accepted: 48, rejected: 2, remaining: 0 })
    expect(await world.reasons(push)).toEqual({ TooManyRequests: 2 })
    expect(world.apple.journal.counts()).toMatchObject({ accepted: 48, rejected: 2 * MOST_WAITS })
  })

  test('who is asked to wait for a moment goes again in the same call, five times in all', async () => {
    const world = await Delivery.open(await freshUrl())
    await world.register(numbers(50))
    const busy = { when: { token: token(3) }, do: { status: 429, reason: 'TooManyRequests', retryAfter: 0 } }
    const once = { when: { token: token(4) }, times: 1, do: busy.do }
    world.apple.script({ provider: { rules: [busy, once] } })
    const push = await world.push({ devices: [numbers(50)] })
    const sender = world.providerSender()
    world.worker({ senderFor: () => sender })
    await world.until(push, 'completed')
    expect(await world.sums(push)).toMatchObject({ accepted: 49, rejected: 1, remaining: 0 })
    expect(await world.reasons(push)).toEqual({ TooManyRequests: 1 })
    expect(world.apple.journal.refusals()).toEqual(new Map([['TooManyRequests', 6]]))
    expect(await world.chunks(push)).toMatchObject([{ waits: 0 }])
  })
})

/** Waits until both have been asked to wait so often, and the chunk has been given back. */
async function waiting(world: Delivery, push: number, times: number) {
  await world.apple.journal.waitFor((journal) => journal.refusals().get('TooManyRequests') === 2 * times)
  await world.until(push, 'running')
  return (await world.chunks(push))[0]
}
