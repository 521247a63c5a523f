import { openDeviceStore } from '@lhspn/device-store'
import { DISPATCHER_MIGRATIONS, DISPATCHER_OWNER } from '@lhspn/dispatcher'

import { fillTable, makeDatabase, type OwnDatabase, settle } from './own-database.ts'
import type { Audience } from './pushes-job.ts'
import { APP, APP_ID, Devices } from './registry-devices.ts'
import { type Driver, openDriver } from './registry-driver.ts'
import { DEVICE_HEAD, deviceRow, LOADING_CACHE_KIB } from './registry-load.ts'

/** Devices of which a push is to reach all. What has become of them is told to it, not read. */
export interface Population {
  readonly url: string
  audience: Audience
}

/** A database with an empty registry and no pushes. @param most devices that it is going to have */
export async function makeRegistry(engine: Driver['engine'], most: number): Promise<OwnDatabase> {
  const place = await makeDatabase(engine, most)
  try {
    const store = await openDeviceStore(place.url)
    await store.database.migrate(DISPATCHER_OWNER, DISPATCHER_MIGRATIONS)
    await store.close()
    const driver = await openDriver(place.url)
    await driver.query('INSERT INTO app (id, topic) VALUES (?, ?)', [APP_ID, APP])
    await driver.close()
    return place
  } catch (error) {
    await place.remove()
    throw error
  }
}

/** Adds devices with attributes; without the pairs of these, which only filters read. */
export async function addDevices(url: string, from: number, to: number): Promise<void> {
  const devices = new Devices(to)
  const driver = await openDriver(url)
  if (driver.engine === 'sqlite') await driver.query(`PRAGMA cache_size = -${LOADING_CACHE_KIB}`)
  await fillTable(driver, { head: DEVICE_HEAD, count: to - from, row: (at) => deviceRow(devices, from + at, 0) })
  await settle(driver)
  await driver.close()
}

/** The tables of the loop that is written by hand. */
export async function makeByHand(url: string, count: number): Promise<void> {
  const devices = new Devices(count)
  const driver = await openDriver(url)
  const token = 'token CHAR(64) CHARACTER SET ascii NOT NULL'
  await driver.query(
    `CREATE TABLE by_hand_device (id BIGINT NOT NULL PRIMARY KEY, ${token}, badge INT NOT NULL, UNIQUE KEY (token))`,
  )
  await driver.query(`CREATE TABLE by_hand_log (${token}, status INT NOT NULL)`)
  const head = 'INSERT INTO by_hand_device (id, token, badge) VALUES'
  await fillTable(driver, { head, count, row: (number) => [number + 1, devices.token(number), 0] })
  await driver.close()
}
