import { setImmediate as turn } from 'node:timers/promises'

import type { DeviceStore } from '@lhspn/device-store'
import { describe, expect, test } from 'vitest'

import type { DispatcherEvent } from '../src/events.ts'
import { plan } from '../src/plan.ts'
import type { StoredPush } from '../src/push.ts'
import { FailedPlans } from '../src/schedule.ts'
import { gate } from './delivery.ts'
import { ENGINES, openStore } from './engines.ts'
import { setState } from './queues.ts'
import {
  APP,
  chunksOf,
  dispatcherOf,
  inFuture,
  NEVER,
  planRenewed,
  planWhole,
  register,
  request,
  token,
  tokens,
  until,
} from './stored.ts'

describe.for(ENGINES)('on $engine', ({ freshUrl }) => {
  describe('planning', () => {
    test('takes every device of the audience that was there when it began, once', async () => {
      const store = await openStore(await freshUrl())
      const dispatcher = dispatcherOf(store)
      await register(store, tokens(2500), { attributes: { plan: 'pro' } })
      await register(store, tokens(500, 5000), { attributes: { plan: 'free' } })
      const all = (await dispatcher.submit(request())).push
      const some = (await dispatcher.submit(request({ audience: { filter: ['plan', 'pro'] } }))).push
      for (const push of [all, some]) expect(await planWhole(store, push, 400)).toBe(true)
      await register(store, tokens(10, 9000))
      expect((await chunksOf(store, some)).flat()).toEqual(tokens(2500))
      expect((await chunksOf(store, all)).map((chunk) => chunk.length)).toEqual([
        400, 400, 400, 400, 400, 400, 400, 200,
      ])
      expect((await chunksOf(store, all)).flat()).toEqual([...tokens(2500), ...tokens(500, 5000)])
      expect(await dispatcher.get(all.id)).toMatchObject({
        planning: false,
        counts: { planned: 3000, remaining: 3000 },
      })
      expect(await planWhole(store, all)).toBe(false)
    })

    test('goes on behind the last chunk after whoever planned was killed', async () => {
      const store = await openStore(await freshUrl())
      const dispatcher = dispatcherOf(store)
      await register(store, tokens(1000))
      const { push } = await dispatcher.submit(request())
      // Killed after the third chunk: nothing after it reaches the database.
      let appended = 0
      const dying = new Proxy(store.database, {
        get: (database, name) => {
          if (name !== 'transaction') {
            const value: unknown = Reflect.get(database, name)
            return typeof value === 'function' ? value.bind(database) : value
          }
          return (work: Parameters<typeof database.transaction>[0]) => {
            if (++appended > 3) throw new Error('killed')
            return database.transaction(work)
          }
        },
      })
      const options = { database: dying, queue: { offer: async () => undefined }, chunkSize: 100, leaseMs: 60_000 }
      await expect(plan({ ...options, onEvent: () => undefined }, store, push.number, NEVER)).rejects.toThrow('killed')
      expect((await chunksOf(store, push)).flat()).toEqual(tokens(300))
      await register(store, tokens(10, 5000))
      expect(await planWhole(store, push, 100)).toBe(true)
      expect((await chunksOf(store, push)).flat()).toEqual(tokens(1000))
    })

    test('is done by one at a time, and by another as soon as the lease has run out', async () => {
      const store = await openStore(await freshUrl())
      const dispatcher = dispatcherOf(store)
      await register(store, tokens(10))
      const { push } = await dispatcher.submit(request())
      await store.database.execute('UPDATE push SET plan_owner = 1, plan_until = ?', [Date.now() + 60_000])
      expect(await planWhole(store, push)).toBe(false)
      await store.database.execute('UPDATE push SET plan_until = ?', [Date.now() - 1])
      expect(await planWhole(store, push)).toBe(true)
    })

    test('stops at its next chunk when the push is paused, and goes on when it is resumed', async () => {
      const store = await openStore(await freshUrl())
      await register(store, tokens(1000))
      const events: DispatcherEvent[] = []
      const dispatcher = dispatcherOf(store)
      const { push } = await dispatcher.submit(request())
      await setState(store.database, push.number, 'running')
      const queue = {
        offer: async () => {
          await dispatcher.pause(push.id)
        },
      }
      const options = { database: store.database, queue, chunkSize: 100, leaseMs: 60_000 }
      await plan({ ...options, onEvent: (event) => events.push(event) }, store, push.number, NEVER)
      expect((await chunksOf(store, push)).length).toBe(1)
      expect(await planWhole(store, push)).toBe(false)
      expect((await dispatcher.resume(push.id)).state).toBe('running')
      expect(await planWhole(store, push, 100)).toBe(true)
      expect((await chunksOf(store, push)).flat()).toEqual(tokens(1000))
    })

    test('of an audience that has grown beyond its limit pauses the push; resuming lifts the limit', async () => {
      const store = await openStore(await freshUrl())
      await register(store, tokens(100))
      const events: DispatcherEvent[] = []
      const dispatcher = dispatcherOf(store, { chunkSize: 40, onEvent: (event) => events.push(event) })
      const { push } = await dispatcher.submit(request({ maxAudience: 100, sendAt: inFuture() }))
      await register(store, tokens(50, 500))
      await store.database.execute('UPDATE push SET send_at = ?', [Date.now() - 1000])
      dispatcher.start()
      await until(async () => (await dispatcher.get(push.id)).state === 'paused')
      expect(await dispatcher.get(push.id)).toMatchObject({ pausedBecause: 'audience-too-large', startedAt: null })
      expect(events).toContainEqual({
        kind: 'paused',
        because: 'audience-too-large',
        push: push.id,
        app: APP,
        environment: 'production',
      })
      await dispatcher.drain(1000)
      expect(await dispatcher.resume(push.id)).toMatchObject({ state: 'queued', maxAudience: null })
      expect(await planWhole(store, push)).toBe(true)
      expect((await chunksOf(store, push)).flat()).toEqual([...tokens(100), ...tokens(50, 500)])
    })

    test('that fails holds up no other push, and is tried again', async () => {
      const store = await openStore(await freshUrl())
      await register(store, tokens(3), { attributes: { plan: 'pro' } })
      let isBroken = true
      let failures = 0
      const breaking = new Proxy(store, {
        get: (target, name) => {
          if (name === 'findIds')
            return (search: Parameters<DeviceStore['findIds']>[0]) => {
              if (!isBroken || search.filter === undefined) return target.findIds(search)
              failures++
              throw new Error('broken')
            }
          const value: unknown = Reflect.get(target, name)
          return typeof value === 'function' ? value.bind(target) : value
        },
      })
      const dispatcher = dispatcherOf(breaking)
      const pushes: StoredPush[] = []
      for (const filter of [['plan', 'pro'], ['plan', 'pro'], undefined])
        pushes.push((await dispatcher.submit(request(filter && { audience: { filter } }))).push)
      const planned = () => Promise.all(pushes.map(async ({ id }) => !(await dispatcher.get(id)).planning))
      dispatcher.start()
      // Both first ones fail once a second.
      await until(async () => failures > 8 || (await planned()).includes(true))
      expect(await planned()).toEqual([false, false, true])
      isBroken = false
      await until(async () => !(await planned()).includes(false))
    })

    test('of nobody completes the push', async () => {
      const store = await openStore(await freshUrl())
      const dispatcher = dispatcherOf(store)
      const { push } = await dispatcher.submit(request())
      dispatcher.start()
      await until(async () => (await dispatcher.get(push.id)).state === 'completed')
      const seen = await dispatcher.get(push.id)
      expect(seen.completedAt).toBeInstanceOf(Date)
      expect(seen.expiration).toEqual(new Date((seen.startedAt as Date).getTime() + 86_400_000))
    })
  })

  describe('a stream of tokens', () => {
    test('becomes chunks while it flows, each token once, however its arrays are cut', async () => {
      const store = await openStore(await freshUrl())
      const dispatcher = dispatcherOf(store, { chunkSize: 100 })
      let goOn!: () => void
      const looked = new Promise<void>((resolve) => (goOn = resolve))
      async function* stream() {
        yield tokens(250)
        yield []
        await looked
        yield [...tokens(10, 245), token(0)]
      }
      const { push, streamed } = await dispatcher.submit(request({ audience: { stream: stream() } }))
      expect(push.planning).toBe(true)
      goOn()
      await streamed
      expect((await chunksOf(store, push)).map((chunk) => chunk.length)).toEqual([100, 100, 55])
      expect((await chunksOf(store, push)).flat()).toEqual(tokens(255))
      expect(await dispatcher.get(push.id)).toMatchObject({ planning: false, counts: { planned: 255 } })
    })

    test('that is slow is stored all the same, and its planning stays leased', async () => {
      const store = await openStore(await freshUrl())
      const dispatcher = dispatcherOf(store, { leaseMs: 900 })
      const ending = new AbortController()
      async function* stream() {
        yield tokens(3)
        await new Promise((resolve) => ending.signal.addEventListener('abort', resolve))
        yield tokens(2, 3)
      }
      const { push, streamed } = await dispatcher.submit(request({ audience: { stream: stream() } }))
      await until(async () => (await dispatcher.get(push.id)).counts.planned === 3)
      await planRenewed(store, push)
      expect(await planWhole(store, push)).toBe(false)
      ending.abort()
      await streamed
      expect((await chunksOf(store, push)).flat()).toEqual(tokens(5))
    })

    test('that fails leaves what was stored to be sent', async () => {
      const store = await openStore(await freshUrl())
      const dispatcher = dispatcherOf(store)
      const failed = await dispatcher.submit(request({ audience: { stream: failing() } }))
      await expect(failed.streamed).rejects.toThrow('the pipe broke')
      expect(await dispatcher.get(failed.push.id)).toMatchObject({ planning: false, counts: { planned: 3 } })
    })

    test('whose planning another has taken over is cut, and whoever gave it is told after how many', async () => {
      const store = await openStore(await freshUrl())
      const dispatcher = dispatcherOf(store, { chunkSize: 10 })
      const goOn = gate()
      async function* stream() {
        yield tokens(30)
        await goOn.passed
        yield tokens(30, 30)
      }
      const { push, streamed } = await dispatcher.submit(request({ audience: { stream: stream() } }))
      await takeOver(store, push, 30)
      goOn.open()
      await expect(streamed).rejects.toMatchObject({ code: 'stream-cut', message: expect.stringContaining(' 30 ') })
      expect((await chunksOf(store, push)).flat()).toEqual(tokens(30))
      expect(await dispatcher.get(push.id)).toMatchObject({ planning: false })
    })

    test('whose planning another has taken over is cut while nothing comes of it, too', async () => {
      const store = await openStore(await freshUrl())
      const dispatcher = dispatcherOf(store, { chunkSize: 3, leaseMs: 900 })
      const { push, streamed } = await dispatcher.submit(request({ audience: { stream: endless() } }))
      const ended = streamed.catch((error: unknown) => error)
      await takeOver(store, push, 3)
      expect(await ended).toMatchObject({ code: 'stream-cut' })
    })

    test('is given up without a word when its dispatcher ends, but not where another had taken it over', async () => {
      const store = await openStore(await freshUrl())
      for (const isTaken of [false, true]) {
        const dispatcher = dispatcherOf(store, { chunkSize: 3 })
        const { push, streamed } = await dispatcher.submit(request({ audience: { stream: endless() } }))
        const ended = streamed.catch((error: unknown) => error)
        if (isTaken) await takeOver(store, push, 3)
        else await until(async () => (await dispatcher.get(push.id)).counts.planned === 3)
        await dispatcher.drain(1000)
        if (isTaken) expect(await ended).toMatchObject({ code: 'stream-cut' })
        else expect(await ended).toBeUndefined()
        expect(await dispatcher.get(push.id)).toMatchObject({ planning: false, counts: { planned: 3 } })
      }
    })

    test('is not taken over by the dispatcher that reads it, also when its lease has run out', async () => {
      const store = await openStore(await freshUrl())
      await register(store, tokens(5, 100))
      const dispatcher = dispatcherOf(store, { chunkSize: 3 })
      const goOn = gate()
      async function* stream() {
        yield tokens(3)
        await goOn.passed
        yield tokens(3, 3)
      }
      // With a limit it does not begin before it is planned whole: nothing is sent here.
      const limited = { maxAudience: 100 }
      const { push, streamed } = await dispatcher.submit(request({ audience: { stream: stream() }, ...limited }))
      await until(async () => (await dispatcher.get(push.id)).counts.planned === 3)
      await store.database.execute('UPDATE push SET plan_until = 1')
      const later = (await dispatcher.submit(request(limited))).push
      dispatcher.start()
      await until(async () => !(await dispatcher.get(later.id)).planning)
      expect(await dispatcher.get(push.id)).toMatchObject({ planning: true })
      goOn.open()
      await streamed
      expect((await chunksOf(store, push)).flat()).toEqual(tokens(6))
    })

    test('stops while the push is paused, and is left when it is canceled', async () => {
      const store = await openStore(await freshUrl())
      const dispatcher = dispatcherOf(store, { chunkSize: 10 })
      let pulled = 0
      let isLeft = false
      async function* stream() {
        try {
          for (;;) {
            yield tokens(10, 10 * pulled++)
            await turn()
          }
        } finally {
          isLeft = true
        }
      }
      const { push, streamed } = await dispatcher.submit(request({ audience: { stream: stream() } }))
      await until(async () => (await dispatcher.get(push.id)).counts.planned > 0)
      await dispatcher.pause(push.id)
      const { planned } = (await dispatcher.get(push.id)).counts
      // Once and again it has found that nothing may be stored.
      await planRenewed(store, push)
      const stillPulled = pulled
      await planRenewed(store, push)
      expect((await dispatcher.get(push.id)).counts.planned).toBe(planned)
      expect(pulled).toBe(stillPulled)
      expect(pulled).toBeLessThanOrEqual(planned / 10 + 3)
      await dispatcher.resume(push.id)
      await until(async () => (await dispatcher.get(push.id)).counts.planned > planned)
      await dispatcher.cancel(push.id)
      await streamed
      await until(async () => isLeft)
      expect(await dispatcher.get(push.id)).toMatchObject({ state: 'canceled', planning: false })
      expect((await chunksOf(store, push)).flat()).toEqual(tokens((await dispatcher.get(push.id)).counts.planned))
    })

    test('with a token that is none ends with what came before', async () => {
      const store = await openStore(await freshUrl())
      const dispatcher = dispatcherOf(store)
      const { push, streamed } = await dispatcher.submit(request({ audience: { stream: spoiled() } }))
      await expect(streamed).rejects.toMatchObject({ code: 'invalid-device-token' })
      expect((await chunksOf(store, push)).flat()).toEqual(tokens(3))
    })
  })
})

