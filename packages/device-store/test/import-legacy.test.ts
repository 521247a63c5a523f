import { openDatabase } from '@lhspn/database'
import { freshMysqlUrl } from '@lhspn/test-servers/vitest'
import { describe, expect, onTestFinished, test } from 'vitest'

import type { LegacyReport } from '../src/index.ts'
import { ENGINES, openStore } from './engines.ts'

const APP = 'com.example.app'
const A = 'aa'.repeat(32)
const B = 'bb'.repeat(32)
const C = 'cc'.repeat(31)

type Row = readonly [
  token: string,
  userInfo: string | null,
  osVersion: string | null,
  isDev: number,
  badge: number,
  updatedAt: number,
  createdAt: number,
]

/** The table as LHSPNservice made it. */
async function legacyTable(rows: readonly Row[]) {
  const url = await freshMysqlUrl()
  const database = await openDatabase(url)
  onTestFinished(() => database.close())
  await database.execute(`CREATE TABLE LHSPNservice_devices (
    token varchar(64) NOT NULL, userInfo text, OSVersion varchar(255), isDev tinyint(1) NOT NULL DEFAULT 0,
    badge int(11) NOT NULL DEFAULT 0, updatedAt int(11) NOT NULL DEFAULT 0, createdAt int(11) NOT NULL DEFAULT 0,
    PRIMARY KEY (token)) ENGINE=MyISAM DEFAULT CHARSET=utf8`)
  const add = (more: readonly Row[]) =>
    database.executeMany('INSERT INTO LHSPNservice_devices VALUES (?, ?, ?, ?, ?, ?, ?)', more)
  await add(rows)
  return { url, database, add }
}

describe.for(ENGINES)('into $engine', ({ freshUrl }) => {
  test('an old table comes over as it is; what cannot is reported, and no device is dropped', async () => {
    const { url } = await legacyTable([
      [A.toUpperCase(), '{"plan":"pro","n":1,"ok":true}', 'iOS', 0, 3, 1_600_000_000, 1_500_000_000],
      [B, '{"deep":{"a":[1]},"gone":null}', 'iOS 7.1', 1, -2, 1_600_000_000, 0],
      [` ${C}`, '{not json', '10.2.1', 0, 0, 0, 1_400_000_000],
      ['zz', '{}', '', 0, 0, 1, 1],
      ['abc', '{}', '', 0, 0, 1, 1],
      ['', '{}', '', 0, 0, 1, 1],
      ['dd', '["list"]', 'Android 4.4', 0, 2_147_483_647, 0, 0],
      ['ee', null, null, 0, 0, 1, 1],
    ])
    const store = await openStore(await freshUrl())
    const reports: LegacyReport[] = []
    const result = await store.importLegacy(url, { app: APP, onReport: (report) => reports.push(report) })
    expect(result).toEqual({ saved: 5, unchanged: 0, refused: 3 })
    expect(await store.get(APP, A)).toMatchObject({
      environment: 'production',
      platform: 'ios',
      osVersion: '',
      badge: 3,
      attributes: { plan: 'pro', n: 1, ok: true },
      createdAt: new Date(1_500_000_000_000),
      updatedAt: new Date(1_600_000_000_000),
    })
    expect(await store.get(APP, B)).toMatchObject({
      environment: 'sandbox',
      platform: 'ios',
      osVersion: '7.1',
      badge: 0,
      attributes: { deep: '{"a":[1]}' },
      createdAt: new Date(1_600_000_000_000),
    })
    expect(await store.get(APP, C)).toMatchObject({
      osVersion: '10.2.1',
      attributes: {},
      updatedAt: new Date(1_400_000_000_000),
    })
    expect(await store.get(APP, 'dd')).toMatchObject({ platform: 'android', osVersion: '4.4', badge: 2_147_483_647 })
    const told = reports.map(({ token, kind, original }) => `${kind} ${token.trim()}: ${original.trim()}`)
    expect(told.toSorted((one, other) => (one < other ? -1 : 1))).toEqual([
      `adjusted ${B}: -2`,
      `adjusted ${B}: {"deep":{"a":[1]},"gone":null}`,
      `adjusted ${B}: {"deep":{"a":[1]},"gone":null}`,
      `adjusted ${C}: {not json`,
      'adjusted dd: ["list"]',
      'refused : ',
      'refused abc: abc',
      'refused zz: zz',
    ])
  })

  test('a second run takes what is newer, and leaves what the new system has changed since', async () => {
    const { url, add, database } = await legacyTable([
      [A, '{}', '', 0, 1, 1_600_000_000, 1],
      [B, '{}', '', 0, 1, 1_600_000_000, 1],
    ])
    const store = await openStore(await freshUrl())
    await store.importLegacy(url, { app: APP })
    await store.incrementBadge(APP, [A])
    await add([[C, '{}', '', 0, 0, 1_600_000_100, 1]])
    await database.execute('UPDATE LHSPNservice_devices SET updatedAt = 1600000200, badge = 9 WHERE token = ?', [B])
    expect(await store.importLegacy(database, { app: APP })).toEqual({ saved: 2, unchanged: 1, refused: 0 })
    expect((await store.getMany(APP, [A, B, C])).map((device) => device?.badge)).toEqual([2, 9, 0])
  })

  test('a table of several pages comes over whole', async () => {
    const rows = Array.from({ length: 12_001 }, (_, n): Row => [
      n.toString(16).padStart(8, '0'),
      `{"n":${n}}`,
      '',
      0,
      0,
      1,
      1,
    ])
    const { url, add, database } = await legacyTable([])
    await database.execute('ALTER TABLE LHSPNservice_devices ENGINE=InnoDB')
    await database.transaction((transaction) =>
      transaction.executeMany('INSERT INTO LHSPNservice_devices VALUES (?, ?, ?, ?, ?, ?, ?)', rows),
    )
    await add([])
    const store = await openStore(await freshUrl())
    expect(await store.importLegacy(url, { app: APP })).toEqual({ saved: 12_001, unchanged: 0, refused: 0 })
    expect(await store.count({ app: APP })).toBe(12_001)
    expect(await store.count({ app: APP, filter: ['n', 11_999] })).toBe(1)
  })
})

test('a name that is no name of a table is refused', async () => {
  const store = await openStore('sqlite::memory:')
  await expect(store.importLegacy('sqlite::memory:', { app: APP, table: 'x`; DROP' })).rejects.toMatchObject({
    code: 'invalid-table',
  })
  await expect(store.importLegacy('sqlite::memory:', { app: APP })).rejects.toMatchObject({ code: 'failed' })
})
