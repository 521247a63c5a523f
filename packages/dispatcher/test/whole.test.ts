import { openDatabase } from '@lhspn/database'
import { type DeviceStore, openDeviceStore } from '@lhspn/device-store'
import { describe, expect, onTestFinished, test } from 'vitest'

import { Dispatcher, type DispatcherOptions } from '../src/dispatcher.ts'
import { parsePushRequest } from '../src/parse-push.ts'
import type { StoredPush } from '../src/push.ts'
import { APP, Delivery, numbers, token } from './delivery.ts'
import { ENGINES } from './engines.ts'

const request = (more: object = {}) =>
  parsePushRequest(
    { app: APP, audience: { all: true }, payload: { aps: { alert: 'Hi' } }, ...more },
    { now: Date.now() },
  )

/** A dispatcher that has begun, as a process of its own has it: with its own connections to the database and to Apple. */
async function begin(world: Delivery, url: string, options: Partial<DispatcherOptions> = {}): Promise<Dispatcher> {
  const database = await openDatabase(url)
  onTestFinished(() => database.close())
  const store: DeviceStore = await openDeviceStore(database)
  const sender = world.sender()
  const dispatcher = new Dispatcher({
    store,
    senderFor: () => sender,
    onEvent: (event) => world.events.push(event),
    ...options,
  })
  onTestFinished(() => dispatcher.close())
  dispatcher.start()
  return dispatcher
}

/** Follows a push to its end; every answer on the way must add up. */
async function follow(dispatcher: Dispatcher, { id }: StoredPush, at?: (push: StoredPush) => Promise<unknown>) {
  let last: StoredPush | undefined
  for await (const push of dispatcher.watch(id)) {
    const { planned, accepted, rejected, unregistered, unconfirmed, remaining } = push.counts
    expect(accepted + rejected + unregistered + unconfirmed + remaining).toBe(planned)
    await at?.(push)
    last = push
  }
  return last as StoredPush
}