test('a push that cannot be planned is left out twice as long each time, up to five minutes; of many, the last ones', () => {
  let now = 0
  const failed = new FailedPlans(() => now)
  const leftOut: number[] = []
  for (let round = 0; round < 11; round++) {
    const since = now
    failed.begin(1)
    expect([failed.has(1), failed.has(2)]).toEqual([true, false])
    while (failed.has(1)) now += 1000
    leftOut.push((now - since) / 1000)
  }
  expect(leftOut).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300])
  failed.end(1)
  expect(failed.size).toBe(0)
  for (let number = 1; number <= 1001; number++) failed.begin(number)
  expect([failed.size, failed.has(1), failed.has(2), failed.has(1001)]).toEqual([1000, false, true, true])
})

/** What another process does once a stream's process has not been heard of for a lease, and so much is stored. */
async function takeOver(store: DeviceStore, push: StoredPush, planned: number): Promise<void> {
  await until(async () => (await chunksOf(store, push)).flat().length === planned)
  await store.database.execute('UPDATE push SET plan_until = 1 WHERE number = ?', [push.number])
  expect(await planWhole(store, push)).toBe(true)
}

async function* failing() {
  yield tokens(3)
  throw new Error('the pipe broke')
}

async function* spoiled() {
  yield tokens(3)
  yield ['no token']
}

async function* endless() {
  yield tokens(3)
  await new Promise(() => undefined)
}
