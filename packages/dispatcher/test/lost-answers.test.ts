import { openDeviceStore } from '@lhspn/device-store'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { EmbeddedQueue } from '../src/chunk-queue/embedded.ts'
import { Delivery, gate, numbers, token } from './delivery.ts'
import { ENGINES } from './engines.ts'
import { BREAKS, flaky } from './flaky-database.ts'

/** Fifteen of a hundred statements break. */
const BREAK = fc.oneof(
  { weight: 85, arbitrary: fc.constant(undefined) },
  { weight: 15, arbitrary: fc.constantFrom(...BREAKS) },
)
/** More than are ever asked for. */
const STATEMENTS = 10_000

describe.for(ENGINES)('on $engine', ({ freshUrl }) => {
  test.for([1, 2, 3])(
    'whatever answers of the database are lost, each is sent to once and counted once (seed %i)',
    async (seed) => {
      const world = await Delivery.open(await freshUrl(), {
        rules: [7, 1203].map((n) => ({ when: { token: token(n) }, do: { status: 8 } as const })),
      })
      await world.register(numbers(2000), { badge: 1 })
      const push = await world.push({
        devices: [numbers(900), numbers(900, 900), numbers(200, 1800)],
        badge: 'increment',
      })
      const breaks = fc.sample(BREAK, { seed, numRuns: STATEMENTS }).values()
      let broken = 0
      const database = flaky(world.database, () => {
        const next = breaks.next().value
        if (next !== undefined) broken++
        return next
      })
      const queue = new EmbeddedQueue({ database, leaseMs: 15_000 })
      const sender = world.sender()
      world.worker({ database, store: await openDeviceStore(database), queue, senderFor: () => sender })
      await world.until(push, 'completed')
      expect(broken).toBeGreaterThan(3)
      expect(await world.sums(push)).toMatchObject({ accepted: 1998, rejected: 2, done: 3 })
      expect(await world.reasons(push)).toEqual({ InvalidToken: 2 })
      expect([world.apple.journal.accepted, new Set(world.apple.journal.acceptedTokens()).size]).toEqual([1998, 1998])
      expect(new Set(await world.badges(numbers(2000)))).toEqual(new Set([2]))
      expect(new Set(world.sentBadges().values())).toEqual(new Set([2]))
    },
  )

  test('who lost a lease writes nothing more; whoever has it now finishes the chunk', async () => {
    const world = await Delivery.open(await freshUrl())
    await world.register(numbers(10), { badge: 1 })
    const push = await world.push({ devices: [numbers(10)], badge: 'increment' })
    const answering = gate()
    const asked = gate()
    const stalled = {
      async *send(batches: AsyncIterable<readonly { readonly index: number }[]>) {
        for await (const batch of batches) {
          asked.open()
          await answering.passed
          yield batch.map((notification) => ({ notification, attempts: 1, kind: 'rejected', reason: 'Unknown' }))
        }
      },
    }
    const sender = world.sender()
    // Either of them may take the chunk up again, the one that lost it as well.
    const senders = [stalled as never]
    const senderFor = () => senders.shift() ?? sender
    world.worker({ senderFor })
    await asked.passed
    await world.database.execute('UPDATE chunk SET lease_until = 1')
    world.worker({ senderFor, leaseMs: 400 })
    await world.until(push, 'completed')
    answering.open()
    while (world.of('chunk').length < 2) await new Promise((resolve) => setTimeout(resolve, 10))
    expect(world.of('chunk').map(({ end }) => end)).toEqual(['closed', 'lost'])
    expect(await world.sums(push)).toMatchObject({ accepted: 10, rejected: 0 })
    expect(new Set(await world.badges(numbers(10)))).toEqual(new Set([2]))
  })

  test('a chunk whose leases run out five times without progress pauses its push', async () => {
    const world = await Delivery.open(await freshUrl())
    await world.register(numbers(3))
    const push = await world.push({ devices: [numbers(3)] })
    const broken = {
      // eslint-disable-next-line require-yield -- it never comes so far
      async *send() {
        throw new TypeError('a fault of ours')
      },
    }
    world.worker({ senderFor: () => broken as never, leaseMs: 100 })
    await world.until(push, 'paused')
    const [row] = await world.database.query('SELECT paused_because FROM push')
    expect(row).toEqual({ paused_because: 5 })
    expect(await world.chunks(push)).toMatchObject([{ state: 0, leases: 5 }])
    expect(world.of('error').length).toBe(5)
  })
})
