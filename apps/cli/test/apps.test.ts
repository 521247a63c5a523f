import { generateKeyPairSync } from 'node:crypto'
import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { createCertificates, type Script } from '@lhspn/apns-simulator'
import { beforeAll, expect, test } from 'vitest'

import { gatewayInstallation, lhspn, objectsOf, simulatedInstallation, temporaryDirectory, tokenOf } from './lhspn.ts'

let certificates: Awaited<ReturnType<typeof createCertificates>>
beforeAll(async () => {
  certificates = await createCertificates()
})

const KEY = 'AuthKey_ABC123DEFG.p8'
const TEAM = 'DEF123GHIJ'

function signingKey(namedCurve: string): string {
  return generateKeyPairSync('ec', { namedCurve }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
}

/** A directory with an empty configuration, a certificate in three shapes, and signing keys. */
async function directoryWithCertificates(): Promise<string> {
  const directory = await temporaryDirectory()
  await writeFile(join(directory, 'lhspn.toml'), '# mine\n[sender]\nattempts = 3')
  await writeFile(join(directory, 'push.pem'), certificates.client)
  await writeFile(join(directory, 'old.p12'), certificates.p12('hush', 'legacy'))
  await writeFile(join(directory, 'pass'), 'hush\n')
  await writeFile(join(directory, KEY), signingKey('P-256'))
  await writeFile(join(directory, 'plain.p8'), signingKey('P-256'))
  await writeFile(join(directory, 'AuthKey_CURVE00384.p8'), signingKey('P-384'))
  return directory
}

/** Nobody listens there: it can be configured, and is not proven. */
const server = ['--gateway', '127.0.0.1:1', '--feedback', '127.0.0.1:2']

test('add writes a block behind what is there; list shows it', async () => {
  const cwd = await directoryWithCertificates()
  const added = await lhspn(['apps', 'add', 'com.example.app', '--certificate', 'push.pem', ...server], { cwd })
  expect(added).toMatchObject({ code: 0, stdout: expect.stringMatching(/^added com\.example\.app to lhspn\.toml\n/) })
  expect(added.stdout).toMatch(/\n {2}certificate ok · until \d{4}-\d\d-\d\d · not proven\n/)
  expect(added.stderr).toContain('warning: production: 127.0.0.1:1')
  expect(await readFile(join(cwd, 'lhspn.toml'), 'utf8')).toBe(`# mine
[sender]
attempts = 3

[[apps]]
topic = "com.example.app"
certificate = "push.pem"
gateway = "127.0.0.1:1"
feedback = "127.0.0.1:2"
`)
  const listed = await lhspn(['apps', 'list', '--json'], { cwd })
  expect(objectsOf(listed)).toEqual([
    {
      topic: 'com.example.app',
      environments: {
        production: {
          interface: 'gateway',
          credential: 'certificate',
          expiresAt: expect.stringMatching(/^\d{4}-/),
          gateway: '127.0.0.1:1',
          feedback: '127.0.0.1:2',
        },
      },
    },
  ])
  const text = await lhspn(['apps', 'list'], { cwd })
  expect(text.stdout).toMatch(
    /\ncom\.example\.app +production +gateway +127\.0\.0\.1:1 +127\.0\.0\.1:2 +certificate until \d{4}-/,
  )
})

/** A simulated Apple, an empty configuration, and the flags of its key and its addresses. */
async function keyInstallation(script: Script = {}) {
  const { directory, simulator, key } = await simulatedInstallation(script)
  const {
    provider,
    signingKey: { teamId, keyId },
  } = simulator
  await writeFile(join(directory, 'own.toml'), '')
  const flags = [
    '--key',
    key,
    '--team',
    teamId,
    '--provider',
    provider,
    '--sandbox-provider',
    provider,
    '--ca',
    'ca.pem',
  ]
  const add = (...more: string[]) =>
    lhspn(['--config', 'own.toml', ...more, 'apps', 'add', 'com.example.app', ...flags], { cwd: directory })
  return { directory, simulator, add, keyId, teamId, config: join(directory, 'own.toml') }
}

test('add --key proves that the key is taken, writes the block, and what it writes sends', async () => {
  const { config, simulator, add, keyId, teamId } = await keyInstallation()
  const { provider } = simulator
  expect(await add()).toMatchObject({
    code: 0,
    stdout: `added com.example.app to own.toml
  key ok (P-256) · key id ${keyId} · taken in production and sandbox · topic: proven by the first real send
`,
  })
  expect(await readFile(config, 'utf8')).toBe(`
[[apps]]
topic = "com.example.app"
teamId = "${teamId}"
key = "AuthKey_${keyId}.p8"
provider = "${provider}"
sandboxProvider = "${provider}"
ca = "ca.pem"
`)
  const listed = await lhspn(['--config', config, 'apps', 'list'])
  expect(listed.stdout).toContain(`com.example.app  sandbox      provider-api  ${provider}  -         key ${keyId}\n`)
  const sent = await lhspn(['--config', config, 'send', '--environment', 'sandbox', '--to', tokenOf(1), 'Hello'])
  expect(sent.code).toBe(0)
  expect(simulator.journal.acceptedTimes(tokenOf(1))).toBe(1)
  expect(simulator.journal.violations()).toEqual([])
})

test('add writes nothing where no environment takes the key: exit 5, and what to do', async () => {
  const refusing = { provider: { rules: [{ when: {}, do: { status: 403, reason: 'InvalidProviderToken' } }] } }
  const { config, add } = await keyInstallation(refusing)
  const ended = await add()
  expect(ended).toMatchObject({ code: 5, stdout: '' })
  expect(ended.stderr).toMatch(
    /\n {2}production: .*InvalidProviderToken[\s\S]*\n {2}sandbox: [\s\S]*Check key id, team id/,
  )
  expect(await readFile(config, 'utf8')).toBe('')
  const json = await add('--json')
  expect(JSON.parse(json.stderr)).toMatchObject({ code: 'refused-credentials', status: 422 })
})

test('add writes where one environment takes the key, and warns of the other', async () => {
  const once = { when: {}, times: 1, do: { status: 403, reason: 'BadEnvironmentKeyIdInToken' } }
  const { config, add, keyId } = await keyInstallation({ provider: { rules: [once] } })
  const ended = await add()
  expect(ended.code).toBe(0)
  expect(ended.stdout).toMatch(new RegExp(`key id ${keyId} · taken in (production|sandbox) · topic`))
  expect(ended.stderr).toMatch(/warning: (production|sandbox): .*BadEnvironmentKeyIdInToken.*other/)
  expect(await readFile(config, 'utf8')).toContain('[[apps]]')
})

test('add --certificate alone goes to the provider API', async () => {
  const { directory, simulator, certificate } = await simulatedInstallation()
  const { provider } = simulator
  const config = join(directory, 'own.toml')
  await writeFile(config, '')
  const flags = ['--certificate', certificate, '--provider', provider, '--sandbox-provider', provider, '--ca', 'ca.pem']
  const args = ['--json', '--config', config, 'apps', 'add', 'com.example.app', ...flags]
  const added = await lhspn(args, { cwd: directory })
  expect([added.code, added.stderr]).toEqual([0, ''])
  expect(objectsOf(added)).toEqual([
    {
      topic: 'com.example.app',
      environments: {
        production: expect.objectContaining({ interface: 'provider-api', credential: 'certificate', provider }),
        sandbox: expect.objectContaining({ interface: 'provider-api' }),
      },
      probes: {
        production: expect.objectContaining({ credentials: expect.objectContaining({ taken: true }) }),
        sandbox: expect.objectContaining({ interface: 'provider-api' }),
      },
    },
  ])
})

test('add converts an old .p12 to PEM that its owner alone can read, and what it writes sends', async () => {
  const { directory, simulator } = await gatewayInstallation()
  const config = join(directory, 'own.toml')
  await writeFile(config, '')
  await writeFile(join(directory, 'old.p12'), simulator.certificates.p12('hush', 'legacy'))
  await writeFile(join(directory, 'pass'), 'hush\n')
  const flags = [
    '--certificate',
    'old.p12',
    '--passphrase-file',
    'pass',
    '--gateway',
    simulator.gateway,
    '--ca',
    'ca.pem',
  ]
  const added = await lhspn(['--config', 'own.toml', 'apps', 'add', 'com.example.app', ...flags], { cwd: directory })
  expect(added).toMatchObject({ code: 0, stderr: expect.stringContaining('Converted to old.pem') })
  expect((await stat(join(directory, 'old.pem'))).mode & 0o777).toBe(0o600)
  expect(await readFile(config, 'utf8')).not.toContain('pass')
  const sent = await lhspn(['--config', config, 'send', '--to', tokenOf(1), 'Hello'])
  expect(sent.code).toBe(0)
  expect(simulator.journal.acceptedTimes(tokenOf(1))).toBe(1)
})

test.for([
  ['no credentials', [], ['--key: missing']],
  ['a gateway without a certificate', server, ['--certificate: missing']],
  ['a key without its team', ['--key', KEY], ['--team: missing']],
  ['a key of no known id', ['--key', 'plain.p8', '--team', TEAM], ['--key-id: missing']],
  [
    'a team id that is that of the key, and what is none',
    ['--key', KEY, '--team', 'ABC123DEFG', '--sandbox-key', 'plain.p8', '--sandbox-key-id', 'x'],
    ['--team: ', '--sandbox-key-id: must be a key id'],
  ],
  ['a key that is none', ['--key', 'push.pem', '--key-id', 'ABC123DEFG', '--team', TEAM], ['--key: push.pem: ']],
  ['a key of another curve', ['--key', 'AuthKey_CURVE00384.p8', '--team', TEAM], ['--key: AuthKey_CURVE00384.p8: ']],
  ['a key that is not there', ['--key', 'AuthKey_NOTHERE000.p8', '--team', TEAM], ['--key: cannot be read']],
  ['a key for a gateway', ['--key', KEY, '--team', TEAM, ...server], ['--key: ']],
  ['both a key and a certificate', ['--key', KEY, '--team', TEAM, '--certificate', 'push.pem'], ['--certificate: ']],
  ['a certificate that is not there', ['--certificate', 'none.pem', ...server], ['--certificate: cannot be read']],
  ['what is no certificate', ['--certificate', 'pass', ...server], ['--certificate: pass: ']],
  [
    'a wrong passphrase',
    ['--certificate', 'old.p12', '--passphrase-file', 'lhspn.toml', ...server],
    ['--certificate: old.p12: '],
  ],
  [
    'addresses that are none, and a CA that is not there',
    ['--certificate', 'push.pem', '--gateway', 'push', '--feedback', 'push:0', '--ca', 'none.pem'],
    ['--ca: cannot be read', '--gateway: must be HOST:PORT, not "push"', '--feedback: must be HOST:PORT, not "push:0"'],
  ],
] as const)('add refuses %s, every fault at once: exit 2, nothing written', async ([, flags, faults]) => {
  const cwd = await directoryWithCertificates()
  const before = await readdir(cwd)
  const ended = await lhspn(['apps', 'add', 'com.example.app', ...flags], { cwd })
  expect(ended).toMatchObject({ code: 2, stdout: '' })
  for (const fault of faults) expect(ended.stderr).toContain(`\n  ${fault}`)
  expect(ended.stderr).not.toContain('hush')
  expect(await readdir(cwd)).toEqual(before)
  expect(await readFile(join(cwd, 'lhspn.toml'), 'utf8')).not.toContain('apps')
})

test('add refuses the certificate of another app, an expired one, and an app that is there already', async () => {
  const cwd = await directoryWithCertificates()
  const expired = await createCertificates({ clientExpiresAt: new Date(Date.now() - 86_400_000) })
  await writeFile(join(cwd, 'expired.pem'), expired.client)
  const foreign = await lhspn(['apps', 'add', 'com.example.other', '--certificate', 'push.pem', ...server], { cwd })
  expect(foreign).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('is for com.example.app, not for com.example.other'),
  })
  const late = await lhspn(['apps', 'add', 'com.example.app', '--certificate', 'expired.pem', ...server], { cwd })
  expect(late).toMatchObject({ code: 2, stderr: expect.stringContaining('expired.pem has expired on') })
  const add = ['apps', 'add', 'com.example.app', '--certificate', 'push.pem', ...server]
  await lhspn(add, { cwd })
  const again = await lhspn(add, { cwd })
  expect(again).toMatchObject({
    code: 2,
    stderr: expect.stringContaining('TOPIC: com.example.app has a block already'),
  })
})

