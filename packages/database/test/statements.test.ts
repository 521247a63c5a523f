import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { deleteRows, insertMissing, overwrite, type Parameter } from '../src/index.ts'
import { kyselyOver } from '../src/kysely.ts'
import { ENGINES, open } from './engines.ts'

const VALUES = {
  mysql:
    'CREATE TABLE v (id INTEGER PRIMARY KEY, s TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, b VARBINARY(300), n BIGINT)',
  sqlite: 'CREATE TABLE v (id INTEGER PRIMARY KEY, s TEXT, b BLOB, n INTEGER) STRICT',
}

describe.for(ENGINES)('on $engine', ({ freshUrl }) => {
  test('text, bytes and numbers come back as they were given', async () => {
    const database = await open(await freshUrl())
    await database.execute(VALUES[database.dialect.name])
    let id = 0
    await fc.assert(
      fc.asyncProperty(
        // NUL ends text in SQLite: whoever has any writes it as JSON or bytes.
        fc.string({ unit: 'binary' }).map((text) => text.replaceAll('\0', '')),
        fc.uint8Array({ maxLength: 300 }),
        fc.maxSafeInteger(),
        async (s, b, n) => {
          id++
          await database.execute('INSERT INTO v (id, s, b, n) VALUES (?, ?, ?, ?)', [id, s, b, n])
          const [row] = await database.query<{ s: string; b: Uint8Array; n: number }>(
            'SELECT s, b, n FROM v WHERE id = ? AND s = ? AND b = ? AND n = ?',
            [id, s, b, n],
          )
          expect({ ...row, b: Uint8Array.from(row?.b ?? []) }).toEqual({ s, b, n })
        },
      ),
      { numRuns: 200, examples: [['\\\' OR 1=1; -- " ? %', Uint8Array.of(0, 39, 92), -1]] },
    )
  })

  test('a bigint of 63 bits is a parameter like others', async () => {
    const database = await open(await freshUrl())
    await database.execute(VALUES[database.dialect.name])
    const big = 2n ** 63n - 1n
    await database.execute('INSERT INTO v (id, n) VALUES (1, ?)', [big])
    expect(await database.query('SELECT id FROM v WHERE n = ?', [big - 1n])).toEqual([])
    expect(await database.query('SELECT id FROM v WHERE n = ?', [big])).toEqual([{ id: 1 }])
  })

  test.for([Number.NaN, Number.POSITIVE_INFINITY, undefined, true, {}, [1], new Date(0), Symbol('x')])(
    'a parameter that no column holds never reaches the engine: %s',
    async (value) => {
      const database = await open('sqlite::memory:')
      await expect(database.query('SELECT ? AS x', [value as Parameter])).rejects.toBeInstanceOf(TypeError)
    },
  )

  test('a statement tells rows, changes and the id it made', async () => {
    const database = await open(await freshUrl())
    const key = database.dialect.name === 'mysql' ? 'INTEGER AUTO_INCREMENT PRIMARY KEY' : 'INTEGER PRIMARY KEY'
    await database.execute(`CREATE TABLE t (id ${key}, n INTEGER NOT NULL)`)
    expect(await database.execute('INSERT INTO t (n) VALUES (?)', [5])).toMatchObject({ changes: 1, insertId: 1 })
    expect(await database.execute('UPDATE t SET n = 5 WHERE n = 5')).toMatchObject({ changes: 1, rows: [] })
    expect(await database.query('SELECT COUNT(*) AS n, SUM(n) AS total FROM t')).toEqual([{ n: 1, total: 5 }])
  })

  test('queries that are built run on the same handle', async () => {
    const database = await open(await freshUrl())
    await database.execute(VALUES[database.dialect.name])
    type Tables = { v: { id: number; s: string | null } }
    await database.transaction(async (transaction) => {
      await kyselyOver<Tables>(transaction)
        .insertInto('v')
        .values([
          { id: 1, s: "it's" },
          { id: 2, s: null },
        ])
        .execute()
    })
    const built = kyselyOver<Tables>(database)
    expect(await built.selectFrom('v').select('id').where('s', 'is', null).execute()).toEqual([{ id: 2 }])
    expect((await built.deleteFrom('v').executeTakeFirst()).numDeletedRows).toBe(2n)
    await expect(built.transaction().execute(async () => 1)).rejects.toMatchObject({ code: 'failed' })
  })

  test('rows are inserted where missing, overwritten and deleted in bulk', async () => {
    const database = await open(await freshUrl())
    await database.execute('CREATE TABLE pair (a INTEGER NOT NULL, b INTEGER NOT NULL, c INTEGER, PRIMARY KEY (a, b))')
    await database.execute('CREATE TABLE row_of (id INTEGER NOT NULL PRIMARY KEY, f INTEGER NOT NULL, w INTEGER)')
    const many = Array.from({ length: 2500 }, (_, n) => n)
    await database.transaction(async (transaction) => {
      await insertMissing(transaction, 'pair', ['a', 'b', 'c'], [[1, 1, 7]])
      await insertMissing(
        transaction,
        'pair',
        ['a', 'b', 'c'],
        many.map((n) => [1, n, n]),
      )
      await insertMissing(
        transaction,
        'row_of',
        ['id', 'f'],
        many.map((n) => [n, n]),
      )
      await insertMissing(transaction, 'pair', ['a', 'b'], [])
      await overwrite(
        transaction,
        'row_of',
        { key: 'id', fixed: ['f'], written: ['w'] },
        many.slice(10).map((n) => ({ key: n, fixed: [n], written: [n * 2] })),
      )
      await deleteRows(transaction, 'pair', ['a', 'b'], [[1, 0]])
      await deleteRows(
        transaction,
        'pair',
        ['a', 'b'],
        many.slice(2, 2400).map((n) => [1, n]),
      )
      await deleteRows(transaction, 'pair', ['a', 'b'], [])
    })
    expect(await database.query('SELECT b, c FROM pair ORDER BY b LIMIT 2')).toEqual([
      { b: 1, c: 7 },
      { b: 2400, c: 2400 },
    ])
    expect(await database.query('SELECT COUNT(*) AS n, SUM(w) AS w, SUM(f) AS f FROM row_of')).toEqual([
      { n: 2500, w: many.slice(10).reduce((sum, n) => sum + n * 2, 0), f: many.reduce((sum, n) => sum + n, 0) },
    ])
  })

  test('what the engine refuses says so by code, without values', async () => {
    const database = await open(await freshUrl())
    await database.execute(VALUES[database.dialect.name])
    await database.execute("INSERT INTO v (id, s) VALUES (1, 'secret')")
    const twice = await database.execute('INSERT INTO v (id, s) VALUES (?, ?)', [1, 'secret']).catch((error) => error)
    expect(twice).toMatchObject({ name: 'DatabaseError', code: 'constraint', remedy: expect.any(String) })
    expect(JSON.stringify([twice.message, { ...twice.cause }])).not.toContain('secret')
    await expect(database.query('SELECT * FROM nowhere')).rejects.toMatchObject({ code: 'failed' })
  })

  test('the clock is that of the database', async () => {
    const database = await open(await freshUrl())
    const before = Date.now()
    const now = await database.now()
    expect(now).toBeGreaterThanOrEqual(before - 1)
    expect(now).toBeLessThanOrEqual(Date.now() + 1)
  })

  test('a closed database refuses everything, and closes twice', async () => {
    const database = await open(await freshUrl())
    await database.close()
    await database.close()
    await expect(database.query('SELECT 1')).rejects.toMatchObject({ code: 'failed' })
    await expect(database.execute('CREATE TABLE t (n INTEGER)')).rejects.toMatchObject({ code: 'failed' })
    await expect(database.transaction(async () => 1)).rejects.toMatchObject({ code: 'failed' })
  })
})
