import { existsSync, mkdirSync, readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { createConnection } from 'mysql2/promise'
import { expect, test } from 'vitest'

import { startMariaDb } from '../src/index.ts'

async function query(url: string, sql: string): Promise<unknown> {
  const connection = await createConnection(url)
  try {
    return (await connection.query(sql))[0]
  } finally {
    await connection.end()
  }
}

const folders = () => readdirSync(tmpdir()).filter((name) => name.startsWith('lhspn-mariadb-'))

test('a server keeps its data over a kill and a restart, and stop leaves nothing behind', async () => {
  // Left by a process that is no more: pids end far below.
  const stale = join(tmpdir(), 'lhspn-mariadb-999999999-x')
  mkdirSync(stale, { recursive: true })
  const server = await startMariaDb({ durable: true })
  expect(existsSync(stale)).toBe(false)
  const url = await server.database()
  await query(url, 'CREATE TABLE t (n INT) ENGINE=InnoDB')
  await query(url, 'INSERT INTO t VALUES (7)')
  await server.kill()
  await expect(query(url, 'SELECT n FROM t')).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  await server.restart()
  expect(await query(url, 'SELECT n FROM t')).toEqual([{ n: 7 }])
  const [{ path }] = (await query(url, 'SELECT @@datadir AS path')) as [{ path: string }]
  expect(folders().some((name) => path.includes(name))).toBe(true)
  await server.stop()
  expect(existsSync(path)).toBe(false)
})
