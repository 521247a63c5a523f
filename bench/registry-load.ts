import { openDeviceStore } from '@lhspn/device-store'

import { fillTable, makeDatabase, settle, type Table } from './own-database.ts'
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

/** Of the loading connection alone. */
export const LOADING_CACHE_KIB = 524_288

/**
 * Makes a database on local disk, with the durability of production, and fills it by SQL, sorted, as an import into empty
 * tables would: through the store it takes four times as long.
 */
export async function loadRegistry(engine: Driver['engine'], devices: Devices, pairs: Pairs): Promise<Loaded> {
  const place = await makeDatabase(engine, devices.count)
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

const DEVICE_COLUMNS =
  'id, app_id, environment, token, platform, os_version, badge, withheld, attributes, created_at, updated_at'
export const DEVICE_HEAD = `INSERT INTO device (${DEVICE_COLUMNS}) VALUES`

/** Values of the columns of DEVICE_HEAD. */
export function deviceRow(devices: Devices, number: number, environment: number): ReturnType<Table['row']> {
  return [
    number + 1,
    APP_ID,
    environment,
    Buffer.from(devices.token(number), 'hex'),
    'ios',
    '18.1',
    0,
    0,
    JSON.stringify(devices.attributes(number)),
    REGISTERED_AT,
    REGISTERED_AT,
  ]
}

function tablesOf(devices: Devices, pairs: Pairs): readonly Table[] {
  const { count } = devices
  return [
    { head: DEVICE_HEAD, count, row: (number) => deviceRow(devices, number, devices.isProduction(number) ? 0 : 1) },
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
