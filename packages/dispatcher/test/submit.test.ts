import { describe, expect, test } from 'vitest'

import { sweep } from '../src/retention.ts'
import { ENGINES, openStore } from './engines.ts'
import { APP, chunksOf, dispatcherOf, inFuture, NEVER, register, request, tokens } from './stored.ts'

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