test('add does not overwrite a PEM file that is there', async () => {
  const cwd = await directoryWithCertificates()
  await writeFile(join(cwd, 'old.pem'), 'mine')
  const flags = ['--certificate', 'old.p12', '--passphrase-file', 'pass', ...server]
  const ended = await lhspn(['apps', 'add', 'com.example.app', ...flags], { cwd })
  expect(ended).toMatchObject({ code: 2, stderr: expect.stringContaining('which is there already') })
  expect(await readFile(join(cwd, 'old.pem'), 'utf8')).toBe('mine')
})

test('without a configuration add points to init, and list says that there is nothing', async () => {
  const cwd = await temporaryDirectory()
  const added = await lhspn(['apps', 'add', 'com.example.app', '--certificate', 'x', ...server], { cwd })
  expect(added).toMatchObject({ code: 2, stderr: expect.stringContaining('lhspn init') })
  expect(await lhspn(['apps', 'list'], { cwd })).toMatchObject({ code: 0, stdout: '' })
})

test('list names the fault of a certificate that cannot be used', async () => {
  const cwd = await temporaryDirectory()
  await writeFile(join(cwd, 'lhspn.toml'), '[[apps]]\ntopic = "com.example.app"\nsandboxGateway = "push:1"\n')
  const ended = await lhspn(['apps', 'list'], { cwd })
  expect(ended).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('com.example.app has no certificate in sandbox'),
  })
})
