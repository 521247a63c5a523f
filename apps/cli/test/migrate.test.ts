import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { openDatabase } from '@lhspn/service'
import { freshMysqlUrl } from '@lhspn/test-servers/vitest'
import { expect, test } from 'vitest'

import { forEachCase, lhspn, objectsOf, gatewayInstallation, tokenOf } from './lhspn.ts'

test('brings an empty database up to date, tells what it did, and then has nothing to do', async () => {
  const { config } = await gatewayInstallation()
  const before = await lhspn(['--config', config, 'migrate', '--status'])
  expect(before).toMatchObject({
    code: 0,
    stderr: '',
    stdout: expect.stringMatching(/\ndevice-store +0 +\d+ +due: 0001/),
  })
  const again = await lhspn(['--config', config, '--json', 'migrate', '--status'])
  expect(objectsOf(again)[0]).toMatchObject({ owner: 'device-store', version: 0 })
  const done = await lhspn(['--config', config, '--json', 'migrate'])
  expect(objectsOf(done)[0]).toMatchObject({ applied: [expect.stringMatching(/^0001/)], pending: [] })
  const after = await lhspn(['--config', config, 'migrate'])
  expect(after.stdout).toMatch(/\ndevice-store +1 +1 +current\ndispatcher +1 +1 +current\nservice +1 +1 +current\n$/)
})

/** The old table as LHSPNservice made it, with what years have left in it. */
async function legacyTable(url: string, name = 'LHSPNservice_devices'): Promise<void> {
  const database = await openDatabase(url)
  await database.execute(`CREATE TABLE ${name} (
    token varchar(64) NOT NULL, badge int(11) DEFAULT 0, OSVersion varchar(10), isDev tinyint(1) DEFAULT 0,
    userInfo text, updatedAt int(11), createdAt int(11), PRIMARY KEY (token)
  ) ENGINE=MyISAM DEFAULT CHARSET=latin1`)
  const rows: [string, number, string, number, string | null, number, number][] = [
    [tokenOf(1), 3, 'iOS 7.1', 0, '{"plan":"pro","age":31}', 1_400_000_000, 1_300_000_000],
    [tokenOf(2).toUpperCase(), 0, '7.0', 1, '{}', 1_400_000_001, 0],
    [tokenOf(3), -4, 'iOS', 0, '{"plan":"pro"', 1_400_000_002, 1_300_000_000],
    [tokenOf(4), 0, 'Mac OS X', 0, '{"tags":["a","b"],"lang":"de"}', 1_400_000_003, 1_300_000_000],
    ['no device token', 0, 'iOS', 0, '{}', 1_400_000_004, 1_300_000_000],
    [tokenOf(5), 0, '', 0, null, 0, 0],
  ]
  for (const row of rows) await database.execute(`INSERT INTO ${name} VALUES (?, ?, ?, ?, ?, ?, ?)`, row)
  await database.close()
}

