import { DatabaseError } from '@lhspn/database'
import { expect, test } from 'vitest'

import type { Registration } from './device.ts'
import { SharedSaves } from './shared-saves.ts'
import type { Saved } from './statements/save.ts'

const RULES = { keepAttributes: [], onlyNewer: false }
const registration = (token: string, app = 'a'): Registration => ({ app, token })
const savedAs = ({ token }: Registration): Saved => ({ token }) as Saved

/** A database that keeps every transaction open until the test lets it end. */
class Held {
  readonly transactions: string[] = []
  readonly ends: (() => void)[] = []
  readonly save = async (app: string, registrations: readonly Registration[]): Promise<readonly Saved[]> => {
    this.transactions.push(`${app}: ${registrations.map(({ token }) => token).join(' ')}`)
    await new Promise<void>((resolve) => this.ends.push(resolve))
    return registrations.map(savedAs)
  }
}

test('those that come in one turn share a transaction, and those that come meanwhile the next one', async () => {
  const held = new Held()
  const saves = new SharedSaves(held.save, 1, 3)
  const first = ['1', '2'].map((token) => saves.save(registration(token), RULES))
  await expect.poll(() => held.transactions).toEqual(['a: 1 2'])
  const others = ['3', '4', '5', '6'].map((token) => saves.save(registration(token), RULES))
  held.ends[0]?.()
  await Promise.all(first)
  await expect.poll(() => held.transactions).toEqual(['a: 1 2', 'a: 3 4 5'])
  held.ends[1]?.()
  await expect.poll(() => held.transactions).toEqual(['a: 1 2', 'a: 3 4 5', 'a: 6'])
  held.ends[2]?.()
  expect((await Promise.all([...first, ...others])).map(({ token }) => token)).toEqual(['1', '2', '3', '4', '5', '6'])
})

test('several transactions are under way at once, where the database can', async () => {
  const held = new Held()
  const saves = new SharedSaves(held.save, 2, 10)
  void saves.save(registration('1'), RULES)
  await expect.poll(() => held.transactions).toEqual(['a: 1'])
  for (const token of ['2', '3']) void saves.save(registration(token), RULES)
  await expect.poll(() => held.transactions).toEqual(['a: 1', 'a: 2 3'])
})

test('only those of one app and by the same rules share one', async () => {
  const held = new Held()
  const saves = new SharedSaves(held.save, 1, 10)
  void saves.save(registration('1'), RULES)
  void saves.save(registration('2', 'b'), RULES)
  void saves.save(registration('3'), { ...RULES, keepAttributes: ['userId'] })
  void saves.save(registration('4'), RULES)
  for (let ended = 0; ended < 3; ended++) {
    await expect.poll(() => held.ends.length).toBe(ended + 1)
    held.ends[ended]?.()
  }
  expect(held.transactions).toEqual(['a: 1 4', 'b: 2', 'a: 3'])
})

test('a row that the database refuses fails alone', async () => {
  const saves = new SharedSaves(
    async (_app, registrations) => {
      await Promise.resolve()
      if (registrations.some(({ token }) => token === 'bad'))
        throw new DatabaseError('constraint', 'refused', 'mend it')
      return registrations.map(savedAs)
    },
    1,
    10,
  )
  const all = ['1', '2', 'bad', '3'].map((token) => saves.save(registration(token), RULES))
  const results = await Promise.allSettled(all)
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled'])
})

test('a database that is gone is told to everybody who waits in that transaction, and it is not tried for each', async () => {
  let transactions = 0
  const saves = new SharedSaves(
    async () => {
      transactions++
      await Promise.resolve()
      throw new DatabaseError('connection-lost', 'gone', 'come back')
    },
    1,
    10,
  )
  const results = await Promise.allSettled(['1', '2', '3', '4'].map((token) => saves.save(registration(token), RULES)))
  expect(results.map((each) => each.status === 'rejected' && (each.reason as DatabaseError).code)).toEqual(
    Array.from({ length: 4 }, () => 'connection-lost'),
  )
  expect(transactions).toBe(1)
})
