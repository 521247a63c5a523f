import { describe, expect, test } from 'vitest'

import type { Migration } from '../src/index.ts'
import { ENGINES, open } from './engines.ts'

const sql = (name: string, ...statements: string[]): Migration => ({ name, mysql: statements, sqlite: statements })
const FIRST = sql('0001 one', 'CREATE TABLE IF NOT EXISTS one (n INTEGER)')
// Whether it ran once or twice shows in what it counted.
const SECOND = sql('0002 two', 'CREATE TABLE IF NOT EXISTS two (n INTEGER)', 'INSERT INTO two (n) VALUES (1)')

describe.for(ENGINES)('on $engine', ({ freshUrl }) => {
  test('migrations run once, in order, each owner by itself', async () => {
    const database = await open(await freshUrl())
    expect(await database.migrationStatus('a', [FIRST, SECOND])).toEqual({
      owner: 'a',
      version: 0,
      latest: 2,
      applied: [],
      pending: ['0001 one', '0002 two'],
    })
    expect(await database.migrate('a', [FIRST])).toMatchObject({ version: 1, applied: ['0001 one'], pending: [] })
    expect(await database.migrate('a', [FIRST, SECOND])).toMatchObject({ version: 2, applied: ['0002 two'] })
    expect(await database.migrate('a', [FIRST, SECOND])).toMatchObject({ version: 2, applied: [], pending: [] })
    expect(await database.query('SELECT COUNT(*) AS n FROM two')).toEqual([{ n: 1 }])
    expect(await database.migrate('b', [])).toMatchObject({ version: 0 })
  })

  test('a newer schema is refused, and an older one where nothing may be changed', async () => {
    const database = await open(await freshUrl())
    await expect(database.migrate('a', [FIRST], { check: true })).rejects.toMatchObject({ code: 'schema-too-old' })
    expect(await database.migrationStatus('a', [FIRST])).toMatchObject({ version: 0 })
    await database.migrate('a', [FIRST, SECOND])
    await expect(database.migrate('a', [FIRST])).rejects.toMatchObject({ code: 'schema-too-new' })
    await expect(database.migrate('a', [FIRST], { check: true })).rejects.toMatchObject({ code: 'schema-too-new' })
    expect(await database.migrate('a', [FIRST, SECOND], { check: true })).toMatchObject({ version: 2 })
    expect(await database.migrationStatus('a', [FIRST])).toMatchObject({ version: 2, latest: 1, pending: [] })
  })

  test('a migration that failed is tried again from its beginning', async () => {
    const database = await open(await freshUrl())
    const broken = sql('0002 two', ...(SECOND.mysql.slice(0, 1) as [string]), 'CREATE NONSENSE')
    await expect(database.migrate('a', [FIRST, broken])).rejects.toMatchObject({ code: 'failed' })
    expect(await database.migrate('a', [FIRST, SECOND])).toMatchObject({ version: 2 })
    expect(await database.query('SELECT COUNT(*) AS n FROM two')).toEqual([{ n: 1 }])
  })
})

test.for(ENGINES.filter(({ engine }) => engine !== 'SQLite in memory'))(
  'on $engine, two starts at once run each migration once',
  async ({ freshUrl }) => {
    const url = await freshUrl()
    const databases = await Promise.all(Array.from({ length: 4 }, () => open(url)))
    const results = await Promise.all(databases.map((database) => database.migrate('a', [FIRST, SECOND])))
    expect(results.map(({ version }) => version)).toEqual([2, 2, 2, 2])
    expect(results.flatMap(({ applied }) => applied)).toEqual(['0001 one', '0002 two'])
    expect(await databases[0]?.query('SELECT COUNT(*) AS n FROM two')).toEqual([{ n: 1 }])
  },
)
