import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { lhspn, objectsOf, Running, temporaryDirectory } from './lhspn.ts'

test.for([
  [[], 13],
  [['demo'], 1],
  [['init'], 1],
  [['doctor'], 1],
  [['serve'], 1],
  [['devices'], 5],
  [['devices', 'list'], 1],
  [['devices', 'show'], 1],
  [['devices', 'save'], 1],
  [['devices', 'delete'], 1],
  [['devices', 'import'], 1],
  [['keys'], 3],
  [['keys', 'list'], 1],
  [['keys', 'create'], 1],
  [['keys', 'delete'], 1],
  [['migrate'], 1],
  [['apps'], 2],
  [['apps', 'list'], 1],
  [['apps', 'add'], 1],
  [['send'], 1],
  [['work'], 1],
  [['pushes'], 3],
  [['pushes', 'list'], 1],
  [['pushes', 'show'], 1],
  [['pushes', 'notifications'], 1],
  [['pushes', 'pause'], 1],
  [['pushes', 'resume'], 1],
  [['pushes', 'cancel'], 1],
  [['feedback'], 1],
  [['explain'], 1],
  [['simulator'], 1],
  [['config'], 1],
] as const)('lhspn %s --help starts with three examples and lists the global flags', async ([command]) => {
  const { code, stdout, stderr } = await lhspn([...command, '--help'])
  expect([code, stderr]).toEqual([0, ''])
  const lines = stdout.split('\n')
  expect(lines[0]).toBe('Examples:')
  expect(lines.slice(1, 4).every((line) => line.startsWith('  lhspn '))).toBe(true)
  expect(lines[4]).toBe('')
  for (const flag of ['config <FILE>', 'json', 'quiet', 'verbose', 'no-color', 'no-input', 'help', 'version']) {
    expect(stdout).toContain(`--${flag}`)
  }
})

test('lhspn alone prints the help on stderr: exit 2', async () => {
  expect(await lhspn([])).toMatchObject({ code: 2, stdout: '', stderr: expect.stringMatching(/^Examples:/) })
})

