import { describe, expect, test } from 'vitest'

import type { Lease } from '../src/chunk-queue/chunk-queue.ts'
import type { DispatcherEvent } from '../src/events.ts'
import {
  ANYTHING,
  expire,
  LEASE_MS,
  leaseOne,
  leases,
  type Place,
  type PushOptions,
  QUEUES,
  setState,
  storePush,
} from './queues.ts'

/** A moment in which nothing is to come. */
const MOMENT_MS = 300
const BIG = 1000

/** A queue, and the lease of the first chunk of a push. */
async function openLeased({ database, open }: Place, options: PushOptions = { chunks: [3] }) {
  const queue = await open()
  const push = await storePush(database, options)
  await queue.offer({ push, light: true, afterMs: 0 })
  return { database, queue, push, lease: await leaseOne(queue) }
}

describe.for(QUEUES)('$queue', ({ place }) => {
  test('chunks are leased in the order of the audience, each to one', async () => {
    const { database, open } = await place()
    const [one, another] = [await open(), await open()]
    const push = await storePush(database, { chunks: [3, 2, 5] })
    await one.offer({ push, light: true, afterMs: 0 })
    const first = await leases(one, 1)
    const second = await leases(another, 1)
    const third = await leases(one, 1)
    expect([...first, ...second, ...third].map(({ seq, size }) => [seq, size])).toEqual([
      [1, 3],
      [2, 2],
      [3, 5],
    ])
    expect(new Set([...first, ...second, ...third].map(({ owner }) => owner)).size).toBe(3)
    expect(await leases(another, 1, { ms: MOMENT_MS })).toEqual([])
  })

  test('a lease holds what delivering needs', async () => {
    const { database, open } = await place()
    const queue = await open()
    const push = await storePush(database, { chunks: [3] })
    const before = await database.now()
    const steady = performance.now()
    await queue.offer({ push, light: true, afterMs: 0 })
    const lease = await leaseOne(queue)
    expect(lease).toMatchObject({
      push: { number: push, app: 'com.example.app', environment: 'production', badge: null, onUnconfirmed: 'report' },
      rate: null,
      checksMismatch: true,
      outcomes: new Uint8Array(3),
      counted: 0,
      waits: 0,
      slot: undefined,
    })
    expect(lease.members.length).toBe(1 + 3 * 33)
    expect(lease.startedAt).toBeGreaterThanOrEqual(before)
    expect(lease.until).toBeGreaterThanOrEqual(steady + LEASE_MS)
    expect(lease.until).toBeLessThanOrEqual(performance.now() + LEASE_MS)
  })

  test('pushes take turns, the one served longest ago first', async () => {
    const { database, open } = await place()
    const queue = await open()
    const [a, b, c] = [
      await storePush(database, { chunks: [BIG, BIG, BIG] }),
      await storePush(database, { chunks: [BIG, BIG] }),
      await storePush(database, { chunks: [BIG, BIG, BIG] }),
    ]
    for (const push of [a, b, c]) await queue.offer({ push, light: false, afterMs: 0 })
    const order = (await leases(queue, 8)).map(({ push }) => push.number)
    for (const turn of [order.slice(0, 3), order.slice(3, 6)]) expect(new Set(turn)).toEqual(new Set([a, b, c]))
    expect(new Set(order.slice(6))).toEqual(new Set([a, c]))
  })

  test('pushes take turns also where they were served in one millisecond, or the clock was set back', async () => {
    const { database, open } = await place()
    const queue = await open()
    const pushes = [
      await storePush(database, { chunks: [BIG, BIG] }),
      await storePush(database, { chunks: [BIG, BIG] }),
      await storePush(database, { chunks: [BIG, BIG] }),
    ]
    await database.transaction((transaction) =>
      transaction.execute(`UPDATE push SET served_at = ${database.dialect.now} + 3600000`, []),
    )
    for (const push of pushes) await queue.offer({ push, light: false, afterMs: 0 })
    const order = (await leases(queue, 6)).map(({ push }) => push.number)
    for (const turn of [order.slice(0, 3), order.slice(3)]) expect(new Set(turn)).toEqual(new Set(pushes))
  })

  test('many who lease at once get every chunk exactly once', async () => {
    const { database, open } = await place()
    const queues = [await open(), await open(), await open()]
    const pushes = [
      await storePush(database, { chunks: Array<number>(20).fill(3) }),
      await storePush(database, { chunks: Array<number>(20).fill(BIG) }),
    ]
    for (const push of pushes) await queues[0]?.offer({ push, light: false, afterMs: 0 })
    const leased: number[] = []
    const all = new AbortController()
    await Promise.all(
      queues.flatMap((queue) =>
        [1, 2, 3].map(async () => {
          while (!all.signal.aborted) {
            const lease = await queue.lease(ANYTHING, all.signal)
            if (lease === undefined) continue
            leased.push(lease.chunk)
            await database.transaction(async (transaction) => {
              expect(await queue.complete(lease, transaction)).toBe(true)
            })
            if (leased.length === 40) all.abort()
          }
        }),
      ),
    )
    expect(new Set(leased).size).toBe(40)
    expect(leased).toHaveLength(40)
  })

  test('a chunk that is complete is not leased again, and cannot be given back', async () => {
    const { database, queue, push, lease } = await openLeased(await place())
    expect(await database.transaction((transaction) => queue.complete(lease, transaction))).toBe(true)
    await queue.release(lease, { afterMs: 0, waits: 0 })
    await queue.offer({ push, light: true, afterMs: 0 })
    expect(await queue.renew(lease)).toBeUndefined()
    expect(await leases(queue, 1, { ms: MOMENT_MS })).toEqual([])
  })

  test('a lease that ran out is another’s: who had it can do nothing any more', async () => {
    const { database, open } = await place()
    const [one, another] = [await open(), await open()]
    const push = await storePush(database, { chunks: [3] })
    await one.offer({ push, light: true, afterMs: 0 })
    const lost = await leaseOne(one)
    await expire(database, another, lost)
    const held = await leaseOne(another)
    expect(held.chunk).toBe(lost.chunk)
    expect(held.owner).not.toBe(lost.owner)
    expect(await one.renew(lost)).toBeUndefined()
    await one.release(lost, { afterMs: 0, waits: 0 })
    expect(await database.transaction((transaction) => one.complete(lost, transaction))).toBe(false)
    expect(await another.renew(held)).toMatchObject({ running: true, rate: null })
    expect(await database.transaction((transaction) => another.complete(held, transaction))).toBe(true)
  })

  test('a renewal makes the lease last on, and tells what the push asks now', async () => {
    const { database, queue, push, lease } = await openLeased(await place())
    const now = await database.now()
    await database.execute('UPDATE chunk SET lease_until = ? WHERE id = ?', [now + LEASE_MS / 2, lease.chunk])
    const renewed = await queue.renew(lease)
    expect(renewed).toMatchObject({ running: true, rate: null })
    expect(renewed?.until).toBeGreaterThan(lease.until)
    const [chunk] = await database.query<{ lease_until: number }>('SELECT lease_until FROM chunk')
    expect(chunk?.lease_until).toBeGreaterThanOrEqual(now + LEASE_MS)
    await setState(database, push, 'paused')
    await database.execute('UPDATE push SET rate = 7 WHERE number = ?', [push])
    expect(await queue.renew(lease)).toMatchObject({ running: false, rate: 7 })
  })

  test('a chunk that is given back is leased again at once, and keeps how often it waited', async () => {
    const { database, open } = await place()
    const [one, another] = [await open(), await open()]
    const push = await storePush(database, { chunks: [BIG] })
    await one.offer({ push, light: false, afterMs: 0 })
    for (let turn = 0; turn < 7; turn++) {
      const lease = await leaseOne(turn % 2 === 0 ? one : another)
      expect(lease).toMatchObject({ seq: 1, waits: turn })
      await one.release(lease, { afterMs: 0, waits: turn + 1 })
    }
  })

  test('a chunk that is given back for later comes later', async () => {
    const { database, queue, lease } = await openLeased(await place())
    const before = await database.now()
    await queue.release(lease, { afterMs: 800, waits: 0 })
    expect(await leases(queue, 1)).toHaveLength(1)
    expect((await database.now()) - before).toBeGreaterThanOrEqual(800)
  })

  test('who is busy with large chunks still takes small ones, and those that pace a rate', async () => {
    const { database, open } = await place()
    const queue = await open()
    const [large, small, rated] = [
      await storePush(database, { chunks: [BIG, BIG] }),
      await storePush(database, { chunks: [100] }),
      await storePush(database, { chunks: [BIG], rate: 10 }),
    ]
    await queue.offer({ push: large, light: false, afterMs: 0 })
    await queue.offer({ push: small, light: true, afterMs: 0 })
    await queue.offer({ push: rated, light: true, afterMs: 0 })
    const lightOnly = { ...ANYTHING, lightOnly: true }
    const light = await leases(queue, 2, { wish: lightOnly })
    expect(new Set(light.map(({ push }) => push.number))).toEqual(new Set([small, rated]))
    expect(await leases(queue, 1, { ms: MOMENT_MS, wish: lightOnly })).toEqual([])
    expect((await leases(queue, 2)).map(({ push }) => push.number)).toEqual([large, large])
  })

  test('a push that was thought to be small, and is not, goes to who takes large ones', async () => {
    const { database, open } = await place()
    const queue = await open()
    const push = await storePush(database, { chunks: [BIG] })
    await queue.offer({ push, light: true, afterMs: 0 })
    expect(await leases(queue, 1, { ms: MOMENT_MS, wish: { ...ANYTHING, lightOnly: true } })).toEqual([])
    expect(await leases(queue, 1)).toHaveLength(1)
  })

  test('where nothing can be sent to, no chunk is taken; others are, and it comes back', async () => {
    const { database, open } = await place()
    const queue = await open()
    const [held, free] = [
      await storePush(database, { chunks: [3], app: 'com.example.held' }),
      await storePush(database, { chunks: [3, 3] }),
    ]
    for (const push of [held, free]) await queue.offer({ push, light: true, afterMs: 0 })
    const wish = { lightOnly: false, held: (app: string) => app === 'com.example.held' }
    expect((await leases(queue, 2, { wish })).map(({ push }) => push.number)).toEqual([free, free])
    expect(await leases(queue, 1, { ms: MOMENT_MS, wish })).toEqual([])
    expect((await leases(queue, 1)).map(({ push }) => push.number)).toEqual([held])
  })

  test('only running pushes have turns', async () => {
    const { database, open } = await place()
    const queue = await open()
    const states = ['scheduled', 'queued', 'paused', 'completed', 'canceled'] as const
    const pushes = []
    for (const state of states) pushes.push(await storePush(database, { chunks: [3], state }))
    for (const push of [...pushes, 4711]) await queue.offer({ push, light: true, afterMs: 0 })
    expect(await leases(queue, 1, { ms: MOMENT_MS })).toEqual([])
    const paused = pushes[2] as number
    await setState(database, paused, 'running')
    await queue.offer({ push: paused, light: true, afterMs: 0 })
    expect((await leases(queue, 1)).map(({ push }) => push.number)).toEqual([paused])
  })

  test('slots of a rate follow one another, whoever leases them', async () => {
    const { database, open } = await place()
    const [one, another] = [await open(), await open()]
    const before = await database.now()
    const push = await storePush(database, { chunks: [10, 10, 10], rate: 20 })
    await one.offer({ push, light: true, afterMs: 0 })
    const slots = [...(await leases(one, 1)), ...(await leases(another, 1)), ...(await leases(one, 1))].map(
      ({ slot }) => slot,
    )
    const [first, second, third] = slots
    if (first === undefined || second === undefined || third === undefined) throw new Error('a lease had no slot')
    expect(first.endsAt).toBeGreaterThanOrEqual(before + 500)
    expect(second.endsAt - first.endsAt).toBeGreaterThanOrEqual(500)
    expect(third.endsAt - second.endsAt).toBeGreaterThanOrEqual(500)
    // Each is shorter by as long as the database took to answer, so that none reaches into its neighbour.
    for (const { start, end } of slots as (typeof first)[]) expect(end - start).toBeLessThanOrEqual(500)
  })

  test('the rest of a slot is given back with its chunk', async () => {
    const { queue, lease } = await openLeased(await place(), { chunks: [100], rate: 10 })
    await queue.release(lease, { afterMs: 0, waits: 0 })
    // The slot would have lasted for 10 s.
    expect(await leases(queue, 1)).toHaveLength(1)
  })

  test('a slot that is given back before it has begun leaves the one before it alone', async () => {
    const { database, open } = await place()
    const queue = await open()
    const push = await storePush(database, { chunks: [4, 4, 4], rate: 10 })
    await queue.offer({ push, light: true, afterMs: 0 })
    const [first, second] = (await leases(queue, 2)) as [Lease, Lease]
    await queue.release(second, { afterMs: 0, waits: 0 })
    const [again] = (await leases(queue, 1)) as [Lease]
    expect(again.slot?.startsAt).toBeGreaterThanOrEqual(first.slot?.endsAt as number)
  })

  test('no slot is longer than 10 s, so that one which is lost costs no more', async () => {
    const { lease } = await openLeased(await place(), { chunks: [5000], rate: 1 })
    const { startsAt, endsAt } = lease.slot ?? { startsAt: 0, endsAt: 0 }
    expect(endsAt - startsAt).toBe(10_000)
  })

  test('where the clock was set back, a rate begins anew', async () => {
    const { database, open } = await place()
    const queue = await open()
    const push = await storePush(database, { chunks: [3], rate: 10 })
    await database.execute('UPDATE push SET next_at = ? WHERE number = ?', [(await database.now()) + 3_600_000, push])
    await queue.offer({ push, light: true, afterMs: 0 })
    expect(await leases(queue, 1)).toHaveLength(1)
  })

  test('a push that is paused because a chunk ends its processes is told of', async () => {
    const { database, open } = await place()
    const push = await storePush(database, { chunks: [3] })
    const queue = await open()
    await queue.offer({ push, light: true, afterMs: 0 })
    await leases(queue, 1)
    await database.execute('UPDATE chunk SET lease_until = 1, leases = 5')
    const events: DispatcherEvent[] = []
    const another = await open(LEASE_MS, (event) => events.push(event))
    const stop = new AbortController()
    const waiting = another.lease(ANYTHING, stop.signal)
    await expect.poll(() => events).toMatchObject([{ kind: 'paused', because: 'fault', app: 'com.example.app' }])
    stop.abort()
    expect(await waiting).toBeUndefined()
  })

  test('who waits gets what is offered meanwhile', async () => {
    const { database, open } = await place()
    const [one, another] = [await open(), await open()]
    const push = await storePush(database, { chunks: [BIG], state: 'queued' })
    const waiting = leases(one, 1)
    await setState(database, push, 'running')
    await another.offer({ push, light: false, afterMs: 0 })
    expect(await waiting).toHaveLength(1)
  })

  test('an offer that comes twice, or while the push has its turn, changes nothing', async () => {
    const { database, open } = await place()
    const queue = await open()
    const push = await storePush(database, { chunks: [3, 3] })
    const offer = () => queue.offer({ push, light: true, afterMs: 0 })
    await Promise.all([offer(), offer()])
    const [found] = await Promise.all([leases(queue, 2), offer(), offer()])
    expect(new Set(found.map(({ chunk }) => chunk)).size).toBe(2)
    expect(await leases(queue, 1, { ms: MOMENT_MS })).toEqual([])
  })

  test('an offer for now overtakes one for later', async () => {
    const { database, open } = await place()
    const queue = await open()
    const push = await storePush(database, { chunks: [3] })
    await queue.offer({ push, light: true, afterMs: 3_600_000 })
    await queue.offer({ push, light: true, afterMs: 0 })
    expect(await leases(queue, 1)).toHaveLength(1)
  })

  test('waiting ends when it is aborted, and when the queue is closed', async () => {
    const { open } = await place()
    const queue = await open()
    const abort = new AbortController()
    const aborted = queue.lease(ANYTHING, abort.signal)
    abort.abort()
    expect(await aborted).toBeUndefined()
    expect(await queue.lease(ANYTHING, abort.signal)).toBeUndefined()
    const closed = queue.lease(ANYTHING, new AbortController().signal)
    await queue.close()
    expect(await closed).toBeUndefined()
  })
})
