import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { freshMysqlUrl } from '@lhspn/test-servers/vitest'
import { onTestFinished } from 'vitest'

import { type Database, openDatabase } from '../src/index.ts'

/** Every engine: its name, and a URL of an empty database. */
export const ENGINES = [
  { engine: 'MariaDB', freshUrl: freshMysqlUrl },
  { engine: 'SQLite', freshUrl: freshSqliteUrl },
  { engine: 'SQLite in memory', freshUrl: async () => 'sqlite::memory:' },
] as const

/** A database that is closed when the test is over. */
export async function open(url: string): Promise<Database> {
  const database = await openDatabase(url)
  onTestFinished(() => database.close())
  return database
}

export async function freshFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'lhspn-database-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

export async function freshSqliteUrl(): Promise<string> {
  return `sqlite:${join(await freshFolder(), 'test.db')}`
}

/** A table of numbers by key. */
export async function createCounters(database: Database, keys: readonly number[]): Promise<void> {
  await database.execute('CREATE TABLE counter (id INTEGER NOT NULL PRIMARY KEY, n BIGINT NOT NULL)')
  await database.executeMany(
    'INSERT INTO counter (id, n) VALUES (?, 0)',
    keys.map((key) => [key]),
  )
}

export async function readCounters(database: Database): Promise<readonly number[]> {
  return (await database.query<{ n: number }>('SELECT n FROM counter ORDER BY id')).map(({ n }) => n)
}
