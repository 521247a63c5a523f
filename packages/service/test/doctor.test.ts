import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { createCertificates, startSimulator } from '@lhspn/apns-simulator'
import { openDatabase } from '@lhspn/database'
import { openDeviceStore } from '@lhspn/device-store'
import { freshMysqlUrl } from '@lhspn/test-servers/vitest'
import { expect, onTestFinished, test } from 'vitest'

import { type Check, examine, migrateSchema, parseConfig } from '../src/index.ts'
import { temporaryFolder } from './servers.ts'

const certificates = await createCertificates()
const APP = 'com.example.app'

/** What the doctor says of one app, by check, with a database in which devices are registered. */
async function examined(
  lines: readonly string[],
  devices: readonly { readonly token: string; readonly environment: 'production' | 'sandbox' }[] = [],
  now?: () => number,
): Promise<ReadonlyMap<string, Check>> {
  const folder = temporaryFolder()
  const url = `sqlite:${join(folder, 'lhspn.db')}`
  const database = await openDatabase(url)
  await migrateSchema(database)
  const store = await openDeviceStore(database)
  await store.save(devices.map((device) => ({ app: APP, ...device })))
  await store.close()
  await database.close()
  writeFileSync(join(folder, 'ca.pem'), certificates.ca)
  writeFileSync(join(folder, 'push.pem'), certificates.client)
  const text = `[database]\nurl = "${url}"\n[[apps]]\ntopic = "${APP}"\nca = "ca.pem"\n${lines.join('\n')}`
  const checks: Check[] = []
  for await (const check of examine(() => parseConfig({ text, file: join(folder, 'lhspn.toml') }), { now })) {
    checks.push(check)
  }
  return new Map(checks.map((check) => [check.check, check]))
}

async function startApple() {
  const rules = [{ when: {}, do: { status: 400, reason: 'BadDeviceToken' } }] as const
  const apple = await startSimulator({ certificates, script: { provider: { rules } } })
  onTestFinished(() => apple.close())
  const file = join(temporaryFolder(), `AuthKey_${apple.signingKey.keyId}.p8`)
  writeFileSync(file, apple.signingKey.key)
  return { apple, key: [`teamId = "${apple.signingKey.teamId}"`, `key = "${file}"`] }
}

test('an app with a signing key: each of its environments is looked at from the key to the probe', async () => {
  const { apple, key } = await startApple()
  const { provider } = apple
  const checks = await examined(
    [...key, `provider = "${provider}"`, `sandboxProvider = "${provider}"`],
    [{ token: 'c0ffee', environment: 'sandbox' }],
  )
  expect([...checks.values()].filter(({ verdict }) => verdict !== 'ok')).toEqual([])
  const names = ['key', 'provider', 'clock', 'probe'].flatMap((name) => [
    `${name} ${APP} production`,
    `${name} ${APP} sandbox`,
  ])
  expect([...checks.keys()]).toEqual(expect.arrayContaining([...names, `devices ${APP} sandbox`]))
  expect(checks.get(`key ${APP} production`)?.found).toBe('P-256, key id SIMULATED1, team id LHSPNTEAM1')
  expect(checks.get(`probe ${APP} production`)?.found).toContain('lhspn send --to')
  expect(apple.journal.counts()).toMatchObject({ accepted: 0 })
})

test('a certificate that ends soon warns, on the provider API too', async () => {
  const { apple } = await startApple()
  const lines = ['certificate = "push.pem"', `provider = "${apple.provider}"`, 'sandboxProvider = "127.0.0.1:1"']
  const checks = await examined(lines, [], () => Date.now() + 380 * 86_400_000)
  expect(checks.get(`certificate ${APP} production`)).toMatchObject({ verdict: 'warn', remedy: expect.any(String) })
  expect(checks.get(`probe ${APP} production`)).toMatchObject({ verdict: 'ok' })
  expect(checks.get(`provider ${APP} sandbox`)).toMatchObject({ verdict: 'fail' })
  expect([...checks.keys()]).not.toContain(`probe ${APP} sandbox`)
})

test('a key file that is none ends the examination of its environments, and says why', async () => {
  const checks = await examined(['teamId = "DEF123GHIJ"', 'key = "push.pem"', 'keyId = "ABC123DEFG"'])
  expect(checks.get(`key ${APP} production`)).toMatchObject({ verdict: 'fail', remedy: expect.stringContaining('.p8') })
  expect([...checks.keys()].filter((name) => name.startsWith('provider'))).toEqual([])
})

test('an app without credentials, and devices that nothing can reach, are told', async () => {
  const device = { token: 'c0ffee', environment: 'production' } as const
  const checks = await examined([], [device])
  const remedy = expect.stringContaining('Set key (with teamId) or certificate')
  expect(checks.get(`app ${APP}`)).toMatchObject({ verdict: 'warn', remedy })
  expect(checks.get(`devices ${APP} production`)).toMatchObject({ verdict: 'warn', remedy })
})

test('a database is closed also where nobody looks on', async () => {
  const url = await freshMysqlUrl()
  const config = parseConfig({ text: `[database]\nurl = "${url}"` })
  const watcher = await openDatabase(url)
  onTestFinished(() => watcher.close())
  const connections = async (): Promise<number> => {
    const [row] = await watcher.query<{ count: number }>(
      'SELECT COUNT(*) AS count FROM information_schema.processlist WHERE db = DATABASE()',
    )
    return row?.count ?? 0
  }
  const before = await connections()
  const checks = examine(() => config)
  await checks.next()
  expect((await checks.next()).value).toMatchObject({ check: 'database', verdict: 'ok' })
  expect(await connections()).toBeGreaterThan(before)
  await checks.return()
  await expect.poll(connections).toBe(before)
})
