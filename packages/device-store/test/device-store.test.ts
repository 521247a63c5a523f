import { openDatabase } from '@lhspn/database'
import { describe, expect, onTestFinished, test } from 'vitest'

import { type Filter, openDeviceStore, type Registration } from '../src/index.ts'
import { ENGINES, openStore } from './engines.ts'
import { APP, audienceOf, expectPairsMatch, token, tokensOf } from './fixtures.ts'

const OTHER_APP = 'com.example.other'

/** A registration that happened `ms` after 1970. */
const at = (ms: number, osVersion: string): Registration => ({
  app: APP,
  token: token(1),
  osVersion,
  updatedAt: new Date(ms),
})

describe.for(ENGINES)('on $engine', ({ freshUrl }) => {
  test('a device is saved and read as it was told, with what was left out by default', async () => {
    const store = await openStore(await freshUrl(), { now: () => 1_700_000_000_123 })
    const time = new Date(1_700_000_000_123)
    const device = {
      app: APP,
      token: token(1),
      environment: 'production',
      platform: 'ios',
      osVersion: '',
      badge: 0,
      attributes: { age: 31, beta: true, plan: 'pro' },
      refused: null,
      createdAt: time,
      updatedAt: time,
    }
    const saved = await store.save([{ app: APP, token: token(1), attributes: { plan: 'pro', age: 31, beta: true } }])
    expect(saved).toEqual([{ token: token(1), created: true, changed: true, stale: false, device }])
    expect(await store.get(APP, token(1).toUpperCase())).toEqual(device)
    expect(await store.get(OTHER_APP, token(1))).toBeUndefined()
    expect(await store.count({ app: APP })).toBe(1)
  })

  test('a second registration changes what it tells and keeps the rest', async () => {
    let now = 1000
    const store = await openStore(await freshUrl(), { now: () => now })
    await store.save([{ app: APP, token: token(1), badge: 3, osVersion: '17', attributes: { plan: 'pro' } }])
    now = 2000
    const [same] = await store.save([{ app: APP, token: token(1) }])
    expect(same).toMatchObject({ created: false, changed: false, stale: false })
    expect(same?.device).toMatchObject({ badge: 3, osVersion: '17', attributes: { plan: 'pro' } })
    expect(same?.device).toMatchObject({ createdAt: new Date(1000), updatedAt: new Date(2000) })
    const [badge] = await store.save([{ app: APP, token: token(1), badge: 0 }])
    expect(badge).toMatchObject({ changed: false, device: { badge: 0 } })
    const [moved] = await store.save([
      { app: APP, token: token(1), environment: 'sandbox', attributes: { lang: 'de' } },
    ])
    expect(moved).toMatchObject({ created: false, changed: true })
    expect(await store.get(APP, token(1))).toEqual(moved?.device)
    expect(await tokensOf(store, { filter: ['plan', 'pro'] })).toEqual([])
    expect(await tokensOf(store, { filter: ['lang', 'de'], environment: 'sandbox' })).toEqual([token(1)])
    expect(await tokensOf(store, { filter: ['lang', 'de'], environment: 'production' })).toEqual([])
    await expectPairsMatch(store)
  })

  test('a token belongs to its app', async () => {
    const store = await openStore(await freshUrl())
    await store.save([APP, OTHER_APP].map((app, n) => ({ app, token: token(1), attributes: { n } })))
    expect(await store.delete(OTHER_APP, token(1))).toBe(true)
    expect(await store.get(APP, token(1))).toMatchObject({ app: APP, attributes: { n: 0 } })
    expect(await store.tombstone(APP, token(1))).toBeUndefined()
  })

  test('the clock of another machine that is behind never moves a registration back', async () => {
    let now = 5000
    const store = await openStore(await freshUrl(), { now: () => now })
    await store.save([{ app: APP, token: token(1) }])
    now = 4000
    const [saved] = await store.save([{ app: APP, token: token(1), osVersion: '18' }])
    expect(saved).toMatchObject({ stale: false, device: { osVersion: '18', updatedAt: new Date(5000) } })
  })

  test('an import keeps the time it is given, and what is older changes nothing', async () => {
    const store = await openStore(await freshUrl(), { now: () => 10_000 })
    const told = async (registration: Registration, onlyNewer = false) => {
      const [saved] = await store.save([registration], { onlyNewer })
      return [saved?.stale, saved?.device.osVersion, saved?.device.updatedAt.getTime()]
    }
    expect(await told({ ...at(3000, 'a'), createdAt: new Date(2000) })).toEqual([false, 'a', 3000])
    expect((await store.get(APP, token(1)))?.createdAt).toEqual(new Date(2000))
    expect(await told(at(2999, 'b'))).toEqual([true, 'a', 3000])
    expect(await told(at(3000, 'c'), true)).toEqual([true, 'a', 3000])
    expect(await told(at(3000, 'd'))).toEqual([false, 'd', 3000])
    expect(await told(at(99_000, 'e'))).toEqual([false, 'e', 10_000])
    expect(await told(at(0, 'f'))).toEqual([true, 'e', 10_000])
  })

  test('an import as old as what is stored is no new registration: a refusal stays, until a newer one comes', async () => {
    const store = await openStore(await freshUrl(), { now: () => 10_000 })
    await store.save([at(3000, 'a')])
    await store.refuse(APP, 'production', [{ token: token(1), reason: 'InvalidToken' }])
    await store.save([at(3000, 'b')])
    expect(await store.get(APP, token(1))).toMatchObject({ osVersion: 'b', refused: { reason: 'InvalidToken' } })
    expect(await store.count({ app: APP, refused: true })).toBe(1)
    await store.save([at(3001, 'c')])
    expect(await store.get(APP, token(1))).toMatchObject({ osVersion: 'c', refused: null })
    expect(await store.count({ app: APP, refused: false })).toBe(1)
  })

  test('a token that comes twice in a call is registered twice, in that order', async () => {
    const store = await openStore(await freshUrl())
    const twice = await store.save([
      { app: APP, token: token(2), attributes: { n: 1 } },
      { app: APP, token: token(1) },
      { app: APP, token: token(2), osVersion: '18', attributes: { n: 2 } },
    ])
    expect(twice.map((saved) => [saved.token, saved.created, saved.device.attributes])).toEqual([
      [token(2), true, { n: 1 }],
      [token(1), true, {}],
      [token(2), false, { n: 2 }],
    ])
    expect(await store.get(APP, token(2))).toEqual(twice[2]?.device)
    await expectPairsMatch(store)
  })

  test('attributes that a registration has no say over stay as they are', async () => {
    const store = await openStore(await freshUrl())
    const keepAttributes = ['userId']
    await store.save([{ app: APP, token: token(1), attributes: { userId: 'stolen', plan: 'free' } }], {
      keepAttributes,
    })
    expect((await store.get(APP, token(1)))?.attributes).toEqual({ plan: 'free' })
    await store.save([{ app: APP, token: token(1), attributes: { userId: '42' } }])
    await store.save([{ app: APP, token: token(1), attributes: { plan: 'pro' } }], { keepAttributes })
    await store.save([{ app: APP, token: token(1), attributes: { userId: '43', plan: 'x' } }], { keepAttributes })
    expect((await store.get(APP, token(1)))?.attributes).toEqual({ plan: 'x', userId: '42' })
    await expectPairsMatch(store)
  })

  test('registrations that are not valid are refused together, and nothing is stored', async () => {
    const store = await openStore(await freshUrl())
    const wrong = store.save([
      { app: APP, token: token(1) },
      { app: APP, token: 'q80=', badge: -1 },
    ])
    await expect(wrong).rejects.toMatchObject({
      code: 'invalid-registration',
      faults: [{ pointer: '/1/token' }, { pointer: '/1/badge' }],
    })
    expect(await store.count({ app: APP })).toBe(0)
  })

  test('what people write is stored to the letter', async () => {
    const store = await openStore(await freshUrl())
    const attributes = JSON.parse(
      `{"__proto__":"x","constructor":true,"sql":"'; DROP TABLE device; --","quote":"\\"\\\\","nul":"a\\u0000b",
       "emoji":"🏳️‍🌈","space ":" x ","big":1e308,"small":5e-324,"neg":-1.5,"zero":0,"ümlaut":"ß"}`,
    ) as Record<string, string>
    await store.save([{ app: APP, token: token(1), osVersion: "18' OR '1'='1", attributes }])
    const device = await store.get(APP, token(1))
    expect(new Map(Object.entries(device?.attributes ?? {}))).toEqual(new Map(Object.entries(attributes)))
    expect(device?.osVersion).toBe("18' OR '1'='1")
    for (const pair of Object.entries(attributes)) expect(await tokensOf(store, { filter: pair })).toEqual([token(1)])
    for (const filter of [
      ['sql', "'; drop table device; --"],
      ['space', ' x '],
      ['space ', ' x'],
      ['zero', '0'],
      ['zero', false],
    ] as const)
      expect(await tokensOf(store, { filter })).toEqual([])
  })

  test('devices are changed without being registered', async () => {
    let now = 1000
    const store = await openStore(await freshUrl(), { now: () => now })
    await store.save([{ app: APP, token: token(1), attributes: { a: 1, b: 'x' } }])
    await store.refuse(APP, 'production', [{ token: token(1), reason: 'BadDeviceToken' }])
    now = 2000
    const changed = await store.update(APP, token(1), {
      attributes: { a: null, c: true },
      badge: { increment: 2 },
      platform: 'iPadOS',
      osVersion: '18',
    })
    expect(changed).toMatchObject({
      attributes: { b: 'x', c: true },
      badge: 2,
      platform: 'ipados',
      osVersion: '18',
      refused: { reason: 'BadDeviceToken', push: null },
      updatedAt: new Date(1000),
    })
    expect(await store.get(APP, token(1))).toEqual(changed)
    expect(await store.update(APP, token(1), { refused: null, badge: 7 })).toMatchObject({ refused: null, badge: 7 })
    expect(await store.update(APP, token(1), { badge: { increment: -9 } })).toMatchObject({ badge: 0 })
    expect(await store.update(APP, token(1), { badge: 2_147_483_647 })).toMatchObject({ badge: 2_147_483_647 })
    expect(await store.update(APP, token(1), { badge: { increment: 1 } })).toMatchObject({ badge: 2_147_483_647 })
    expect(await store.update(APP, token(1), { environment: 'sandbox' })).toMatchObject({ environment: 'sandbox' })
    expect(await store.update(APP, token(2), { badge: 1 })).toBeUndefined()
    expect(await tokensOf(store, { filter: ['c', true] })).toEqual([token(1)])
    await expectPairsMatch(store)
    const many = Object.fromEntries(Array.from({ length: 49 }, (_, n) => [`k${n}`, n]))
    await expect(store.update(APP, token(1), { attributes: many })).rejects.toMatchObject({
      code: 'invalid-attributes',
    })
    expect(await store.get(APP, token(1))).toMatchObject({ attributes: { b: 'x', c: true } })
  })

  test('a deleted device leaves a tombstone until it comes back', async () => {
    const store = await openStore(await freshUrl(), { now: () => 3000 })
    await store.save([{ app: APP, token: token(1), attributes: { a: 1 } }])
    expect(await store.delete(APP, token(1))).toBe(true)
    expect(await store.delete(APP, token(1))).toBe(false)
    expect(await store.get(APP, token(1))).toBeUndefined()
    expect(await store.tombstone(APP, token(1))).toEqual({ at: new Date(3000), cause: 'request', push: null })
    const [again] = await store.save([{ app: APP, token: token(1) }])
    expect(again).toMatchObject({ created: true, device: { attributes: {} } })
    expect(await store.tombstone(APP, token(1))).toBeUndefined()
    await store.delete(APP, token(1), 'unregistered', { push: 'psh_01' })
    expect(await store.tombstone(APP, token(1))).toEqual({ at: new Date(3000), cause: 'unregistered', push: 'psh_01' })
    await expectPairsMatch(store)
    expect(await store.forgetTombstones(new Date(3000))).toBe(0)
    expect(await store.forgetTombstones(new Date(3001))).toBe(2)
    expect(await store.tombstone(APP, token(1))).toBeUndefined()
  })

  test('filters join pairs, and compare values by type', async () => {
    const store = await openStore(await freshUrl())
    await store.save([
      { app: APP, token: token(1), attributes: { plan: 'pro', n: 1 } },
      { app: APP, token: token(2), attributes: { plan: 'pro', n: '1' } },
      { app: APP, token: token(3), attributes: { plan: 'free', n: true } },
      { app: APP, token: token(4) },
      { app: OTHER_APP, token: token(1), attributes: { plan: 'pro', n: 1 } },
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
      [{ not: { not: ['plan', 'pro'] } }, [1, 2]],
      [{ all: [['plan', 'pro'], { not: ['n', 1] }] }, [2]],
      [{ all: [{ not: ['plan', 'pro'] }, { not: ['n', true] }] }, [4]],
      [{ any: [{ not: ['plan', 'pro'] }, ['n', 1]] }, [1, 3, 4]],
      [['plan', 'PRO'], []],
    ]
    const found = []
    for (const [filter] of table)
      found.push({ filter, tokens: await tokensOf(store, { filter }), count: await store.count({ app: APP, filter }) })
    expect(found).toEqual(
      table.map(([filter, numbers]) => ({ filter, tokens: numbers.map(token), count: numbers.length })),
    )
    await expect(store.count({ app: APP, filter: { all: [] } })).rejects.toMatchObject({ code: 'invalid-filter' })
  })

  test('what is listed is believed only if the device says so too', async () => {
    const store = await openStore(await freshUrl())
    await store.save([1, 2].map((n) => ({ app: APP, token: token(n), attributes: { n } })))
    // As if the hashes of two pairs were the same, or the device had changed between two statements.
    await store.database.execute('UPDATE device SET attributes = ? WHERE token = ?', [
      '{"n":3}',
      Buffer.from(token(1), 'hex'),
    ])
    expect(await tokensOf(store, { filter: ['n', 1] })).toEqual([])
    expect(await audienceOf(store, ['n', 1])).toEqual([])
  })

  test('pages follow each other by cursor', async () => {
    const store = await openStore(await freshUrl())
    await store.save(
      Array.from({ length: 25 }, (_, n) => ({ app: APP, token: token(n), attributes: { even: n % 2 === 0 } })),
    )
    const pages: number[] = []
    const seen: string[] = []
    for (let cursor: string | null | undefined; cursor !== null;) {
      const page = await store.page({ app: APP, filter: ['even', true], limit: 5, cursor })
      pages.push(page.devices.length)
      seen.push(...page.devices.map((device) => device.token))
      cursor = page.nextCursor
    }
    expect(pages).toEqual([5, 5, 3])
    expect(seen).toEqual(Array.from({ length: 13 }, (_, n) => token(n * 2)))
    expect(await store.page({ app: APP, limit: 25 })).toMatchObject({ nextCursor: null })
    expect(await store.page({ app: 'com.example.none' })).toEqual({ devices: [], nextCursor: null })
    expect(await tokensOf(store, { limit: 3 })).toHaveLength(3)
    await expect(store.page({ app: APP, cursor: '!' })).rejects.toMatchObject({ code: 'invalid-cursor' })
    await expect(store.page({ app: APP, limit: 1001 })).rejects.toBeInstanceOf(RangeError)
  })

  test('badges count up once each, and unknown tokens have 1', async () => {
    const store = await openStore(await freshUrl(), { now: () => 1000 })
    await store.save([
      { app: APP, token: token(1), badge: 4 },
      { app: APP, token: token(2) },
      { app: APP, token: token(3), badge: 2_147_483_647 },
    ])
    const tokens = [token(2), token(9), token(1), 'no token', token(1).toUpperCase(), token(3)]
    expect(await store.incrementBadge(APP, tokens)).toEqual([1, 1, 5, 1, 5, 2_147_483_647])
    expect(await store.incrementBadge('com.example.none', tokens)).toEqual([1, 1, 1, 1, 1, 1])
    await store.resetBadge(APP, [token(1), token(9)])
    const devices = await store.getMany(APP, [token(9), token(1), token(2)])
    expect(devices.map((device) => device?.badge)).toEqual([undefined, 0, 1])
    expect(devices[2]?.updatedAt).toEqual(new Date(1000))
  })

  test('feedback removes what has not registered since, in its environment', async () => {
    let now = 10_000
    const store = await openStore(await freshUrl(), { now: () => now })
    await store.save([1, 2, 3, 4].map((n) => ({ app: APP, token: token(n), attributes: { n } })))
    now = 20_001
    await store.save([
      { app: APP, token: token(2) },
      { app: APP, token: token(4), environment: 'sandbox' },
    ])
    const tuples = [1, 1, 2, 4, 9].map((n) => ({ token: token(n), at: 20 }))
    expect(await store.removeByFeedback(APP, 'production', [...tuples, { token: '', at: 99 }])).toEqual([token(1)])
    expect(await tokensOf(store)).toEqual([2, 3, 4].map(token))
    expect(await tokensOf(store, { filter: ['n', 1] })).toEqual([])
    expect(await store.tombstone(APP, token(1))).toEqual({ at: new Date(20_001), cause: 'feedback', push: null })
    expect(await store.removeByFeedback(APP, 'sandbox', [{ token: token(3), at: 99 }])).toEqual([])
    const dead = [3, 2].map((n) => ({ token: token(n), since: n === 3 ? 10_000 : 20_000 }))
    expect(await store.removeUnregistered(APP, 'production', dead, { push: 'psh_01' })).toEqual([token(3)])
    expect(await store.tombstone(APP, token(3))).toMatchObject({ cause: 'unregistered', push: 'psh_01' })
    await expectPairsMatch(store)
  })

  test('a feedback of thousands is worked off in bounded transactions', async () => {
    const store = await openStore(await freshUrl())
    const numbers = Array.from({ length: 2500 }, (_, n) => n)
    await store.save(numbers.map((n) => ({ app: APP, token: token(n), attributes: { a: n % 7, b: n % 5, c: n } })))
    const removed = await store.removeByFeedback(
      APP,
      'production',
      numbers.slice(0, 2400).map((n) => ({ token: token(n), at: 10_000_000_000 })),
    )
    expect(removed).toHaveLength(2400)
    expect(await store.count({ app: APP })).toBe(100)
    expect(await store.incrementBadge(APP, numbers.map(token))).toEqual(numbers.map(() => 1))
    await expectPairsMatch(store)
  })

  test('a refused device is skipped by audiences until it registers again', async () => {
    const store = await openStore(await freshUrl(), { now: () => 5000 })
    await store.save([
      { app: APP, token: token(1), attributes: { a: 1 } },
      { app: APP, token: token(2), attributes: { a: 1 } },
      { app: APP, token: token(3), attributes: { a: 1 }, platform: 'android' },
      { app: APP, token: token(4), attributes: { a: 1 }, environment: 'sandbox' },
    ])
    const marks = [1, 4, 9].map((n) => ({ token: token(n), reason: 'BadDeviceToken', push: 'psh_1' }))
    expect(await store.refuse(APP, 'production', marks)).toBe(1)
    expect(await audienceOf(store)).toEqual([token(2)])
    expect(await audienceOf(store, ['a', 1])).toEqual([token(2)])
    expect(await audienceOf(store, { not: ['a', 2] })).toEqual([token(2)])
    const refused = { reason: 'BadDeviceToken', at: new Date(5000), push: 'psh_1' }
    expect(await store.get(APP, token(1))).toMatchObject({ refused, updatedAt: new Date(5000) })
    expect(await tokensOf(store, { refused: true })).toEqual([token(1)])
    expect(await tokensOf(store, { refused: false })).toEqual([2, 3, 4].map(token))
    expect(await store.count({ app: APP, refused: false, environment: 'production' })).toBe(2)
    expect(await store.count({ app: APP, refused: true, filter: ['a', 1] })).toBe(1)
    expect(await store.refuse(APP, 'production', [{ token: token(3), reason: 'InvalidToken' }])).toBe(1)
    expect(await tokensOf(store, { refused: true })).toEqual([1, 3].map(token))
    await store.save([1, 3].map((n) => ({ app: APP, token: token(n) })))
    expect((await store.get(APP, token(1)))?.refused).toBeNull()
    expect(await audienceOf(store)).toEqual([1, 2].map(token))
  })

  test('writes in an open transaction last if it does', async () => {
    const url = await freshUrl()
    const store = await openStore(url)
    await store.save([1, 2, 3].map((n) => ({ app: APP, token: token(n) })))
    const fault = new Error('mine')
    const work = (fail: boolean) =>
      store.database.transaction(async (transaction) => {
        const options = { in: transaction }
        await store.save([{ app: 'com.example.new', token: token(9) }], options)
        await store.incrementBadge(APP, [token(1)], options)
        await store.update(APP, token(1), { attributes: { a: 1 } }, options)
        await store.removeUnregistered(APP, 'production', [{ token: token(2), since: Date.now() + 1000 }], options)
        await store.refuse(APP, 'production', [{ token: token(3), reason: 'BadDeviceToken' }], options)
        if (fail) throw fault
      })
    await expect(work(true)).rejects.toBe(fault)
    expect(await store.count({ app: 'com.example.new' })).toBe(0)
    expect((await store.getMany(APP, [1, 2, 3].map(token))).map((device) => [device?.badge, device?.refused])).toEqual(
      [1, 2, 3].map(() => [0, null]),
    )
    await work(false)
    expect(await store.count({ app: 'com.example.new' })).toBe(1)
    expect(await (await openStore(url)).count({ app: 'com.example.new' })).toBe(1)
    expect(await store.get(APP, token(1))).toMatchObject({ badge: 1, attributes: { a: 1 } })
    expect(await tokensOf(store, { refused: true })).toEqual([token(3)])
    expect(await store.get(APP, token(2))).toBeUndefined()
    await expectPairsMatch(store)
  })

  test('tokens have to be tokens where one is asked for', async () => {
    const store = await openStore(await freshUrl())
    for (const call of [
      () => store.get(APP, 'xyz'),
      () => store.tombstone(APP, ''),
      () => store.update(APP, 'abc', {}),
      () => store.delete(APP, '11'.repeat(101)),
    ])
      await expect(call()).rejects.toMatchObject({ code: 'invalid-token' })
    expect(await store.getMany(APP, ['xyz', token(1)])).toEqual([undefined, undefined])
  })

  test('a store opens on the schema that it knows, and leaves a database that it was given open', async () => {
    const url = await freshUrl()
    await expect(openDeviceStore(url, { migrate: 'manual' })).rejects.toMatchObject({ code: 'schema-too-old' })
    const [first, second] = await Promise.all([openStore(url), openStore(url)])
    await first.save([{ app: APP, token: token(1) }])
    expect(await second.count({ app: APP })).toBe(1)
    const database = await openDatabase(url)
    onTestFinished(() => database.close())
    await (await openDeviceStore(database, { migrate: 'manual' })).close()
    await database.execute(
      "INSERT INTO schema_migration (owner, version, name, applied_at) VALUES ('device-store', 99, 'new', 0)",
    )
    await expect(openDeviceStore(url)).rejects.toMatchObject({ code: 'schema-too-new' })
  })
})
