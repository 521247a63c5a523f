import { setTimeout as delay } from 'node:timers/promises'

import type { DeviceStore } from '@lhspn/device-store'
import { describe, expect, onTestFinished, test } from 'vitest'

import { decodeMembers } from '../src/chunk-members.ts'
import { Dispatcher, type DispatcherOptions } from '../src/dispatcher.ts'
import type { DispatcherEvent } from '../src/events.ts'
import { notificationId } from '../src/notification-id.ts'
import { ACCEPTED, codeOf } from '../src/outcome-code.ts'
import { parsePushRequest } from '../src/parse-push.ts'
import { plan } from '../src/plan.ts'
import type { PushState } from '../src/push-state.ts'
import type { StoredPush } from '../src/push.ts'
import { sweep } from '../src/retention.ts'
import { ENGINES, openStore } from './engines.ts'

const APP = 'com.example.app'
const PAYLOAD = { aps: { alert: 'Hi' } }
const NEVER = new AbortController().signal
const token = (number: number): string => number.toString(16).padStart(64, '0')
const tokens = (count: number, from = 0): string[] => Array.from({ length: count }, (_, index) => token(from + index))
const request = (more: object = {}) =>
  parsePushRequest({ app: APP, audience: { all: true }, payload: PAYLOAD, ...more }, { now: Date.now() })

async function register(store: DeviceStore, list: readonly string[], more: object = {}): Promise<void> {
  await store.save(list.map((each) => ({ app: APP, token: each, environment: 'production' as const, ...more })))
}

/** A dispatcher that has no sender: what is leased is none of these tests' concern. */
function dispatcherOf(store: DeviceStore, options: Partial<DispatcherOptions> = {}): Dispatcher {
  const dispatcher = new Dispatcher({
    store,
    senderFor: () => {
      throw new Error('nothing is sent')
    },
    ...options,
  })
  onTestFinished(() => dispatcher.close())
  return dispatcher
}

interface ChunkRow {
  readonly seq: number
  readonly size: number
  readonly members: Uint8Array
}

/** Members of each chunk: tokens, or the tokens of ids. */
async function chunksOf(store: DeviceStore, { number }: StoredPush): Promise<readonly (readonly string[])[]> {
  const rows = await store.database.query<ChunkRow>(
    'SELECT seq, size, members FROM chunk WHERE push_number = ? ORDER BY seq',
    [number],
  )
  expect(rows.map(({ seq }) => seq)).toEqual(rows.map((_, index) => index + 1))
  const chunks: string[][] = []
  for (const { size, members } of rows) {
    const decoded = decodeMembers(members)
    const known = 'ids' in decoded ? await store.known(decoded.ids) : undefined
    chunks.push('ids' in decoded ? decoded.ids.map((id) => known?.get(id)?.token ?? '?') : [...decoded.tokens])
    expect(chunks.at(-1)?.length).toBe(size)
  }
  return chunks
}

async function planWhole(store: DeviceStore, push: StoredPush, chunkSize = 5000): Promise<boolean> {
  const { database } = store
  const queue = { offer: async () => undefined }
  return plan({ database, queue, chunkSize, leaseMs: 15_000, onEvent: () => undefined }, store, push.number, NEVER)
}

/** Waits until whoever plans has renewed the lease of it. */
async function planRenewed(store: DeviceStore, { number }: StoredPush): Promise<void> {
  const leasedUntil = async (): Promise<number> => {
    const [row] = await store.database.query<{ plan_until: number }>('SELECT plan_until FROM push WHERE number = ?', [
      number,
    ])
    return row?.plan_until ?? 0
  }
  const before = await leasedUntil()
  await until(async () => (await leasedUntil()) > before)
}

/** Puts a push where it would be. */
async function setState(store: DeviceStore, { number }: StoredPush, state: number): Promise<void> {
  await store.database.execute('UPDATE push SET state = ? WHERE number = ?', [state, number])
}

