import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

import { startMariaDb } from '@lhspn/test-servers'

import { type Driver, openDriver } from './registry-driver.ts'

/** A database on local disk, with the durability of production. */
export interface OwnDatabase {
  readonly url: string
  /** Settings that matter to the figures. */
  readonly settings: string
  size(): Promise<string>
  remove(): Promise<void>
}

export interface Table {
  readonly head: string
  readonly count: number
  readonly row: (index: number) => Parameters<Driver['insert']>[1][number]
}

const ROWS_A_TRANSACTION = 50_000

/** @param devices how many will be in it: MariaDB gets the memory for them */
export function makeDatabase(engine: Driver['engine'], devices: number): Promise<OwnDatabase> {
  return engine === 'sqlite' ? makeSqlite() : makeMariaDb(devices)
}

async function makeSqlite(): Promise<OwnDatabase> {
  const folder = await mkdtemp(join(tmpdir(), 'lhspn-bench-'))
  const file = join(folder, 'lhspn.db')
  return {
    url: `sqlite:${file}`,
    settings: 'WAL, synchronous FULL, cache 16 MiB',
    size: async () => `, ${Math.round((await stat(file)).size / 1e6)} MB`,
    remove: () => rm(folder, { recursive: true }),
  }
}

async function makeMariaDb(devices: number): Promise<OwnDatabase> {
  const server = await startMariaDb({ durable: true })
  try {
    // All of the registry is in memory, as on a server that is made for it.
    const pool = Math.max(128, 2 ** Math.ceil(Math.log2(devices / 1000))) * 2 ** 20
    const url = await server.database()
    const driver = await openDriver(url)
    await driver.query(`SET GLOBAL innodb_buffer_pool_size = ${pool}`)
    await driver.query('SET GLOBAL innodb_log_file_size = 1073741824')
    const [row] = await driver.query('SELECT VERSION() AS version')
    await driver.close()
    const version = String(row?.['version']).replace(/-.*/, '')
    return {
      url,
      settings: `${version}, flush at each commit, buffer pool ${pool / 2 ** 20} MiB`,
      size: async () => '',
      remove: () => server.stop(),
    }
  } catch (error) {
    await server.stop()
    throw error
  }
}

export async function fillTable(driver: Driver, { head, count, row }: Table): Promise<void> {
  for (let start = 0; start < count; start += ROWS_A_TRANSACTION) {
    const length = Math.min(ROWS_A_TRANSACTION, count - start)
    await driver.query('BEGIN')
    await driver.insert(
      head,
      Array.from({ length }, (_, at) => row(start + at)),
    )
    await driver.query('COMMIT')
  }
}

/** Waits until what was loaded is on disk: else the first figures pay for it. */
export async function settle(driver: Driver): Promise<void> {
  if (driver.engine === 'sqlite') {
    await driver.query('PRAGMA wal_checkpoint(TRUNCATE)')
    return
  }
  await driver.query('SET GLOBAL innodb_max_dirty_pages_pct = 0')
  for (let polls = 0; polls < 600; polls++) {
    const [row] = await driver.query("SHOW GLOBAL STATUS LIKE 'Innodb_buffer_pool_pages_dirty'")
    if (Number(row?.['Value']) < 100) break
    await delay(100)
  }
  await driver.query('SET GLOBAL innodb_max_dirty_pages_pct = 90')
}
