import { describe, expect, test } from 'vitest'

import type { DeviceStore, IdQuery } from '../src/index.ts'
import { ENGINES, openStore } from './engines.ts'
import { APP, token } from './fixtures.ts'

async function idsOf(store: DeviceStore, query: Partial<IdQuery> = {}): Promise<readonly number[]> {
  const ids: number[] = []
  for await (const page of store.findIds({ app: APP, environment: 'production', ...query })) ids.push(...page)
  return ids
}

describe.for(ENGINES)('on $engine', ({ freshUrl }) => {
  test('ids of an audience are those of its tokens, in order, between the bounds that are asked for', async () => {
    const store = await openStore(await freshUrl())
    const devices = Array.from({ length: 3000 }, (_, n) => ({ app: APP, token: token(n), attributes: { odd: n % 2 } }))
    await store.save(devices)
    await store.save([
      { app: APP, token: token(5000), environment: 'sandbox' },
      { app: APP, token: token(5001), platform: 'android' },
      { app: 'com.example.other', token: token(0) },
    ])
    await store.refuse(APP, 'production', [{ token: token(7), reason: 'BadDeviceToken' }])
    for (const filter of [undefined, ['odd', 1] as const, { not: ['odd', 1] } as const]) {
      const due: number[] = []
      for await (const page of store.findTokens({ app: APP, environment: 'production', filter }))
        due.push(...page.map(({ id }) => id))
      expect(await idsOf(store, { filter })).toEqual(due)
      const [after, upTo] = [due[99] as number, due[1299] as number]
      expect(await idsOf(store, { filter, after, upTo })).toEqual(due.slice(100, 1300))
    }
    expect(await idsOf(store, { app: 'com.example.unknown' })).toEqual([])
  })

  test('a bound between two ids, or before the first, is a bound', async () => {
    const store = await openStore(await freshUrl())
    await store.save([1, 2, 3].map((n) => ({ app: APP, token: token(n) })))
    const [first = 0, second = 0] = await idsOf(store)
    await store.delete(APP, token(2))
    expect(await idsOf(store, { upTo: second })).toEqual([first])
    expect(await idsOf(store, { upTo: first - 1 })).toEqual([])
  })

  test('the newest id is at or above every id', async () => {
    const store = await openStore(await freshUrl())
    expect(await store.newestId()).toBe(0)
    await store.save([1, 2].map((n) => ({ app: APP, token: token(n) })))
    expect(await store.newestId()).toBe(Math.max(...(await idsOf(store))))
  })

  test('an id is known by its token, also when the device is gone; a token by all ids that it had', async () => {
    const store = await openStore(await freshUrl())
    await store.save([1, 2].map((n) => ({ app: APP, token: token(n) })))
    const [one = 0, two = 0] = await idsOf(store)
    await store.delete(APP, token(2), 'unregistered', { push: 'psh_1' })
    await store.save([{ app: APP, token: token(2) }])
    const again = (await idsOf(store)).at(-1) as number
    expect(await store.known([one, two, again, again + 1000])).toEqual(
      new Map([
        [one, { token: token(1), removed: null }],
        [two, { token: token(2), removed: { at: expect.any(Date), push: 'psh_1' } }],
        [again, { token: token(2), removed: null }],
      ]),
    )
    expect((await store.idsOf(APP, token(2))).toSorted((a, b) => a - b)).toEqual([two, again])
    expect(await store.idsOf(APP, token(3))).toEqual([])
    expect(await store.idsOf('com.example.unknown', token(1))).toEqual([])
  })
})
