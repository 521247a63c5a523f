import { MAX_BADGE } from '@lhspn/apns-protocol'
import { describe, expect, test } from 'vitest'

import type { DeviceStore } from '../src/index.ts'
import { ENGINES, openStore } from './engines.ts'
import { APP, token } from './fixtures.ts'

async function idOf(store: DeviceStore, n: number): Promise<number> {
  return (await store.idsOf(APP, token(n)))[0] as number
}

describe.for(ENGINES)('on $engine', ({ freshUrl }) => {
  test('members are read by their ids, dense or far between; those that are gone, or of another app, are not there', async () => {
    const store = await openStore(await freshUrl())
    await store.save(Array.from({ length: 2500 }, (_, n) => ({ app: APP, token: token(n), badge: n })))
    await store.save([{ app: 'com.example.other', token: token(0) }])
    await store.save([{ app: APP, token: token(8), environment: 'sandbox' }])
    await store.refuse(APP, 'production', [{ token: token(7), reason: 'BadDeviceToken' }])
    await store.delete(APP, token(9))
    const first = await idOf(store, 0)
    const all = Array.from({ length: 2501 }, (_, n) => first + n)
    for (const ids of [1, 2, 7].map((every) => all.filter((_, n) => n % every === 0))) {
      const members = await store.members(APP, ids)
      const due = ids.map((id) => id - first).filter((n) => n !== 9 && n < 2500)
      expect([...members.values()].map(({ token: each }) => each)).toEqual(due.map(token))
      for (const n of due)
        expect(members.get(first + n)).toEqual({
          token: token(n),
          environment: n === 8 ? 'sandbox' : 'production',
          badge: n,
          refused: n === 7,
        })
    }
    expect(await store.members('com.example.unknown', all)).toEqual(new Map())
  })

  test('a count of badges meets those who are reached, once for each transaction that lasts', async () => {
    const store = await openStore(await freshUrl())
    await store.save([0, 1, 2, 3].map((n) => ({ app: APP, token: token(n), badge: n === 3 ? MAX_BADGE : 5 })))
    await store.save([{ app: APP, token: token(1), environment: 'sandbox' }])
    await store.refuse(APP, 'production', [{ token: token(2), reason: 'BadDeviceToken' }])
    const ids = await Promise.all([0, 1, 2, 3].map((n) => idOf(store, n)))
    const count = (ending?: Error): Promise<readonly number[]> =>
      store.database.transaction(async (transaction) => {
        const members = await store.countMembers(APP, 'production', ids, transaction)
        if (ending !== undefined) throw ending
        return [...members.values()].map(({ badge }) => badge)
      })
    expect(await count()).toEqual([6, 5, 5, MAX_BADGE])
    await expect(count(new Error('taken back'))).rejects.toThrow('taken back')
    expect(await count()).toEqual([7, 5, 5, MAX_BADGE])
    const badges = [...(await store.members(APP, ids)).values()].map(({ badge }) => badge)
    expect(badges).toEqual([7, 5, 5, MAX_BADGE])
  })

  test('a mark meets only who has not registered since', async () => {
    const store = await openStore(await freshUrl(), { now: () => 10_000 })
    await store.save([{ app: APP, token: token(1) }])
    const mark = { token: token(1), reason: 'BadDeviceToken' }
    expect(await store.refuse(APP, 'production', [{ ...mark, since: 9_999 }])).toBe(0)
    expect(await store.refuse(APP, 'production', [{ ...mark, since: 10_000 }])).toBe(1)
  })
})
