import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { forEachCase, lhspn, objectsOf, register, Running, gatewayInstallation, tokenOf } from './lhspn.ts'

const DEVICES = [
  { token: tokenOf(1), attributes: { plan: 'pro', age: 31, beta: true }, osVersion: '18.1', badge: 3 },
  { token: tokenOf(2), environment: 'sandbox', attributes: { plan: 'free', note: 'a "quoted", comma\nand line' } },
  { token: 'c0ffee', platform: 'macos' },
]

test('save registers a device; once it is known, save changes it, which is no registration', async () => {
  const { config } = await gatewayInstallation()
  const save = (...flags: string[]) => lhspn(['--config', config, '--json', 'devices', 'save', tokenOf(1), ...flags])
  const flags = ['--environment', 'sandbox', '--os-version', '18.1', '--set', 'plan=pro', '--set', 'age:=31']
  const [saved] = objectsOf(await save(...flags)) as { updatedAt: string }[]
  expect(saved).toMatchObject({
    app: 'com.example.app',
    token: tokenOf(1),
    environment: 'sandbox',
    platform: 'ios',
    osVersion: '18.1',
    badge: 0,
    attributes: { plan: 'pro', age: 31 },
    refused: null,
  })
  const [changed] = objectsOf(await save('--set', 'beta:=true', '--unset', 'age', '--badge', '7')) as typeof DEVICES
  expect(changed).toMatchObject({
    environment: 'sandbox',
    badge: 7,
    attributes: { plan: 'pro', beta: true },
    updatedAt: saved?.updatedAt,
  })
  const text = await lhspn(['--config', config, 'devices', 'save', tokenOf(1).toUpperCase()])
  expect(text).toEqual({ code: 0, stdout: `changed ${tokenOf(1)}\n`, stderr: '' })
})

test('show tells everything of a device; of a removed one when and why, exit 4; of no device exit 4', async () => {
  const { config } = await gatewayInstallation()
  await register(config, DEVICES)
  const shown = await lhspn(['--config', config, 'devices', 'show', tokenOf(1)])
  expect(shown).toMatchObject({ code: 0, stderr: '' })
  expect(shown.stdout).toMatch(
    new RegExp(`^${tokenOf(1)}\n {2}app +com.example.app\n {2}environment +production\n {2}platform +ios 18.1\n`),
  )
  expect(shown.stdout).toMatch(/\n {2}attributes +age:=31 beta:=true plan=pro\n/)
  const deleted = await lhspn(['--config', config, 'devices', 'delete', tokenOf(1)])
  expect(deleted).toEqual({ code: 0, stdout: `deleted ${tokenOf(1)}\n`, stderr: '' })
  const again = await lhspn(['--config', config, 'devices', 'delete', tokenOf(1)])
  expect(again).toMatchObject({ code: 0, stdout: '', stderr: expect.stringContaining('no such device') })
  const removed = await lhspn(['--config', config, 'devices', 'show', tokenOf(1)])
  expect(removed).toMatchObject({ code: 4, stdout: expect.stringMatching(/removed \d{4}-.*: somebody asked for it/) })
  const json = await lhspn(['--config', config, '--json', 'devices', 'show', tokenOf(1)])
  expect([json.code, objectsOf(json)]).toEqual([
    4,
    [
      {
        app: 'com.example.app',
        token: tokenOf(1),
        tombstone: { at: expect.stringMatching(/Z$/), cause: 'request', push: null },
      },
    ],
  ])
  const unknown = await lhspn(['--config', config, '--json', 'devices', 'show', tokenOf(9)])
  expect(unknown).toMatchObject({ code: 4, stdout: '' })
  expect(JSON.parse(unknown.stderr)).toMatchObject({ type: '/problems/not-found', code: 'not-found', status: 404 })
})

