import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

import { openDeviceStore } from '@lhspn/device-store'
import { startMariaDb } from '@lhspn/test-servers'

import { APP, APP_ID, type Devices, pairOf, REGISTERED_AT } from './registry-devices.ts'
import { type Driver, openDriver } from './registry-driver.ts'

/** A database with the registry in it, and beside it the table of LHSPNservice with the same devices. */
export interface Loaded {
  readonly engine: Driver['engine']
  readonly url: string
  /** Settings that matter to the figures. */
  readonly settings: string
  readonly seconds: number
  remove(): Promise<void>
}

const ROWS_A_TRANSACTION = 50_000
/** Of the loading connection alone. */
const LOADING_CACHE_KIB = 524_288

/**
 * Makes a database on local disk, with the durability of production, and fills it by SQL, sorted, as an import into empty
 * tables would: through the store it takes four times as long.
 */
export async function loadRegistry(engine: Driver['engine'], devices: Devices, pairs: Pairs): Promise<Loaded> {
  const place = engine === 'sqlite' ? await sqlitePlace() : await mariaDbPlace(devices)
  try {
    const startedAt = performance.now()
    await (await openDeviceStore(place.url)).close() // makes the tables
    const driver = await openDriver(place.url)
    await fill(driver, place.url, tablesOf(devices, pairs))
    await settle(driver)
    await driver.close()
    const seconds = (performance.now() - startedAt) / 1000
    return { engine, seconds, ...place, settings: `${place.settings}${await place.size()}` }
  } catch (error) {
    await place.remove()
    throw error
  }
}

/** All (pair, device) sorted by both, as the table has them. */
export interface Pairs {
  readonly length: number
  at(index: number): readonly [pair: bigint, deviceId: number]
}

/** Sorted once for both databases. */
export function sortPairs(devices: Devices): Pairs {
  const names = ['build', 'lang', 'plan', 'team', 'user'] as const
  const length = devices.count * names.length
  const [high, low] = [new Uint32Array(length), new Uint32Array(length)]
  for (let number = 0; number < devices.count; number++) {
    const attributes = devices.attributes(number)
    for (const [at, name] of names.entries()) {
      const pair = pairOf(name, attributes[name] as string | number)
      const index = number * names.length + at
      high[index] = Number(pair >> 32n)
      low[index] = Number(pair & 0xffff_ffffn)
    }
  }
  const order = new Uint32Array(length)
  for (let index = 0; index < length; index++) order[index] = index
  order.sort(
    (one, other) =>
      (high[one] as number) - (high[other] as number) || (low[one] as number) - (low[other] as number) || one - other,
  )
  return {
    length,
    at(index) {
      const place = order[index] as number
      const pair = (BigInt(high[place] as number) << 32n) | BigInt(low[place] as number)
      return [pair, Math.floor(place / names.length) + 1]
    },
  }
}

interface Place {
  readonly url: string
  readonly settings: string
  size(): Promise<string>
  remove(): Promise<void>
}

async function sqlitePlace(): Promise<Place> {
  const folder = await mkdtemp(join(tmpdir(), 'lhspn-registry-'))
  const file = join(folder, 'lhspn.db')
  return {
    url: `sqlite:${file}`,
    settings: 'WAL, synchronous FULL, cache 16 MiB',
    size: async () => `, ${Math.round((await stat(file)).size / 1e6)} MB`,
    remove: () => rm(folder, { recursive: true }),
  }
}

async function mariaDbPlace(devices: Devices): Promise<Place> {
  const server = await startMariaDb({ durable: true })
  try {
    // All of the registry is in memory, as on a server that is made for it.
    const pool = Math.max(128, 2 ** Math.ceil(Math.log2(devices.count / 1000))) * 2 ** 20
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

interface Table {
  readonly head: string
  readonly count: number
  readonly row: (index: number) => Parameters<Driver['insert']>[1][number]
}

function tablesOf(devices: Devices, pairs: Pairs): readonly Table[] {
  const { count } = devices
  const columns =
    'id, app_id, environment, token, platform, os_version, badge, withheld, attributes, created_at, updated_at'
  return [
    {
      head: `INSERT INTO device (${columns}) VALUES`,
      count,
      row: (number) => [
        number + 1,
        APP_ID,
        devices.isProduction(number) ? 0 : 1,
        Buffer.from(devices.token(number), 'hex'),
        'ios',
        '18.1',
        0,
        0,
        JSON.stringify(devices.attributes(number)),
        REGISTERED_AT,
        REGISTERED_AT,
      ],
    },
    {
      head: 'INSERT INTO device_attribute (pair, device_id) VALUES',
      count: pairs.length,
      row: (at) => pairs.at(at),
    },
    {
      head: 'INSERT INTO LHSPNservice_devices VALUES',
      count,
      row: (number) => [
        devices.token(number),
        JSON.stringify(devices.attributes(number)),
        '18.1',
        devices.isProduction(number) ? 0 : 1,
        0,
        REGISTERED_AT / 1000,
        REGISTERED_AT / 1000,
      ],
    },
  ]
}

/** Table after table; where there may be several writers, all at the same time. */
async function fill(driver: Driver, url: string, tables: readonly Table[]): Promise<void> {
  await driver.query('INSERT INTO app (id, topic) VALUES (?, ?)', [APP_ID, APP])
  await driver.query(LEGACY_TABLE[driver.engine])
  if (driver.engine === 'sqlite') {
    await driver.query(`PRAGMA cache_size = -${LOADING_CACHE_KIB}`)
    for (const table of tables) await fillTable(driver, table)
    return
  }
  await Promise.all(
    tables.map(async (table) => {
      const own = await openDriver(url)
      await fillTable(own, table)
      await own.close()
    }),
  )
}

const LEGACY_COLUMNS = `token varchar(64) NOT NULL PRIMARY KEY, userInfo text, OSVersion varchar(255),
  isDev tinyint NOT NULL, badge int NOT NULL, updatedAt int NOT NULL, createdAt int NOT NULL`
/** As LHSPNservice made it; it knew no SQLite, which gets the same columns. */
const LEGACY_TABLE = {
  mariadb: `CREATE TABLE LHSPNservice_devices (${LEGACY_COLUMNS}) ENGINE=MyISAM DEFAULT CHARSET=utf8`,
  sqlite: `CREATE TABLE LHSPNservice_devices (${LEGACY_COLUMNS})`,
}

async function fillTable(driver: Driver, { head, count, row }: Table): Promise<void> {
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
async function settle(driver: Driver): Promise<void> {
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
