import { describe, expect, test } from 'vitest'

import { type DeviceStore, type Filter } from '../src/index.ts'
import { ENGINES, openStore } from './engines.ts'

const APP = 'com.example.app'
const token = (n: number) => n.toString(16).padStart(64, '0')

async function all(store: DeviceStore, query: Partial<Parameters<DeviceStore['find']>[0]> = {}): Promise<string[]> {
  const tokens: string[] = []
  for await (const devices of store.find({ app: APP, ...query })) tokens.push(...devices.map((device) => device.token))
  return tokens
}

describe.for(ENGINES)('on $engine', ({ freshUrl }) => {
  test('a device is saved and read as it was told, with what was left out by default', async () => {
    const store = await openStore(await freshUrl(), { now: () => 1_700_000_000_123 })
    const at = new Date(1_700_000_000_123)
    const expected = {
      app: APP,
      token: token(1),
      environment: 'production',
      platform: 'ios',
      osVersion: '',
      badge: 0,
      attributes: { age: 31, beta: true, plan: 'pro' },
      refused: null,
      createdAt: at,
      updatedAt: at,
    }
    const [saved] = await store.save([{ app: APP, token: token(1), attributes: { plan: 'pro', age: 31, beta: true } }])
    expect(saved).toEqual({ token: token(1), created: true, changed: true, stale: false, device: expected })
    expect(await store.get(APP, token(1))).toEqual(expected)
    expect(await store.get('com.example.other', token(1))).toBeUndefined()
    expect(await store.count({ app: APP })).toBe(1)
  })

  test('a second registration changes what it tells and keeps the rest', async () => {
    let now = 1000
    const store = await openStore(await freshUrl(), { now: () => now })
    await store.save([{ app: APP, token: token(1), badge: 3, osVersion: '17', attributes: { plan: 'pro' } }])
    now = 2000
    const [same] = await store.save([{ app: APP, token: token(1) }])
    expect(same).toMatchObject({ created: false, changed: false, stale: false })
    expect(same?.device).toMatchObject({
      badge: 3,
      attributes: { plan: 'pro' },
      createdAt: new Date(1000),
      updatedAt: new Date(2000),
    })
    const [moved] = await store.save([
      { app: APP, token: token(1), environment: 'sandbox', attributes: { lang: 'de' } },
    ])
    expect(moved).toMatchObject({ created: false, changed: true })
    expect(await store.get(APP, token(1))).toEqual(moved?.device)
    expect(await all(store, { filter: ['plan', 'pro'] })).toEqual([])
    expect(await all(store, { filter: ['lang', 'de'], environment: 'sandbox' })).toEqual([token(1)])
    expect(await all(store, { filter: ['lang', 'de'], environment: 'production' })).toEqual([])
  })

  test('filters join pairs, and compare values by type', async () => {
    const store = await openStore(await freshUrl())
    await store.save([
      { app: APP, token: token(1), attributes: { plan: 'pro', n: 1 } },
      { app: APP, token: token(2), attributes: { plan: 'pro', n: '1' } },
      { app: APP, token: token(3), attributes: { plan: 'free', n: true } },
      { app: APP, token: token(4) },
      { app: 'com.example.other', token: token(1), attributes: { plan: 'pro', n: 1 } },
    ])
    const table: [Filter, number[]][] = [
      [
        ['plan', 'pro'],
        [1, 2],
      ],
      [['n', 1], [1]],
      [['n', '1'], [2]],
      [['n', true], [3]],
      [
        {
          any: [
            ['plan', 'free'],
            ['n', 1],
          ],
        },
        [1, 3],
      ],
      [
        {
          all: [
            ['plan', 'pro'],
            ['n', '1'],
          ],
        },
        [2],
      ],
      [{ not: ['plan', 'pro'] }, [3, 4]],
      [{ all: [['plan', 'pro'], { not: ['n', 1] }] }, [2]],
      [{ any: [{ not: ['plan', 'pro'] }, ['n', 1]] }, [1, 3, 4]],
      [['plan', 'PRO'], []],
    ]
    const found = []
    for (const [filter] of table)
      found.push({ filter, tokens: await all(store, { filter }), count: await store.count({ app: APP, filter }) })
    expect(found).toEqual(
      table.map(([filter, numbers]) => ({ filter, tokens: numbers.map(token), count: numbers.length })),
    )
  })

  test('badges count up once each, and unknown tokens have 1', async () => {
    const store = await openStore(await freshUrl())
    await store.save([
      { app: APP, token: token(1), badge: 4 },
      { app: APP, token: token(2) },
    ])
    expect(await store.incrementBadge(APP, [token(2), token(9), token(1), token(1)])).toEqual([1, 1, 5, 5])
    await store.resetBadge(APP, [token(1)])
    expect((await store.getMany(APP, [token(1), token(2)])).map((device) => device?.badge)).toEqual([0, 1])
  })

  test('feedback removes what has not registered since', async () => {
    let now = 10_000
    const store = await openStore(await freshUrl(), { now: () => now })
    await store.save([1, 2, 3].map((n) => ({ app: APP, token: token(n), attributes: { n } })))
    now = 20_001
    await store.save([{ app: APP, token: token(2) }])
    const removed = await store.removeByFeedback(
      APP,
      'production',
      [1, 2, 9].map((n) => ({ token: token(n), at: 20 })),
    )
    expect(removed).toEqual([token(1)])
    expect(await all(store)).toEqual([token(2), token(3)])
    expect(await all(store, { filter: ['n', 1] })).toEqual([])
    expect(await store.tombstone(APP, token(1))).toEqual({ at: new Date(20_001), cause: 'feedback', push: null })
    expect(await store.removeByFeedback(APP, 'sandbox', [{ token: token(3), at: 99 }])).toEqual([])
  })

  test('a refused device is skipped by audiences until it registers again', async () => {
    const store = await openStore(await freshUrl(), { now: () => 5000 })
    await store.save([
      { app: APP, token: token(1), attributes: { a: 1 } },
      { app: APP, token: token(2), attributes: { a: 1 } },
      { app: APP, token: token(3), attributes: { a: 1 }, platform: 'android' },
    ])
    const tokens = async (filter?: Filter) => {
      const found: string[] = []
      for await (const page of store.findTokens({ app: APP, environment: 'production', filter }))
        found.push(...page.map((each) => each.token))
      return found
    }
    expect(await store.refuse(APP, 'production', [{ token: token(1), reason: 'BadDeviceToken', push: 'psh_1' }])).toBe(
      1,
    )
    expect(await tokens()).toEqual([token(2)])
    expect(await tokens(['a', 1])).toEqual([token(2)])
    expect((await store.get(APP, token(1)))?.refused).toEqual({
      reason: 'BadDeviceToken',
      at: new Date(5000),
      push: 'psh_1',
    })
    expect(await all(store, { refused: true })).toEqual([token(1)])
    expect(await store.count({ app: APP, refused: false })).toBe(2)
    await store.save([{ app: APP, token: token(1) }])
    expect(await tokens()).toEqual([token(1), token(2)])
  })
})