/** Writes outcomes of a chunk as a checkpoint would. */
async function settle(store: DeviceStore, { number }: StoredPush, seq: number, codes: readonly number[]) {
  const count = (first: number, last = first) => codes.filter((code) => code >= first && code <= last).length
  await store.database.execute(
    `UPDATE chunk SET outcomes = ?, settled = ?, accepted = ?, unregistered = ?, rejected = ?, state = 2
     WHERE push_number = ? AND seq = ?`,
    [Uint8Array.from(codes), count(1, 255), count(ACCEPTED), count(UNREGISTERED), count(BAD), number, seq],
  )
  for (const code of [UNREGISTERED, BAD])
    if (count(code) > 0)
      await store.database.execute('INSERT INTO push_reason (push_number, chunk_seq, reason, n) VALUES (?, ?, ?, ?)', [
        number,
        seq,
        code,
        count(code),
      ])
}

const UNREGISTERED = codeOf({ kind: 'unregistered', reason: 'Unregistered' })
const BAD = codeOf({ kind: 'rejected', reason: 'BadDeviceToken' })
const state = (name: PushState) => ['scheduled', 'queued', 'running', 'paused', 'completed', 'canceled'].indexOf(name)

describe.for(ENGINES)('on $engine', ({ freshUrl }) => {
  describe('a push that is submitted', () => {
    test('is stored with every field, and answered as it was resolved', async () => {
      const store = await openStore(await freshUrl())
      const dispatcher = dispatcherOf(store)
      const value = {
        environment: 'sandbox',
        audience: { filter: ['plan', 'pro'] },
        payload: { aps: { alert: 'Ünï ✓' }, link: '/sale' },
        priority: 5,
        expiration: '2h',
        collapseId: 'sale-31',
        badge: 'increment',
        sendAt: '2030-01-01T00:00:00Z',
        rate: 100,
        maxAudience: 20,
        onUnconfirmed: 'resend',
      }
      const { push, replayed } = await dispatcher.submit(request(value))
      expect(replayed).toBe(false)
      expect(push).toEqual({
        ...value,
        id: expect.stringMatching(/^psh_[0-9A-Z]{26}$/),
        number: 1,
        app: APP,
        pushType: 'alert',
        sendAt: new Date('2030-01-01T00:00:00Z'),
        expiration: new Date('2030-01-01T02:00:00Z'),
        state: 'scheduled',
        pausedBecause: null,
        planning: true,
        counts: { planned: 0, accepted: 0, rejected: 0, unregistered: 0, unconfirmed: 0, remaining: 0 },
        reasons: {},
        createdAt: expect.any(Date),
        startedAt: null,
        completedAt: null,
      })
      expect(await dispatcher.get(push.id)).toEqual(push)
    })

    test('to explicit tokens is in chunks at once, those of a rate being ten seconds long', async () => {
      const store = await openStore(await freshUrl())
      const dispatcher = dispatcherOf(store, { chunkSize: 40 })
      const { push } = await dispatcher.submit(request({ audience: { tokens: tokens(100) } }))
      expect(push).toMatchObject({ state: 'queued', planning: false, audience: { tokens: 100 } })
      expect(push.counts).toMatchObject({ planned: 100, remaining: 100 })
      expect(await chunksOf(store, push)).toEqual([tokens(40), tokens(40, 40), tokens(20, 80)])
      const rated = await dispatcher.submit(request({ audience: { tokens: tokens(25) }, rate: 1 }))
      expect((await chunksOf(store, rated.push)).map((chunk) => chunk.length)).toEqual([10, 10, 5])
    })

    test('with more devices than it may have is refused, and nothing is stored', async () => {
      const store = await openStore(await freshUrl())
      const dispatcher = dispatcherOf(store)
      await register(store, tokens(3))
      await expect(dispatcher.submit(request({ maxAudience: 2 }))).rejects.toMatchObject({ code: 'audience-too-large' })
      const toTokens = { audience: { tokens: tokens(3) }, maxAudience: 2 }
      await expect(dispatcher.submit(request(toTokens))).rejects.toMatchObject({ code: 'audience-too-large' })
      expect((await dispatcher.list()).data).toEqual([])
    })
  })

  describe('an idempotency key', () => {
    const key = { idempotencyKey: 'a-key', apiKey: 'key_1' }

    test('used again with the same content answers the first push, whatever order its keys have', async () => {
      const dispatcher = dispatcherOf(await openStore(await freshUrl()))
      const first = await dispatcher.submit(request({ payload: { aps: { alert: 'Hi' }, a: 1, b: 2 } }), key)
      const again = await dispatcher.submit(request({ payload: { b: 2, a: 1, aps: { alert: 'Hi' } } }), key)
      expect(again).toMatchObject({ replayed: true, push: { id: first.push.id } })
      expect((await dispatcher.list()).data.length).toBe(1)
    })

    test('used again with other content is refused; another API key has its own', async () => {
      const dispatcher = dispatcherOf(await openStore(await freshUrl()))
      await dispatcher.submit(request(), key)
      await expect(dispatcher.submit(request({ priority: 5 }), key)).rejects.toMatchObject({
        code: 'idempotency-mismatch',
      })
      const other = await dispatcher.submit(request({ priority: 5 }), { ...key, apiKey: 'key_2' })
      expect(other.replayed).toBe(false)
    })

    test('used by many at once makes one push', async () => {
      const dispatcher = dispatcherOf(await openStore(await freshUrl()))
      const all = await Promise.all(Array.from({ length: 8 }, () => dispatcher.submit(request(), key)))
      expect(new Set(all.map(({ push }) => push.id)).size).toBe(1)
      expect(all.filter(({ replayed }) => !replayed).length).toBe(1)
    })

    test('is forgotten after a day', async () => {
      const store = await openStore(await freshUrl())
      const dispatcher = dispatcherOf(store)
      const first = await dispatcher.submit(request(), key)
      await store.database.execute('UPDATE idempotency_key SET created_at = created_at - 86400001')
      const second = await dispatcher.submit(request({ priority: 5 }), key)
      expect(second.push.id).not.toBe(first.push.id)
      await store.database.execute('UPDATE idempotency_key SET created_at = created_at - 86400001')
      await sweep(store.database, store, 1e9, NEVER)
      expect(await store.database.query('SELECT * FROM idempotency_key')).toEqual([])
    })

    test('has 1 to 255 characters', async () => {
      const dispatcher = dispatcherOf(await openStore(await freshUrl()))
      for (const idempotencyKey of ['', ' a', 'x'.repeat(256), 'ä'])
        await expect(dispatcher.submit(request(), { idempotencyKey })).rejects.toMatchObject({ code: 'invalid-push' })
      await dispatcher.submit(request(), { idempotencyKey: 'x'.repeat(255) })
    })
  })

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
      await setState(store, push, state('running'))
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

    test('that fails, or whose process dies, leaves what was stored to be sent', async () => {
      const store = await openStore(await freshUrl())
      const dispatcher = dispatcherOf(store)
      const failed = await dispatcher.submit(request({ audience: { stream: failing() } }))
      await expect(failed.streamed).rejects.toThrow('the pipe broke')
      expect(await dispatcher.get(failed.push.id)).toMatchObject({ planning: false, counts: { planned: 3 } })
      const { push } = await dispatcher.submit(request({ audience: { stream: endless() } }))
      await store.database.execute('UPDATE push SET plan_owner = 1, plan_until = 1 WHERE number = ?', [push.number])
      expect(await planWhole(store, push)).toBe(true)
      expect(await dispatcher.get(push.id)).toMatchObject({ planning: false })
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
            await delay(1)
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
      async function* stream() {
        yield tokens(3)
        yield ['no token']
      }
      const { push, streamed } = await dispatcher.submit(request({ audience: { stream: stream() } }))
      await expect(streamed).rejects.toMatchObject({ code: 'invalid-device-token' })
      expect((await chunksOf(store, push)).flat()).toEqual(tokens(3))
    })
  })

  describe('the schedule', () => {
    test('begins a push when its time comes', async () => {
      const store = await openStore(await freshUrl())
      const dispatcher = dispatcherOf(store)
      const { push } = await dispatcher.submit(request({ sendAt: inFuture(), expiration: '1h' }))
      const due = await dispatcher.submit(request())
      dispatcher.start()
      await until(async () => (await dispatcher.get(due.push.id)).state === 'completed')
      expect((await dispatcher.get(push.id)).state).toBe('scheduled')
      await store.database.execute('UPDATE push SET send_at = ? WHERE number = ?', [Date.now() - 1, push.number])
      await until(async () => (await dispatcher.get(push.id)).state === 'completed')
    })
  })

  describe('commands', () => {
    test('pause, resume and cancel from every state that has them; else they are conflicts', async () => {
      const store = await openStore(await freshUrl())
      const dispatcher = dispatcherOf(store)
      for (const before of ['scheduled', 'queued', 'running'] as const) {
        const { push } = await dispatcher.submit(request({ sendAt: inFuture() }))
        await setState(store, push, state(before))
        expect(await dispatcher.pause(push.id)).toMatchObject({ state: 'paused', pausedBecause: 'operator' })
        expect(await dispatcher.pause(push.id)).toMatchObject({ state: 'paused', pausedBecause: 'operator' })
        expect(await dispatcher.resume(push.id)).toMatchObject({ state: before, pausedBecause: null })
        expect(await dispatcher.cancel(push.id)).toMatchObject({ state: 'canceled', completedAt: null })
        expect(await dispatcher.cancel(push.id)).toMatchObject({ state: 'canceled' })
        const conflict = { code: 'state-conflict' }
        await expect(dispatcher.pause(push.id)).rejects.toMatchObject(conflict)
        await expect(dispatcher.resume(push.id)).rejects.toMatchObject(conflict)
        await expect(dispatcher.setRate(push.id, 5)).rejects.toMatchObject(conflict)
      }
      const scheduled = await dispatcher.submit(request({ sendAt: inFuture() }))
      await expect(dispatcher.resume(scheduled.push.id)).rejects.toMatchObject({ code: 'state-conflict' })
    })

    test('know only pushes that there are', async () => {
      const dispatcher = dispatcherOf(await openStore(await freshUrl()))
      const unknown = { code: 'unknown-push' }
      for (const command of ['get', 'pause', 'resume', 'cancel', 'notifications'] as const)
        await expect(dispatcher[command]('psh_1')).rejects.toMatchObject(unknown)
      await expect(dispatcher.setRate('psh_1', 5)).rejects.toMatchObject(unknown)
      await expect(dispatcher.watch('psh_1').next()).rejects.toMatchObject(unknown)
    })

    test('change the rate, which is a whole number or none', async () => {
      const store = await openStore(await freshUrl())
      const dispatcher = dispatcherOf(store)
      const { push } = await dispatcher.submit(request({ rate: 10 }))
      expect((await dispatcher.setRate(push.id, 20)).rate).toBe(20)
      await store.database.execute('UPDATE push SET next_at = 99')
      expect((await dispatcher.setRate(push.id, null)).rate).toBe(null)
      expect(await store.database.query('SELECT next_at FROM push')).toEqual([{ next_at: 0 }])
      for (const rate of [0, -1, 1.5, Number.NaN])
        await expect(dispatcher.setRate(push.id, rate)).rejects.toMatchObject({ code: 'invalid-push' })
    })

    test('resuming takes away what has paused it', async () => {
      const store = await openStore(await freshUrl())
      const dispatcher = dispatcherOf(store)
      const { push } = await dispatcher.submit(request({ audience: { tokens: tokens(3) } }))
      const { database } = store
      const pauseFor = (because: number) =>
        database.execute('UPDATE push SET state = 3, paused_from = 2, paused_because = ?', [because])
      await database.execute('UPDATE chunk SET leases = 5')
      await pauseFor(5)
      await dispatcher.resume(push.id)
      expect(await database.query('SELECT leases FROM chunk')).toEqual([{ leases: 0 }])
      expect(await database.query('SELECT mismatch_off FROM push')).toEqual([{ mismatch_off: 0 }])
      await pauseFor(3)
      await dispatcher.resume(push.id)
      expect(await database.query('SELECT mismatch_off FROM push')).toEqual([{ mismatch_off: 1 }])
    })
  })

  describe('reports', () => {
    test('list pushes newest first, page by page, by state and by app', async () => {
      const store = await openStore(await freshUrl())
      const dispatcher = dispatcherOf(store)
      const ids: string[] = []
      for (let n = 0; n < 5; n++) ids.unshift((await dispatcher.submit(request())).push.id)
      const other = await dispatcher.submit(request({ app: 'com.example.other' }))
      await dispatcher.cancel(ids[1] as string)
      const seen: string[] = []
      for (let cursor: string | null | undefined; cursor !== null;) {
        const page = await dispatcher.list({ app: APP, limit: 2, ...(cursor !== undefined && { cursor }) })
        seen.push(...page.data.map(({ id }) => id))
        cursor = page.nextCursor
      }
      expect(seen).toEqual(ids)
      expect((await dispatcher.list()).data.map(({ id }) => id)).toEqual([other.push.id, ...ids])
      expect((await dispatcher.list({ state: 'canceled' })).data.map(({ id }) => id)).toEqual([ids[1]])
      await expect(dispatcher.list({ cursor: 'no cursor' })).rejects.toMatchObject({ code: 'invalid-cursor' })
    })

    test('watch a push through its changes to its end', async () => {
      const store = await openStore(await freshUrl())
      const dispatcher = dispatcherOf(store)
      const { push } = await dispatcher.submit(request({ sendAt: inFuture() }))
      const states: string[] = []
      for await (const each of dispatcher.watch(push.id)) {
        states.push(each.state)
        if (each.state === 'scheduled') await dispatcher.pause(push.id)
        if (each.state === 'paused') await dispatcher.cancel(push.id)
      }
      expect(states).toEqual(['scheduled', 'paused', 'canceled'])
      const aborted = new AbortController()
      const watched = await dispatcher.submit(request({ sendAt: inFuture() }))
      for await (const _ of dispatcher.watch(watched.push.id, aborted.signal)) aborted.abort()
    })

    test('tell what became of every notification, and find one by its id and by its token', async () => {
      const store = await openStore(await freshUrl())
      await register(store, tokens(25))
      const dispatcher = dispatcherOf(store)
      const { push } = await dispatcher.submit(request())
      await planWhole(store, push, 10)
      await settle(
        store,
        push,
        1,
        Array.from({ length: 10 }, (_, n) => (n === 3 ? UNREGISTERED : ACCEPTED)),
      )
      await settle(
        store,
        push,
        2,
        Array.from({ length: 10 }, (_, n) => (n === 3 ? BAD : n === 4 ? 0 : ACCEPTED)),
      )
      await store.delete(APP, token(3), 'unregistered', { push: push.id })
      expect(await dispatcher.get(push.id)).toMatchObject({
        counts: { planned: 25, accepted: 17, rejected: 1, unregistered: 1, unconfirmed: 0, remaining: 6 },
        reasons: { Unregistered: 1, BadDeviceToken: 1 },
      })

      const all = []
      for (let cursor: string | null | undefined; cursor !== null;) {
        const page = await dispatcher.notifications(push.id, { limit: 4, ...(cursor !== undefined && { cursor }) })
        all.push(...page.data)
        cursor = page.nextCursor
      }
      expect(all.map((each) => each.token)).toEqual(tokens(20).filter((_, n) => n !== 14))
      expect(new Set(all.map(({ id }) => id)).size).toBe(19)
      const dead = {
        id: notificationId(push, token(3)),
        push: push.id,
        token: token(3),
        outcome: 'unregistered',
        reason: 'Unregistered',
        since: expect.any(Date),
      }
      expect(all[3]).toMatchObject(dead)
      const only = async (options: Parameters<Dispatcher['notifications']>[1]) =>
        (await dispatcher.notifications(push.id, options)).data.map((each) => each.token)
      expect(await only({ outcome: 'unregistered' })).toEqual([token(3)])
      expect(await only({ reason: 'BadDeviceToken' })).toEqual([token(13)])
      expect(await only({ outcome: 'accepted', reason: 'BadDeviceToken' })).toEqual([])
      expect(await only({ reason: 'NeverHeardOf' })).toEqual([])

      expect(await dispatcher.notification(notificationId(push, token(3)))).toMatchObject(dead)
      expect(await dispatcher.notification(notificationId(push, token(24)))).toMatchObject({ outcome: null })
      expect(await dispatcher.notification(notificationId(push, token(99)))).toBeUndefined()
      expect(await dispatcher.notification('not an id')).toBeUndefined()

      const explicit = await dispatcher.submit(request({ audience: { tokens: [token(3)] } }))
      await settle(store, explicit.push, 1, [BAD])
      expect((await dispatcher.lastNotifications(APP, token(3))).map((each) => [each.push, each.outcome])).toEqual([
        [explicit.push.id, 'rejected'],
        [push.id, 'unregistered'],
      ])
      expect((await dispatcher.lastNotifications(APP, token(3), 1)).length).toBe(1)
    })

    test('keep their sums when chunks and records are swept up', async () => {
      const store = await openStore(await freshUrl())
      await register(store, tokens(1200))
      const dispatcher = dispatcherOf(store)
      const { push } = await dispatcher.submit(request())
      await planWhole(store, push, 10)
      for (const seq of [1, 2, 60, 120])
        await settle(
          store,
          push,
          seq,
          Array.from({ length: 10 }, (_, n) => [ACCEPTED, BAD, UNREGISTERED, 0][n % 4] as number),
        )
      await dispatcher.cancel(push.id)
      const before = await dispatcher.get(push.id)
      await sweep(store.database, store, 60_000, NEVER)
      expect((await chunksOf(store, push)).length).toBe(120)
      await store.database.execute('UPDATE push SET ended_at = ended_at - 60001')
      await store.delete(APP, token(1))
      await sweep(store.database, store, 60_000, NEVER)
      expect(await chunksOf(store, push)).toEqual([])
      expect(await dispatcher.get(push.id)).toEqual(before)
      expect(before.counts).toMatchObject({
        planned: 1200,
        accepted: 12,
        rejected: 12,
        unregistered: 8,
        remaining: 1168,
      })
      expect((await dispatcher.notifications(push.id)).data).toEqual([])
      expect(await store.tombstone(APP, token(1))).toBeDefined()
    })
  })

  test('a change of state and rate happens whole or not at all', async () => {
    const dispatcher = dispatcherOf(await openStore(await freshUrl()))
    const { push } = await dispatcher.submit(request({ sendAt: inFuture() }))
    // It is not paused, so that it cannot go on: its rate stays as it was.
    await expect(dispatcher.change(push.id, { state: 'running', rate: 7 })).rejects.toMatchObject({
      code: 'state-conflict',
    })
    expect(await dispatcher.get(push.id)).toMatchObject({ state: 'scheduled', rate: null })
    expect(await dispatcher.change(push.id, { state: 'paused', rate: 7 })).toMatchObject({ state: 'paused', rate: 7 })
    await expect(dispatcher.change(push.id, { rate: 0 })).rejects.toMatchObject({ code: 'invalid-push' })
    const canceled = await dispatcher.change(push.id, { state: 'canceled', rate: null })
    expect(canceled).toMatchObject({ state: 'canceled', rate: null })
    await expect(dispatcher.change(push.id, { rate: 1 })).rejects.toMatchObject({ code: 'state-conflict' })
  })

  test('what an idempotency key has stored is found without storing anything', async () => {
    const dispatcher = dispatcherOf(await openStore(await freshUrl()))
    const value = request({ sendAt: inFuture() })
    const keyed = { idempotencyKey: 'k' }
    expect(await dispatcher.replay(value, keyed)).toBeUndefined()
    expect((await dispatcher.list()).data).toEqual([])
    const { push } = await dispatcher.submit(value, keyed)
    expect(await dispatcher.replay(value, keyed)).toEqual(push)
    expect(await dispatcher.replay(value, {})).toBeUndefined()
    await expect(dispatcher.replay(request({ badge: 1 }), keyed)).rejects.toMatchObject({
      code: 'idempotency-mismatch',
    })
  })

  test('a preview tells whom it would reach and what would be sent, and keeps nothing', async () => {
    const store = await openStore(await freshUrl())
    await register(store, tokens(7))
    const dispatcher = dispatcherOf(store)
    const value = request({ badge: 'increment', collapseId: 'sale', expiration: 0, payload: { aps: { sound: 'x' } } })
    expect(await dispatcher.preview(value, 'provider-api')).toEqual({
      count: 7,
      payloadBytes: Buffer.byteLength('{"aps":{"badge":1234567890,"sound":"x"}}'),
      headers: {
        'apns-topic': APP,
        'apns-push-type': 'alert',
        'apns-priority': '10',
        'apns-expiration': '0',
        'apns-collapse-id': 'sale',
      },
      payload: { aps: { sound: 'x' } },
      sample: [0, 1, 2, 3, 4].map((n) => `000000…000${n}`),
      warnings: [],
    })
    await expect(dispatcher.preview(request({ maxAudience: 3 }), 'gateway')).rejects.toMatchObject({
      code: 'audience-too-large',
    })
    expect((await dispatcher.list()).data).toEqual([])
  })
})

function inFuture(): string {
  return new Date(Date.now() + 3_600_000).toISOString()
}

async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await delay(20)
}

async function* failing() {
  yield tokens(3)
  throw new Error('the pipe broke')
}

async function* endless() {
  yield tokens(3)
  await new Promise(() => undefined)
}
