import { access, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import type { Script } from '@lhspn/apns-simulator'
import type { Check } from '@lhspn/service'
import { freshMysqlUrl } from '@lhspn/test-servers/vitest'
import { expect, test } from 'vitest'

import { closedPort, lhspn, objectsOf, register, gatewayInstallation, temporaryDirectory, tokenOf } from './lhspn.ts'

/** What the doctor says of an installation, by check. */
async function examined(config: string, variables: Record<string, string> = {}) {
  const ended = await lhspn(['--config', config, '--json', 'doctor'], { variables })
  expect(ended.stderr).toBe('')
  const checks = objectsOf(ended) as Check[]
  return { code: ended.code, checks: new Map(checks.map((check) => [check.check, check])) }
}

const app = 'com.example.app production'

test('a sound installation: every check is ok, exit 0, and nothing was sent, read or changed', async () => {
  const { config, simulator } = await gatewayInstallation({ feedback: [{ at: 1, token: tokenOf(1) }] })
  await register(config, [{ token: tokenOf(1) }])
  const ended = await lhspn(['--config', config, 'doctor'])
  expect(ended).toMatchObject({ code: 0, stderr: '9 ok, 0 to look at, 0 failed.\n' })
  const lines = ended.stdout.trimEnd().split('\n')
  expect(lines.map((line) => line.replace(/: .*/, ''))).toEqual([
    'ok    configuration',
    'ok    database',
    'ok    schema',
    'ok    disk space',
    `ok    devices ${app}`,
    `ok    certificate ${app}`,
    `ok    gateway ${app}`,
    `ok    barrier ${app}`,
    `ok    feedback ${app}`,
  ])
  expect(ended.stdout).toMatch(/barrier .*: answered with status 2 \(MissingDeviceToken\) in \d+ ms/)
  expect(simulator.journal.counts()).toMatchObject({ accepted: 0, rejected: 0, barrier: 1 })
  expect(simulator.journal.feedbackReads).toBe(0)
})

test('on MariaDB the clocks are compared', async () => {
  const { config } = await gatewayInstallation({}, { databaseUrl: await freshMysqlUrl() })
  await lhspn(['--config', config, 'migrate'])
  const { code, checks } = await examined(config)
  expect(code).toBe(0)
  expect(checks.get('database')?.found).toMatch(/MariaDB \d+\.\d+/)
  expect(checks.get('clock')).toMatchObject({ verdict: 'ok', found: expect.stringMatching(/differs by \d+ ms/) })
})

test('a configuration with faults, or none: the doctor says which', async () => {
  const directory = await temporaryDirectory()
  const config = join(directory, 'lhspn.toml')
  await writeFile(config, '[sender]\natempts = 3\n')
  const broken = await examined(config)
  expect([broken.code, broken.checks.size]).toEqual([5, 1])
  expect(broken.checks.get('configuration')).toMatchObject({
    verdict: 'fail',
    found: expect.stringContaining('did you mean sender.attempts?'),
    remedy: expect.any(String),
  })
  const none = await lhspn(['--json', 'doctor'], { cwd: directory, variables: { LHSPN_CONFIG: join(directory, 'x') } })
  expect(none.code).toBe(5)
})

test('a database that is not there fails, and is not made', async () => {
  const { config, directory } = await gatewayInstallation()
  const { code, checks } = await examined(config)
  expect(code).toBe(5)
  expect(checks.get('database')).toMatchObject({ verdict: 'fail', remedy: expect.stringContaining('lhspn migrate') })
  expect([...checks.keys()]).toContain(`barrier ${app}`)
  await expect(access(join(directory, 'lhspn.db'))).rejects.toThrow('ENOENT')
})

test('a database that cannot be reached fails, without its password', async () => {
  const { config } = await gatewayInstallation()
  const url = `mysql://root:hush@127.0.0.1:${await closedPort()}/none`
  const { checks } = await examined(config, { LHSPN_DATABASE_URL: url })
  expect(checks.get('database')).toMatchObject({ verdict: 'fail' })
  expect(JSON.stringify([...checks])).not.toContain('hush')
})

test('an old schema is told: it warns, or fails where nothing brings it up to date', async () => {
  const { config, directory } = await gatewayInstallation()
  await writeFile(join(directory, 'lhspn.db'), '')
  const old = await examined(config)
  expect(old.checks.get('schema')).toMatchObject({ verdict: 'warn', remedy: 'Run `lhspn migrate`.' })
  expect(old.code).toBe(0)
  const manual = await examined(config, { LHSPN_DATABASE_MIGRATE: 'manual' })
  expect(manual.checks.get('schema')).toMatchObject({ verdict: 'fail' })
})

test.for<[what: string, script: Script, check: string, verdict: string, found: RegExp]>([
  [
    'refuses the certificate with a TLS alert',
    { connections: [{ nth: { from: 1 }, do: 'tls-alert' }] },
    'barrier',
    'fail',
    /was refused/,
  ],
  [
    'closes connections at once',
    { connections: [{ nth: { from: 1 }, do: 'close-at-once' }] },
    'barrier',
    'fail',
    /closed at once/,
  ],
  ['does not know barriers', { barriers: false }, 'barrier', 'warn', /unconfirmed/],
  [
    'ends the connection at a barrier, and at nothing else',
    { rules: [{ when: { barrier: true }, do: 'close' }] },
    'barrier',
    'warn',
    /unconfirmed/,
  ],
  [
    'says that the certificate names no topic',
    { rules: [{ when: { barrier: true }, do: { status: 3 } }] },
    'barrier',
    'fail',
    /status 3 \(MissingTopic\)/,
  ],
  [
    'is shutting down',
    { rules: [{ when: { barrier: true }, do: { status: 10 } }] },
    'barrier',
    'warn',
    /status 10 \(Shutdown\)/,
  ],
  ['resets connections', { connections: [{ nth: { from: 1 }, do: 'refuse' }] }, 'gateway', 'fail', /127\.0\.0\.1/],
])('a gateway that %s', async ([, script, check, verdict, found]) => {
  const { config } = await gatewayInstallation(script)
  await lhspn(['--config', config, 'migrate'])
  const { code, checks } = await examined(config, { LHSPN_SENDER_QUIET_TIME: '300ms' })
  expect(checks.get(`${check} ${app}`)).toMatchObject({ verdict, found: expect.stringMatching(found) })
  expect(code).toBe(verdict === 'fail' ? 5 : 0)
})

test.for<[what: string, from: string, to: string, check: string, found: RegExp]>([
  [
    'whose name nobody knows',
    'gateway = "127.0.0.1:',
    'gateway = "no.such.host.invalid:',
    'gateway',
    /not known to DNS/,
  ],
  ['that is not trusted', 'ca = "ca.pem"', '', 'gateway', /not trusted \(SELF_SIGNED_CERT_IN_CHAIN\)/],
  ['whose certificate is not there', 'push.pem', 'none.pem', 'certificate', /cannot be read/],
  ['of another app', 'com.example.app', 'com.example.other', 'certificate', /for com\.example\.app/],
])('a gateway %s', async ([, from, to, check, found]) => {
  const { config } = await gatewayInstallation()
  await writeFile(config, (await readFile(config, 'utf8')).replace(from, to))
  const { code, checks } = await examined(config)
  const name = [...checks.keys()].find((key) => key.startsWith(`${check} `)) ?? ''
  expect(checks.get(name)).toMatchObject({ verdict: 'fail', found: expect.stringMatching(found) })
  expect(code).toBe(5)
})

test('devices of an environment without a gateway, and many that are refused, are told', async () => {
  const { config } = await gatewayInstallation({ rules: [{ when: { token: tokenOf(1) }, do: { status: 8 } }] })
  await register(
    config,
    [1, 2, 3].map((number) => ({ token: tokenOf(number) })),
  )
  await register(config, [{ token: tokenOf(4), environment: 'sandbox' }])
  await lhspn(['--config', config, 'send', '--all', '--max-audience', '3', 'Hi'])
  const { code, checks } = await examined(config)
  expect(code).toBe(0)
  expect(checks.get('devices com.example.app sandbox')).toMatchObject({
    verdict: 'warn',
    remedy: expect.stringContaining('sandboxGateway'),
  })
  expect(checks.get(`devices ${app}`)).toMatchObject({ verdict: 'warn', found: '3, of which 1 refused' })
})
