import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { freshMysqlUrl } from '@lhspn/test-servers/vitest'
import { onTestFinished } from 'vitest'

import { type DeviceStore, openDeviceStore, type OpenDeviceStoreOptions } from '../src/index.ts'

/** Every engine that the store promises to behave the same on: its name, and a URL of an empty database. */
export const ENGINES = [
  { engine: 'MariaDB', freshUrl: freshMysqlUrl },
  { engine: 'SQLite', freshUrl: freshSqliteUrl },
] as const

/** A store in an empty database of its own, closed when the test is over. */
export async function openStore(url: string, options?: OpenDeviceStoreOptions): Promise<DeviceStore> {
  const store = await openDeviceStore(url, options)
  onTestFinished(() => store.close())
  return store
}

async function freshSqliteUrl(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'lhspn-store-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return `sqlite:${join(folder, 'lhspn.db')}`
}