test('--version prints the version of the package', async () => {
  const { version } = JSON.parse(await readFile(new URL('../package.json', import.meta.url), 'utf8')) as {
    version: string
  }
  expect(await lhspn(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' })
})

test.for([
  [['sned', 'Hello'], "unknown command 'sned'; did you mean send?"],
  [['send', '--tittle', 'x'], "unknown option '--tittle'; did you mean --title?"],
  [['--jsn', 'config'], "unknown option '--jsn'; did you mean --json?"],
  [['apps', 'lst'], "unknown command 'lst'; did you mean list?"],
  [['apps', 'add', '--certificat', 'x'], "unknown option '--certificat'; did you mean --certificate?"],
  [['explain', 'InvalidTokn'], 'There is no reason InvalidTokn; did you mean InvalidToken?'],
  [['devices', 'lst'], "unknown command 'lst'; did you mean list?"],
  [['send', '--wher', 'a=b', 'Hello'], "unknown option '--wher'; did you mean --where?"],
  [['keys', 'create'], "required option '--scope <SCOPE>' not specified"],
  [['explain'], "missing required argument 'THING'"],
  [['explain', '8', '9'], 'too many arguments for'],
  [['explain', '99'], 'There is no gateway status 99'],
] as const)('%s is refused with the nearest right word: exit 2', async ([args, message]) => {
  const { code, stdout, stderr } = await lhspn(args)
  expect([code, stdout]).toEqual([2, ''])
  expect(stderr).toContain(`error: ${message}`)
})

test('--json: a mistyped flag is a problem object', async () => {
  const { code, stderr } = await lhspn(['--json', 'config', '--al'])
  expect(code).toBe(2)
  expect(JSON.parse(stderr)).toMatchObject({ type: '/problems/invalid-request', code: 'invalid-input', status: 400 })
})

test('explain knows statuses by number and by name, whatever its case, and our own reasons', async () => {
  const [byNumber, byName, own, ofHttp] = await Promise.all([
    lhspn(['explain', '8']),
    lhspn(['explain', 'invalidtoken']),
    lhspn(['--json', 'explain', 'ConnectionLost']),
    lhspn(['explain', '410']),
  ])
  expect(byNumber.stdout).toMatch(
    /^InvalidToken {2}status 8 of the gateway, about the token\n {2}what it means .+\n {2}what to do .+\n$/,
  )
  expect(byName).toEqual(byNumber)
  expect(objectsOf(own)).toEqual([
    { reason: 'ConnectionLost', about: 'unconfirmed', meaning: expect.any(String), remedy: expect.any(String) },
  ])
  expect(ofHttp).toMatchObject({ code: 2, stderr: expect.stringContaining('ExpiredToken, Unregistered') })
})

test('explain knows the reasons of the provider API; what both interfaces call the same is told twice', async () => {
  const [unregistered, shutdown] = await Promise.all([
    lhspn(['explain', 'Unregistered']),
    lhspn(['--json', 'explain', 'shutdown']),
  ])
  expect(unregistered.stdout).toMatch(/^Unregistered {2}status 410 of the provider API, about the token\n/)
  expect(objectsOf(shutdown)).toEqual([
    expect.objectContaining({ reason: 'Shutdown', interface: 'gateway', status: 10, about: 'service' }),
    expect.objectContaining({ reason: 'Shutdown', interface: 'provider-api', status: 503, about: 'service' }),
  ])
})

test.runIf(process.platform === 'linux').for([
  { name: 'as it is', args: [], variables: {}, colours: true },
  { name: '--no-color', args: ['--no-color'], variables: {}, colours: false },
  { name: 'NO_COLOR', args: [], variables: { NO_COLOR: '1' }, colours: false },
  { name: 'TERM=dumb', args: [], variables: { TERM: 'dumb' }, colours: false },
])('on a terminal, $name: colours $colours', async ({ args, variables, colours }) => {
  const ended = await new Running([...args, 'explain', '8'], { terminal: true, variables }).ended()
  expect(ended.stdout.includes('\u001b[1mInvalidToken\u001b[22m')).toBe(colours)
  expect(ended.stdout.includes('\u001b')).toBe(colours)
})

test('config shows each key with value and origin; secrets are redacted', async () => {
  const directory = await temporaryDirectory()
  const config = join(directory, 'lhspn.toml')
  await writeFile(config, '[sender]\nattempts = 2\n[[apps]]\ntopic = "com.example.app"\ncertificate = "push.pem"\n')
  const variables = {
    LHSPN_CONFIG: config,
    LHSPN_APP_PASSPHRASE: 'hush',
    LHSPN_SENDER_QUIET_TIME: '5s',
    LHSPN_ADMIN_KEY: 'hush'.repeat(8),
    LHSPN_DATABASE_URL: 'mysql://push:hush@db/lhspn',
  }
  const ended = await lhspn(['config'], { variables })
  expect(ended.code).toBe(0)
  expect(ended.stdout).toMatch(/^key +value +origin\n/)
  expect(ended.stdout).toMatch(/\nsender\.connections +4 +default\n/)
  expect(ended.stdout).toMatch(/\nsender\.attempts +2 +file\n/)
  expect(ended.stdout).toMatch(/\nsender\.quietTime +5s +environment LHSPN_SENDER_QUIET_TIME\n/)
  expect(ended.stdout).toMatch(/\napps\[0\]\.passphrase +\[redacted\] +environment LHSPN_APP_PASSPHRASE\n/)
  expect(ended.stdout).toMatch(/\nadminKey +\[redacted\] +environment LHSPN_ADMIN_KEY\n/)
  expect(ended.stdout).toMatch(/\ndatabase\.url +mysql:\/\/push:\[redacted\]@db\/lhspn +environment/)
  expect(ended.stdout + ended.stderr).not.toContain('hush')
  const json = await lhspn(['config', '--json', '--verbose'], { variables })
  expect(objectsOf(json)).toContainEqual({ key: 'sender.attempts', value: 2, origin: 'file', from: config })
  expect(objectsOf(json)).toContainEqual({ key: 'log.level', value: 'debug', origin: 'flag' })
  expect(json.stderr).toBe('')
})

test('broken configuration: exit 5, every fault, the nearest right key', async () => {
  const directory = await temporaryDirectory()
  await writeFile(join(directory, 'lhspn.toml'), '[sender]\nconections = 4\nattempts = 0\n')
  const ended = await lhspn(['config'], { cwd: directory })
  expect(ended.code).toBe(5)
  expect(ended.stderr).toContain('  sender.conections: no such key; did you mean sender.connections?\n')
  expect(ended.stderr).toContain('  sender.attempts: must be a whole number from 1 to 100, not 0\n')
  const json = await lhspn(['config', '--json'], { cwd: directory })
  expect(JSON.parse(json.stderr)).toMatchObject({
    code: 'invalid-configuration',
    errors: [{ key: 'sender.conections' }, { key: 'sender.attempts' }],
  })
})

test('a configuration file that is named must be there: exit 5', async () => {
  const ended = await lhspn(['config', '--config', 'none.toml'], { cwd: await temporaryDirectory() })
  expect(ended).toMatchObject({ code: 5, stderr: expect.stringContaining('none.toml') })
})

test('init writes a configuration in which every key shows its default, and overwrites nothing', async () => {
  const directory = await temporaryDirectory()
  const file = join(directory, 'lhspn.toml')
  expect(await lhspn(['init'], { cwd: directory })).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^wrote lhspn\.toml\ndatabase sqlite:lhspn\.db\nadmin key lhk_admin_\w{40}\n$/),
  })
  const text = await readFile(file, 'utf8')
  const defaults = await lhspn(['config', '--json'], { cwd: directory })
  // what is commented out is what holds without it; where it is an example, there is no default
  const whole = text
    .replaceAll(/^# (\w+ = )/gm, '$1')
    .replace(/\napp = .*/, '')
    .replace(/\nproxy = .*/, '')
    .replace(/\nurl = "redis:.*/, '')
    .replace(/\ntopic[\s\S]*/, '')
  await writeFile(file, whole)
  const written = await lhspn(['config', '--json'], { cwd: directory })
  expect(written.stderr).toBe('')
  const empty = { key: 'server.trustProxy', value: '[]', origin: '', from: '' }
  expect(valuesOf(objectsOf(written)).filter((setting) => (setting as typeof empty).key !== empty.key)).toEqual(
    valuesOf(objectsOf(defaults)),
  )
  expect(valuesOf(objectsOf(written))).toContainEqual(empty)
  await writeFile(file, 'mine')
  expect(await lhspn(['init'], { cwd: directory })).toMatchObject({ code: 2, stdout: '' })
  expect(await readFile(file, 'utf8')).toBe('mine')
})

test('the template of init names every key that a file may have', async () => {
  const directory = await temporaryDirectory()
  await lhspn(['init'], { cwd: directory })
  const text = await readFile(join(directory, 'lhspn.toml'), 'utf8')
  const { stdout } = await lhspn(['config', '--json'], { cwd: directory })
  const keys = objectsOf({ code: 0, stdout, stderr: '' }).map((setting) => (setting as { key: string }).key)
  for (const key of [...keys, 'server.trustProxy', 'legacy.app', 'sender.proxy', 'queue.url', ...APP_KEYS]) {
    expect(text).toMatch(new RegExp(`\n(# )?${key.replace(/.*\./, '')} = `))
  }
})

test('init makes the first admin key once: a database that has keys gets no other', async () => {
  const directory = await temporaryDirectory()
  const variables = { LHSPN_DATABASE_URL: `sqlite:${join(directory, 'shared.db')}` }
  const first = await lhspn(['--json', '--config', join(directory, 'one.toml'), 'init'], { variables })
  const second = await lhspn(['--json', '--config', join(directory, 'two.toml'), 'init'], { variables })
  expect(objectsOf(first)).toEqual([
    {
      config: join(directory, 'one.toml'),
      database: variables.LHSPN_DATABASE_URL,
      key: expect.stringMatching(/^lhk_admin_/),
    },
  ])
  expect(objectsOf(second)).toEqual([{ config: join(directory, 'two.toml'), database: variables.LHSPN_DATABASE_URL }])
})

test('init without its database: exit 6, with the configuration written and what comes next', async () => {
  const directory = await temporaryDirectory()
  const variables = { LHSPN_DATABASE_URL: 'mysql://root@127.0.0.1:1/none' }
  const ended = await lhspn(['init'], { cwd: directory, variables })
  expect(ended).toMatchObject({ code: 6, stdout: 'wrote lhspn.toml\n' })
  expect(ended.stderr).toContain('lhspn keys create --scope admin')
})

const APP_KEYS = [
  'topic teamId key keyId sandboxKey sandboxKeyId certificate sandboxCertificate passphraseFile provider',
  'sandboxProvider gateway feedback sandboxGateway sandboxFeedback ca trustedAttributes',
].flatMap((names) => names.split(' '))

/** Settings without where they came from. */
function valuesOf(settings: unknown[]): unknown[] {
  return settings.map((setting) => ({ ...(setting as object), origin: '', from: '' }))
}