describe.for(ENGINES)('on $engine', ({ freshUrl }) => {
  test('a push goes from its submission to its end, and is answered with all that became of it', async () => {
    const url = await freshUrl()
    const world = await Delivery.open(url, { rules: [{ when: { token: token(5) }, do: { status: 8 } }] })
    await world.register(numbers(1200), { badge: 1 })
    const dispatcher = await begin(world, url, { chunkSize: 500 })
    const { push } = await dispatcher.submit(request({ badge: 'increment' }))
    const end = await follow(dispatcher, push)
    expect(end).toMatchObject({
      state: 'completed',
      planning: false,
      counts: { planned: 1200, accepted: 1199, rejected: 1, unregistered: 0, unconfirmed: 0, remaining: 0 },
      reasons: { InvalidToken: 1 },
    })
    expect(end.startedAt).toBeInstanceOf(Date)
    expect(end.completedAt).toBeInstanceOf(Date)
    expect(world.apple.journal.accepted).toBe(1199)
    expect((await dispatcher.notifications(push.id, { outcome: 'rejected' })).data).toMatchObject([
      { token: token(5), reason: 'InvalidToken', remedy: expect.any(String) },
    ])
    expect(await dispatcher.lastNotifications(APP, token(5))).toMatchObject([{ push: push.id, outcome: 'rejected' }])
    expect(world.of('error')).toEqual([])
  })

  test('two processes share a push: every device once', async () => {
    const url = await freshUrl()
    const world = await Delivery.open(url)
    await world.register(numbers(2000))
    const one = await begin(world, url, { chunkSize: 150 })
    await begin(world, url, { chunkSize: 150 })
    const { push } = await one.submit(request())
    expect((await follow(one, push)).counts).toMatchObject({ accepted: 2000, remaining: 0 })
    expect([world.apple.journal.accepted, new Set(world.apple.journal.acceptedTokens()).size]).toEqual([2000, 2000])
    expect(world.of('completed')).toHaveLength(1)
  })

  test('paused in the middle it stands still, and resumed it goes on: nobody twice, nobody left out', async () => {
    const url = await freshUrl()
    const world = await Delivery.open(url)
    await world.register(numbers(600))
    const dispatcher = await begin(world, url, { leaseMs: 1500 })
    const { push } = await dispatcher.submit(request({ rate: 300 }))
    let pauses = 0
    const end = await follow(dispatcher, push, async ({ state, counts }) => {
      if (state === 'running' && counts.accepted > 0 && pauses === 0) {
        pauses++
        await dispatcher.pause(push.id)
      } else if (state === 'paused') {
        // What was in flight settles and is written down; then nothing moves.
        await world.until(push.number, 'paused')
        const still = (await dispatcher.get(push.id)).counts
        expect(still.remaining).toBeGreaterThan(0)
        expect(world.apple.journal.accepted).toBe(still.accepted)
        await dispatcher.setRate(push.id, null)
        await dispatcher.resume(push.id)
      }
    })
    expect(end.counts).toMatchObject({ accepted: 600, remaining: 0 })
    expect([world.apple.journal.accepted, new Set(world.apple.journal.acceptedTokens()).size]).toEqual([600, 600])
    expect(pauses).toBe(1)
  })

  test('canceled in the middle it keeps what remains', async () => {
    const url = await freshUrl()
    const world = await Delivery.open(url)
    await world.register(numbers(600))
    const dispatcher = await begin(world, url, { leaseMs: 1500 })
    const { push } = await dispatcher.submit(request({ rate: 300 }))
    await follow(dispatcher, push, async ({ state, counts }) => {
      if (state === 'running' && counts.accepted > 0) await dispatcher.cancel(push.id)
    })
    await world.until(push.number, 'canceled')
    const { state, counts } = await dispatcher.get(push.id)
    expect(state).toBe('canceled')
    expect(counts.planned).toBe(600)
    expect(counts.remaining).toBeGreaterThan(0)
    expect(counts.accepted).toBe(world.apple.journal.accepted)
  })

  test('a process that drains leaves the rest to the next one: nobody twice', async () => {
    const url = await freshUrl()
    const world = await Delivery.open(url)
    await world.register(numbers(600))
    const first = await begin(world, url, { chunkSize: 100 })
    const { push } = await first.submit(request({ rate: 400 }))
    for await (const { counts } of first.watch(push.id)) if (counts.accepted > 0) break
    expect(await first.drain(20_000)).toBe(true)
    const left = (await first.get(push.id)).counts
    expect(left.remaining).toBeGreaterThan(0)
    const second = await begin(world, url)
    expect((await follow(second, push)).counts).toMatchObject({ accepted: 600, remaining: 0 })
    expect([world.apple.journal.accepted, new Set(world.apple.journal.acceptedTokens()).size]).toEqual([600, 600])
  })

  test('a stream of tokens is delivered while it flows', async () => {
    const url = await freshUrl()
    const world = await Delivery.open(url)
    const dispatcher = await begin(world, url, { chunkSize: 50 })
    async function* stream() {
      yield numbers(120).map(token)
      // Goes on only when the first ones have arrived.
      await world.apple.journal.waitFor(({ accepted }) => accepted >= 100)
      yield numbers(100, 100).map(token)
    }
    const { push, streamed } = await dispatcher.submit(request({ audience: { stream: stream() } }))
    await streamed
    expect((await follow(dispatcher, push)).counts).toMatchObject({ planned: 200, accepted: 200 })
    expect(world.apple.journal.accepted).toBe(200)
  })

  test('a scheduled push begins at its time, and expires so long after it', async () => {
    const url = await freshUrl()
    const world = await Delivery.open(url)
    await world.register([1])
    const dispatcher = await begin(world, url)
    const { push } = await dispatcher.submit(
      request({ sendAt: new Date(Date.now() + 300).toISOString(), expiration: '1h' }),
    )
    const end = await follow(dispatcher, push)
    const [startedAt, sendAt] = [end.startedAt?.getTime() ?? 0, push.sendAt?.getTime() ?? 0]
    expect(startedAt).toBeGreaterThanOrEqual(sendAt)
    expect(end.expiration).toEqual(new Date(startedAt + 3_600_000))
  })
})