test('what list --csv and list --json write, import reads: the registry is the same elsewhere', async () => {
  const here = await gatewayInstallation()
  await register(here.config, DEVICES)
  const csv = await lhspn(['--config', here.config, 'devices', 'list', '--csv'])
  const json = await lhspn(['--config', here.config, '--json', 'devices', 'list'])
  expect(objectsOf(json)).toHaveLength(3)
  for (const [name, text] of [
    ['devices.csv', csv.stdout],
    ['devices.ndjson', json.stdout],
  ] as const) {
    const there = await gatewayInstallation()
    await writeFile(join(there.directory, name), text)
    const file = join(there.directory, name)
    const ended = await lhspn(['--config', there.config, 'devices', 'import', file])
    expect(ended).toEqual({ code: 0, stdout: 'saved 3 · unchanged 0 · refused 0\n', stderr: '' })
    const listed = await lhspn(['--config', there.config, '--json', 'devices', 'list'])
    expect(listed.stdout.replaceAll(/"createdAt":"[^"]+"/g, '')).toBe(
      json.stdout.replaceAll(/"createdAt":"[^"]+"/g, ''),
    )
    await register(there.config, [{ token: tokenOf(1), attributes: { plan: 'gold' } }])
    // what registered later than the file was written stays
    const older = await lhspn(['--config', there.config, '--json', 'devices', 'import', file])
    expect(objectsOf(older)).toEqual([expect.objectContaining({ unchanged: expect.any(Number), refused: 0 })])
    const kept = await lhspn(['--config', there.config, '--json', 'devices', 'show', tokenOf(1)])
    expect(objectsOf(kept)).toEqual([expect.objectContaining({ attributes: { plan: 'gold' } })])
  }
})

test('import turns bad rows away with their line, and takes the others: exit 3', async () => {
  const { config } = await gatewayInstallation()
  const rows = [
    { token: tokenOf(1) },
    { token: 'not hex' },
    { token: tokenOf(2), badge: -1 },
    { token: tokenOf(3), app: 'com.example.other' },
  ]
  const input = `${rows.map((row) => JSON.stringify(row)).join('\n')}\n{oops\n`
  const ended = await lhspn(['--config', config, 'devices', 'import', '-'], { input })
  expect(ended).toMatchObject({ code: 3, stdout: 'saved 1 · unchanged 0 · refused 4\n' })
  expect(ended.stderr.split('\n').map((line) => line.slice(0, 8))).toEqual([
    'line 2: ',
    'line 3: ',
    'line 4: ',
    'line 5: ',
    '',
  ])
  const json = await lhspn(['--config', config, '--json', 'devices', 'import', '-'], { input: 'token\nxyz\n' })
  expect(objectsOf(json)).toEqual([{ saved: 0, unchanged: 0, refused: 1 }])
  expect(JSON.parse(json.stderr)).toMatchObject({ errors: [{ line: 2 }] })
})

test.for([
  ['a CSV without a token', 2, 'tokens,badge\n', 'FILE line 1: '],
  ['a file that is not there', 2, undefined, 'cannot be read'],
] as const)('import of %s: exit %i', async ([, code, text, fault]) => {
  const { config, directory } = await gatewayInstallation()
  const file = join(directory, 'devices.csv')
  if (text !== undefined) await writeFile(file, text)
  const ended = await lhspn(['--config', config, 'devices', 'import', file])
  expect(ended).toMatchObject({ code, stdout: '', stderr: expect.stringContaining(fault) })
})

test('import streams: what came is saved when a signal ends it, and it may be run again', async () => {
  const { config, directory } = await gatewayInstallation()
  const rows = Array.from({ length: 5000 }, (_, at) => `${JSON.stringify({ token: tokenOf(at) })}\n`).join('')
  const running = new Running(['--config', config, 'devices', 'import', '-'])
  running.write(rows)
  await untilListed(config)
  running.kill('SIGINT')
  expect(await running.ended()).toMatchObject({ code: 130, stdout: '' })
  const file = join(directory, 'all.ndjson')
  await writeFile(file, rows)
  expect(await lhspn(['--config', config, 'devices', 'import', file])).toMatchObject({ code: 0 })
  const listed = await lhspn(['--config', config, '--json', 'devices', 'list'])
  expect(objectsOf(listed)).toHaveLength(5000)
})