test.for([
  { into: 'SQLite', databaseUrl: async () => 'sqlite:lhspn.db' },
  { into: 'MariaDB', databaseUrl: freshMysqlUrl },
])('a MyISAM table of LHSPNservice is imported into $into as it is', async ({ databaseUrl }) => {
  const legacy = await freshMysqlUrl()
  await legacyTable(legacy)
  const { config } = await gatewayInstallation({}, { databaseUrl: await databaseUrl() })
  const ended = await lhspn(['--config', config, 'migrate', '--legacy', legacy, '--app', 'com.example.app'])
  expect(ended).toMatchObject({ code: 0, stdout: 'saved 5 · unchanged 0 · refused 1\n' })
  const lines = ended.stderr.trimEnd().split('\n')
  expect(lines).toEqual([
    expect.stringMatching(/^adjusted "ab0000…0003": The badge is out of range/),
    expect.stringMatching(/^adjusted "ab0000…0003": userInfo is no JSON object: left out\. It was "\{\\"plan\\":/),
    expect.stringMatching(/^adjusted "ab0000…0004": userInfo\.tags is nested: kept as its JSON text\./),
    expect.stringMatching(/^refused "no dev…oken": /),
    expect.stringMatching(/^4 reports above/),
  ])
  const listed = await lhspn(['--config', config, '--json', 'devices', 'list'])
  const devices = new Map(objectsOf(listed).map((device) => [(device as { token: string }).token, device]))
  expect(devices.get(tokenOf(1))).toMatchObject({
    environment: 'production',
    platform: 'ios',
    osVersion: '7.1',
    badge: 3,
    attributes: { plan: 'pro', age: 31 },
    createdAt: '2011-03-13T07:06:40.000Z',
    updatedAt: '2014-05-13T16:53:20.000Z',
  })
  expect(devices.get(tokenOf(2))).toMatchObject({ environment: 'sandbox', createdAt: '2014-05-13T16:53:21.000Z' })
  expect(devices.get(tokenOf(3))).toMatchObject({ badge: 0, attributes: {} })
  expect(devices.get(tokenOf(4))).toMatchObject({ platform: 'macos', attributes: { tags: '["a","b"]', lang: 'de' } })
  expect(devices.size).toBe(5)

  // again, and nothing changes but what has registered since keeps what it is
  await lhspn(['--config', config, 'devices', 'save', tokenOf(1), '--set', 'plan=gold'])
  const again = await lhspn(['--config', config, '--json', 'migrate', '--legacy', legacy])
  expect(objectsOf(again).at(-1)).toEqual({
    app: 'com.example.app',
    saved: 0,
    unchanged: 5,
    refused: 1,
    reports: 4,
  })
  expect(objectsOf(again)).toContainEqual(expect.objectContaining({ kind: 'refused', original: 'no device token' }))
  expect(again.stderr).toBe('')
})

test('another table by its name, with the password in a file', async () => {
  const legacy = await freshMysqlUrl()
  await legacyTable(legacy, 'pushes_old')
  const { config, directory } = await gatewayInstallation()
  await writeFile(join(directory, 'password'), '\n')
  const flags = ['--legacy', legacy, '--table', 'pushes_old', '--legacy-password-file', join(directory, 'password')]
  const ended = await lhspn(['--config', config, '--quiet', 'migrate', ...flags])
  expect(ended).toEqual({ code: 0, stdout: 'saved 5 · unchanged 0 · refused 1\n', stderr: '' })
  const withPassword = 'mysql://root:hush@127.0.0.1:1/db'
  const unreachable = await lhspn(['--config', config, '--verbose', 'migrate', '--legacy', withPassword])
  expect([unreachable.code, JSON.stringify(unreachable).includes('hush')]).toEqual([6, false])
  const missing = await lhspn(['--config', config, 'migrate', '--legacy', legacy])
  expect(missing).toMatchObject({ code: 2, stderr: expect.stringContaining('no table LHSPNservice_devices') })
})

const REFUSED = [
  [['--legacy', 'postgres://x/y'], 2, '--legacy: must be mysql://'],
  [['--legacy', 'mysql://u@h/d', '--table', 'a;b'], 2, '--table: '],
  [['--legacy', 'mysql://u@h/d', '--status'], 2, '--status: cannot stand beside --legacy'],
  [['--app', 'com.example.app'], 2, '--app: belongs to --legacy'],
  [['--table', 'x'], 2, '--table: belongs to --legacy'],
  [['--legacy', 'mysql://u@h/d', '--legacy-password-file', '/none'], 2, '--legacy-password-file: cannot be read'],
  [['--legacy', 'mysql://root@127.0.0.1:1/d'], 6, '127.0.0.1:1'],
  [['--legacy', 'mysql://u@h/d', '--app', 'com.example.ap'], 4, 'did you mean com.example.app?'],
] as const

test('bad flags, unknown apps and databases that cannot be reached have their exit codes', async () => {
  const { config } = await gatewayInstallation()
  await forEachCase(REFUSED, async ([flags, code, text]) => {
    const ended = await lhspn(['--config', config, 'migrate', ...flags])
    expect({ flags, ...ended }).toMatchObject({ flags, code, stdout: '', stderr: expect.stringContaining(text) })
  })
})
