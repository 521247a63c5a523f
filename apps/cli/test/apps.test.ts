import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { createCertificates } from '@lhspn/apns-simulator'
import { beforeAll, expect, test } from 'vitest'

import { lhspn, objectsOf, gatewayInstallation, temporaryDirectory, tokenOf } from './lhspn.ts'

let certificates: Awaited<ReturnType<typeof createCertificates>>
beforeAll(async () => {
  certificates = await createCertificates()
})

/** A directory with an empty configuration and a certificate in three shapes. */
async function directoryWithCertificates(): Promise<string> {
  const directory = await temporaryDirectory()
  await writeFile(join(directory, 'lhspn.toml'), '# mine\n[sender]\nattempts = 3')
  await writeFile(join(directory, 'push.pem'), certificates.client)
  await writeFile(join(directory, 'old.p12'), certificates.p12('hush', 'legacy'))
  await writeFile(join(directory, 'pass'), 'hush\n')
  return directory
}

const server = ['--gateway', 'push.internal:2195', '--feedback', 'push.internal:2196']

test('add writes a block behind what is there; list shows it', async () => {
  const cwd = await directoryWithCertificates()
  const added = await lhspn(['apps', 'add', 'com.example.app', '--certificate', 'push.pem', ...server], { cwd })
  expect(added).toMatchObject({ code: 0, stdout: expect.stringMatching(/^added com\.example\.app to lhspn\.toml\n/) })
  expect(await readFile(join(cwd, 'lhspn.toml'), 'utf8')).toBe(`# mine
[sender]
attempts = 3

[[apps]]
topic = "com.example.app"
certificate = "push.pem"
gateway = "push.internal:2195"
feedback = "push.internal:2196"
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
          gateway: 'push.internal:2195',
          feedback: 'push.internal:2196',
        },
      },
    },
  ])
  const text = await lhspn(['apps', 'list'], { cwd })
  expect(text.stdout).toMatch(/\ncom\.example\.app +production +push\.internal:2195 +push\.internal:2196 +until \d{4}-/)
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
  ['no certificate and no gateway', [], ['--certificate: missing', '--gateway: missing']],
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