/** Asks until there are devices: another process saves them. */
async function untilListed(config: string): Promise<void> {
  for (;;) {
    const { stdout } = await lhspn(['--config', config, '--json', 'devices', 'list'])
    if (stdout !== '') return
  }
}

test('list chooses by attributes, environment and refused; a pipe gets all of them', async () => {
  const { config } = await gatewayInstallation()
  await register(config, DEVICES)
  const tokens = async (...flags: string[]): Promise<unknown[]> => {
    const ended = await lhspn(['--config', config, '--json', 'devices', 'list', ...flags])
    return objectsOf(ended).map((device) => (device as { token: string }).token)
  }
  expect(await tokens()).toEqual(DEVICES.map(({ token }) => token))
  expect(await tokens('--environment', 'sandbox')).toEqual([tokenOf(2)])
  expect(await tokens('--where', 'age:=31')).toEqual([tokenOf(1)])
  expect(await tokens('--refused', 'true')).toEqual([])
  const text = await lhspn(['--config', config, 'devices', 'list', '--not', 'plan=free'])
  expect(text.stdout.split('\n').map((line) => line.split(/ +/)[0])).toEqual(['token', tokenOf(1), 'c0ffee', ''])
  const none = await lhspn(['--config', config, 'devices', 'list', '--where', 'plan=gold'])
  expect(none).toEqual({ code: 0, stdout: '', stderr: 'No device matches.\n' })
})

test.runIf(process.platform === 'linux')('on a terminal list shows 50 devices and the count', async () => {
  const { config } = await gatewayInstallation()
  await register(
    config,
    Array.from({ length: 60 }, (_, at) => ({ token: tokenOf(at) })),
  )
  const { stdout } = await new Running(['--config', config, 'devices', 'list'], { terminal: true }).ended()
  expect(stdout.match(/^ab0{58}/gm)).toHaveLength(50)
  expect(stdout).toContain('60 devices. The first 50 are shown')
})

const REFUSED = [
  [['save', 'xyz'], 'TOKEN: '],
  [['save', tokenOf(1), '--badge', '-1'], '--badge: '],
  [['save', tokenOf(1), '--badge', 'x'], '--badge: '],
  [['save', tokenOf(1), '--platform', '!'], '--platform: '],
  [['save', tokenOf(1), '--set', 'a'], '--set: '],
  [['save', tokenOf(1), '--set', 'a:={}'], '--set: a: '],
  [['save', tokenOf(1), '--set', 'a:=null'], '--set: a: null is no value'],
  [['save', tokenOf(1), '--set', 'a=1', '--unset', 'a'], '--unset: a is set and unset'],
  [['save', tokenOf(1), '--environment', 'prod'], '--environment: '],
  [['show', 'xyz'], 'TOKEN: '],
  [['delete', 'xyz'], 'TOKEN: '],
  [['list', '--refused', 'yes'], '--refused: '],
  [['list', '--where', 'a'], '--where: '],
] as const

test('bad arguments and flags are refused, and say why: exit 2', async () => {
  const { config } = await gatewayInstallation()
  await forEachCase(REFUSED, async ([args, fault]) => {
    const ended = await lhspn(['--config', config, 'devices', ...args])
    expect({ args, ...ended }).toMatchObject({
      args,
      code: 2,
      stdout: '',
      stderr: expect.stringContaining(`\n  ${fault}`),
    })
  })
})

test('a database that cannot be reached: exit 6; one that is none: exit 5', async () => {
  const { config } = await gatewayInstallation()
  const unreachable = { LHSPN_DATABASE_URL: 'mysql://root@127.0.0.1:1/none' }
  expect(await lhspn(['--config', config, 'devices', 'list'], { variables: unreachable })).toMatchObject({ code: 6 })
  const invalid = { LHSPN_DATABASE_URL: 'mysql://root@127.0.0.1' }
  expect(await lhspn(['--config', config, 'devices', 'list'], { variables: invalid })).toMatchObject({ code: 5 })
  expect(await readFile(config, 'utf8')).toContain('sqlite:')
})
