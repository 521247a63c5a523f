import { setImmediate as nextTurn } from 'node:timers/promises'

import { freshMysqlUrl } from '@lhspn/test-servers/vitest'
import { describe, expect, test } from 'vitest'

import type { Transaction } from '../src/index.ts'
import { SqliteEngine } from '../src/sqlite.ts'
import { createCounters, ENGINES, freshSqliteUrl, open, readCounters } from './engines.ts'
import { promise } from './promise.ts'

const add = (transaction: Transaction, id: number) =>
  transaction.execute('UPDATE counter SET n = n + 1 WHERE id = ?', [id])

describe.for(ENGINES)('on $engine', ({ freshUrl }) => {
  test('a transaction lasts whole, or not at all; what its work throws comes out', async () => {
    const database = await open(await freshUrl())
    await createCounters(database, [1])
    expect(await database.transaction(async (transaction) => (await add(transaction, 1)).changes)).toBe(1)
    const fault = new Error('mine')
    const failing = database.transaction(async (transaction) => {
      await add(transaction, 1)
      throw fault
    })
    await expect(failing).rejects.toBe(fault)
    expect(await readCounters(database)).toEqual([1])
  })

  test('a statement after the end is refused', async () => {
    const database = await open(await freshUrl())
    await createCounters(database, [1])
    const ended = await database.transaction(async (transaction) => transaction)
    expect(ended.open).toBe(false)
    await expect(add(ended, 1)).rejects.toMatchObject({ code: 'failed' })
    expect(await readCounters(database)).toEqual([0])
  })

  test('a refused row leaves the transaction usable', async () => {
    const database = await open(await freshUrl())
    await createCounters(database, [1])
    await database.transaction(async (transaction) => {
      await add(transaction, 1)
      await expect(transaction.execute('INSERT INTO counter (id, n) VALUES (1, 9)')).rejects.toMatchObject({
        code: 'constraint',
      })
      await add(transaction, 1)
    })
    expect(await readCounters(database)).toEqual([2])
  })

  test('many transactions at once lose nothing', async () => {
    const database = await open(await freshUrl())
    await createCounters(database, [1])
    await Promise.all(
      Array.from({ length: 50 }, () =>
        database.transaction(async (transaction) => {
          const lock = transaction.dialect.forUpdate
          const [row] = await transaction.query<{ n: number }>(`SELECT n FROM counter WHERE id = 1 ${lock}`)
          await nextTurn()
          await transaction.execute('UPDATE counter SET n = ? WHERE id = 1', [(row?.n ?? 0) + 1])
        }),
      ),
    )
    expect(await readCounters(database)).toEqual([50])
  })
})

test('a deadlock on MariaDB is tried again, and both transactions last', async () => {
  const database = await open(await freshMysqlUrl())
  await createCounters(database, [1, 2])
  const meeting = promise()
  let arrived = 0
  let attempts = 0
  const cross = (first: number, second: number) =>
    database.transaction(async (transaction) => {
      attempts++
      await add(transaction, first)
      if (++arrived === 2) meeting.resolve()
      await meeting.promise
      await add(transaction, second)
    })
  await Promise.all([cross(1, 2), cross(2, 1)])
  expect(attempts).toBeGreaterThan(2)
  expect(await readCounters(database)).toEqual([2, 2])
})

test('a work that ignores its deadlock is begun again all the same', async () => {
  const database = await open(await freshMysqlUrl())
  await createCounters(database, [1, 2])
  const meeting = promise()
  let arrived = 0
  const cross = (first: number, second: number) =>
    database.transaction(async (transaction) => {
      await add(transaction, first)
      if (++arrived === 2) meeting.resolve()
      await meeting.promise
      await add(transaction, second).catch(() => undefined)
    })
  await Promise.all([cross(1, 2), cross(2, 1)])
  expect(await readCounters(database)).toEqual([2, 2])
})

test('whoever finds a SQLite file locked waits for it, and holds nothing up', async () => {
  const url = await freshSqliteUrl()
  const [one, other] = [await open(url), await open(url)]
  await createCounters(one, [1])
  const held = promise()
  const release = promise()
  const holder = one.transaction(async (transaction) => {
    await add(transaction, 1)
    held.resolve()
    await release.promise
  })
  await held.promise
  let waiting = true
  const waiter = other.transaction((transaction) => add(transaction, 1)).finally(() => (waiting = false))
  expect(await readCounters(other)).toEqual([0]) // readers see what is committed
  for (let turn = 0; turn < 100; turn++) await nextTurn()
  expect(waiting).toBe(true)
  release.resolve()
  await Promise.all([holder, waiter])
  expect(await readCounters(one)).toEqual([2])
})

test('SQLite keeps a journal that readers do not wait for, and flushes every commit', async () => {
  const database = await open(await freshSqliteUrl())
  expect(await database.query('PRAGMA journal_mode')).toEqual([{ journal_mode: 'wal' }])
  expect(await database.query('PRAGMA synchronous')).toEqual([{ synchronous: 2 }])
})

test('a SQLite file that stays locked is busy', async () => {
  const url = await freshSqliteUrl()
  const database = await open(url)
  await createCounters(database, [1])
  const other = await SqliteEngine.open(url.slice('sqlite:'.length), { busyMs: 50 })
  await database.transaction(async () => {
    await expect(other.execute('UPDATE counter SET n = 1', [])).rejects.toMatchObject({ code: 'busy' })
    await expect(other.exclusive(async () => 1)).rejects.toMatchObject({ code: 'busy' })
  })
  await other.execute('UPDATE counter SET n = 1', [])
  await other.close()
})

test('statement after statement in SQLite lets the event loop turn', async () => {
  const database = await open(await freshSqliteUrl())
  await createCounters(database, [1])
  let turns = 0
  let running = true
  const count = () => {
    turns++
    if (running) setImmediate(count)
  }
  setImmediate(count)
  await database.transaction((transaction) =>
    transaction.executeMany(
      'UPDATE counter SET n = n + ?',
      Array.from({ length: 50_000 }, () => [1]),
    ),
  )
  running = false
  expect(await readCounters(database)).toEqual([50_000])
  expect(turns).toBeGreaterThan(3)
})
