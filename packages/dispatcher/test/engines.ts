import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { type DeviceStore, openDeviceStore } from '@lhspn/device-store'
import { freshMysqlUrl } from '@lhspn/test-servers/vitest'
import { onTestFinished } from 'vitest'

import { MIGRATIONS, OWNER } from '../src/migrations/index.ts'

/** Every engine that the dispatcher promises to behave the same on: its name, and a URL of an empty database. */
export const ENGINES = [
  { engine: 'MariaDB', freshUrl: freshMysqlUrl },
  { engine: 'SQLite', freshUrl: freshSqliteUrl },
] as const

/** A registry in a database with the dispatcher's tables, closed when the test is over. */
export async function openStore(url: string): Promise<DeviceStore> {
  const store = await openDeviceStore(url)
  onTestFinished(() => store.close())
  await store.database.migrate(OWNER, MIGRATIONS)
  return store
}

/** A URL of an empty SQLite file, deleted when the test is over. */
export async function freshSqliteUrl(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'lhspn-dispatcher-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return `sqlite:${join(folder, 'test.db')}`
}
