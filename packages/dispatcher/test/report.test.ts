import type { DeviceStore } from '@lhspn/device-store'
import { describe, expect, test } from 'vitest'

import type { Dispatcher } from '../src/dispatcher.ts'
import { notificationId } from '../src/notification-id.ts'
import { ACCEPTED, codeOf } from '../src/outcome-code.ts'
import type { StoredPush } from '../src/push.ts'
import { watchPush } from '../src/report.ts'
import { sweep } from '../src/retention.ts'
import { ENGINES, openStore } from './engines.ts'
import { flaky } from './flaky-database.ts'
import { APP, chunksOf, dispatcherOf, inFuture, NEVER, planWhole, register, request, token, tokens } from './stored.ts'

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

describe.for(ENGINES)('on $engine', ({ freshUrl }) => {
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

    test('watch a push whose database is away now and then, from the first look on', async () => {
      const store = await openStore(await freshUrl())
      const { push } = await dispatcherOf(store).submit(request({ sendAt: inFuture() }))
      let looks = 0
      const isAway = (): 'before' | undefined => (++looks <= 2 || looks === 5 ? 'before' : undefined)
      const watched = watchPush(flaky(store.database, isAway), push.id)
      expect((await watched.next()).value).toEqual(push)
      await dispatcherOf(store).cancel(push.id)
      expect((await watched.next()).value).toMatchObject({ state: 'canceled' })
      expect(looks).toBeGreaterThan(5)
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

    test('tell since when a device is gone, also of explicit tokens, but only where this push removed it', async () => {
      const store = await openStore(await freshUrl())
      const list = tokens(4)
      await register(store, list)
      const dispatcher = dispatcherOf(store)
      await store.delete(APP, token(2), 'unregistered', { push: 'psh_another' })
      const { push } = await dispatcher.submit(request({ audience: { tokens: list } }))
      await settle(store, push, 1, [UNREGISTERED, UNREGISTERED, UNREGISTERED, ACCEPTED])
      for (const gone of [token(0), token(1)]) await store.delete(APP, gone, 'unregistered', { push: push.id })
      const since = (await store.tombstone(APP, token(0)))?.at
      // registered again, and once more removed by somebody else
      await register(store, [token(1)])
      await store.delete(APP, token(1))
      await register(store, [token(1)])
      const { data } = await dispatcher.notifications(push.id)
      expect(data.map((each) => each.since)).toEqual([since, expect.any(Date), undefined, undefined])
      expect((await dispatcher.notification(notificationId(push, token(0))))?.since).toEqual(since)
      expect((await dispatcher.lastNotifications(APP, token(0))).map((each) => each.since)).toEqual([since])
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
})
