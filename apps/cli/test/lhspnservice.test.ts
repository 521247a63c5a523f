/** Each function of LHSPNservice, in its new form: whoever comes from there finds all of them here. */
import { join } from 'node:path'

import { startServer } from '@lhspn/api'
import { makeAlert } from '@lhspn/apns-protocol'
import { createCertificates, type Script, startSimulator } from '@lhspn/apns-simulator'
import { type DeviceStore, type Filter, openDeviceStore } from '@lhspn/device-store'
import { openCertificate, readFeedback, Sender } from '@lhspn/sender'
import { createLogger, loadConfig, openDatabase, openSender, openService, parseConfig } from '@lhspn/service'
import { freshMysqlUrl } from '@lhspn/test-servers/vitest'
import { describe, expect, onTestFinished, test } from 'vitest'

import { lhspn, objectsOf, register, gatewayInstallation, temporaryDirectory, tokenOf } from './lhspn.ts'

const app = 'com.example.app'
const production = 'production'
const [first, second, third] = [tokenOf(1), tokenOf(2), tokenOf(3)]
const content = { payload: { aps: { alert: 'Hello', sound: 'default' } } }

test.for<[parts: Parameters<typeof makeAlert>[0], alert: ReturnType<typeof makeAlert>]>([
  [{ body: 'Hello' }, 'Hello'],
  [{ body: 'Hello', launchImage: 'a.png' }, 'Hello'],
  [
    { body: 'Hello', actionLocKey: 'PLAY' },
    { 'action-loc-key': 'PLAY', body: 'Hello' },
  ],
  [
    { locKey: 'GAME', locArgs: ['Ann'] },
    { 'action-loc-key': null, 'loc-key': 'GAME', 'loc-args': ['Ann'] },
  ],
  [
    { body: 'Hello', locKey: 'GAME' },
    { 'action-loc-key': null, 'loc-key': 'GAME' },
  ],
  [
    { body: 'Hello', locArgs: ['Ann'], launchImage: 'a.png' },
    { 'action-loc-key': null, 'loc-args': ['Ann'], 'launch-image': 'a.png', body: 'Hello' },
  ],
])('makeAlert(body, actionLocKey, locKey, locArgs, launchImage): makeAlert(%j)', ([parts, alert]) => {
  expect(makeAlert(parts)).toEqual(alert)
})

test('APNservice(isSandbox), livecert, devcert: a Sender for each environment, with certificate, sandboxCertificate', async () => {
  const live = await startSimulator()
  const dev = await startSimulator({ certificates: await createCertificates() })
  onTestFinished(() => live.close())
  onTestFinished(() => dev.close())
  const ca = live.certificates.ca + dev.certificates.ca
  const variables = {
    LHSPN_APP_TOPIC: app,
    LHSPN_APP_CERTIFICATE: live.certificates.client,
    LHSPN_APP_SANDBOX_CERTIFICATE: dev.certificates.client,
    LHSPN_APP_GATEWAY: live.gateway,
    LHSPN_APP_SANDBOX_GATEWAY: dev.gateway,
    LHSPN_APP_CA: ca,
  }
  const config = parseConfig({ variables })
  const [configured] = config.apps
  for (const [environment, simulator] of [
    [production, live],
    ['sandbox', dev],
  ] as const) {
    const sender = await openSender(config, configured ?? { topic: '' }, environment)
    expect(await sender.sendOne({ token: first, content })).toMatchObject({ kind: 'accepted' })
    await sender.close()
    expect(simulator.journal.accepted).toBe(1)
  }
})

test('queueNotifications(tokens, alert, sound): lhspn send --to … --badge increment --sound default', async () => {
  const { config, simulator } = await gatewayInstallation()
  await register(config, [{ token: first, badge: 4 }])
  const tokens = ['--to', first, '--to', second]
  const sent = await lhspn([
    '--config',
    config,
    'send',
    ...tokens,
    '--badge',
    'increment',
    '--sound',
    'default',
    'Hello',
  ])
  expect(sent.code).toBe(0)
  const payloads = simulator.journal
    .entries()
    .filter(({ verdict }) => verdict === 'accepted')
    .map(({ token, payload }) => [token, JSON.parse(new TextDecoder().decode(payload))])
  // whoever is not registered gets 1
  expect(payloads).toEqual([
    [first, { aps: { badge: 5, alert: 'Hello', sound: 'default' } }],
    [second, { aps: { badge: 1, alert: 'Hello', sound: 'default' } }],
  ])
})

/** A sender to a simulated Apple that plays a script. */
async function senderTo(script: Script, attempts = 5) {
  const simulator = await startSimulator({ script })
  const { ca, client } = simulator.certificates
  const credentials = openCertificate(Buffer.from(client))
  const sender = new Sender({ gateway: simulator.gateway, ca, credentials, attempts })
  onTestFinished(async () => {
    await sender.close()
    await simulator.close()
  })
  return { simulator, sender, credentials, ca }
}

test('resending: what came behind the named one goes again, and at status 10 the named one counts as accepted', async () => {
  const { simulator, sender } = await senderTo({ rules: [{ when: { token: second }, do: { status: 10 }, times: 1 }] })
  const kinds: unknown[] = []
  const notifications = [first, second, third].map((token) => ({ token, content }))
  for await (const outcomes of sender.send([notifications])) {
    kinds.push(...outcomes.map(({ notification, kind, attempts }) => [notification.token, kind, attempts]))
  }
  expect(kinds).toEqual([first, second, third].map((token) => [token, 'accepted', 1]))
  expect([first, second, third].map((token) => simulator.journal.acceptedTimes(token))).toEqual([1, 1, 1])
})

test('the retry count: at status 1 the named one goes again, so often and no more', async () => {
  const { sender } = await senderTo({ rules: [{ when: { token: second }, do: { status: 1 } }] }, 2)
  const outcome = await sender.sendOne({ token: second, content })
  expect(outcome).toMatchObject({ kind: 'rejected', reason: 'ProcessingError', attempts: 2 })
})

test('checkFeedbackService(): readFeedback(…), and lhspn feedback, which removes', async () => {
  const feedback = [{ token: first, at: 4_294_967_295 }]
  const { simulator, credentials, ca } = await senderTo({ feedback })
  const read: unknown[] = []
  for await (const tuple of readFeedback({ feedback: simulator.feedback, credentials, ca })) read.push(tuple)
  expect(read).toEqual(feedback)
  const { config } = await gatewayInstallation({ feedback })
  await register(config, [{ token: first }])
  const ended = await lhspn(['--config', config, '--json', 'feedback'])
  expect(objectsOf(ended).at(-1)).toMatchObject({ read: 1, removed: 1 })
})

describe.each([
  { database: 'SQLite', databaseUrl: async () => `sqlite:${join(await temporaryDirectory(), 'lhspn.db')}` },
  { database: 'MariaDB', databaseUrl: freshMysqlUrl },
])('on $database', ({ databaseUrl }) => {
  async function openStore(): Promise<DeviceStore> {
    const store = await openDeviceStore(await databaseUrl())
    onTestFinished(() => store.close())
    return store
  }

  test('connectToDatabase(), db.close(): openDeviceStore(url), close() or [Symbol.asyncDispose]()', async () => {
    const url = await databaseUrl()
    const store = await openDeviceStore(url)
    await store.save([{ app, token: first }])
    await store.close()
    const again = await openDeviceStore(url)
    expect(await again.count({ app })).toBe(1)
    await again[Symbol.asyncDispose]()
  })

  test('getDevice(db, token): store.get(app, token)', async () => {
    const store = await openStore()
    await store.save([{ app, token: first, attributes: { plan: 'pro' } }])
    expect(await store.get(app, first)).toMatchObject({ token: first, attributes: { plan: 'pro' } })
    expect(await store.get(app, second)).toBeUndefined()
  })

  test('getDevicesWithOrDict, getDevicesWithAndDict(db, searchDict, sendToDev): store.find with any, all', async () => {
    const store = await openStore()
    await store.save([
      { app, token: first, attributes: { plan: 'pro', lang: 'de' } },
      { app, token: second, attributes: { plan: 'free', lang: 'de' } },
      { app, token: third, environment: 'sandbox', attributes: { plan: 'pro', lang: 'fr' } },
    ])
    const found = async (environment: 'production' | 'sandbox', filter: Filter): Promise<string[]> => {
      const tokens: string[] = []
      for await (const page of store.find({ app, environment, filter })) tokens.push(...page.map(({ token }) => token))
      return tokens
    }
    const pairs: Filter[] = [
      ['plan', 'pro'],
      ['lang', 'de'],
    ]
    expect(await found(production, { any: pairs })).toEqual([first, second])
    expect(await found(production, { all: pairs })).toEqual([first])
    expect(await found('sandbox', { any: pairs })).toEqual([third])
    expect(await found('sandbox', { all: pairs })).toEqual([])
  })

  test('saveDevice(db, token, OSVersion, isDev, userInfo): store.save, insert or update', async () => {
    const store = await openStore()
    const device = { app, token: first, osVersion: '7.1', environment: 'sandbox', attributes: { plan: 'pro' } } as const
    expect(await store.save([device])).toMatchObject([{ created: true }])
    expect(await store.save([{ ...device, osVersion: '8.0' }])).toMatchObject([{ created: false, changed: true }])
    expect(await store.get(app, first)).toMatchObject({ osVersion: '8.0', environment: 'sandbox' })
  })

  test('updateDevice(db, token, badge, OSVersion, isDev, userInfo): store.update(app, token, changes)', async () => {
    const store = await openStore()
    await store.save([{ app, token: first }])
    const changes = { badge: 7, osVersion: '8.0', environment: 'sandbox', attributes: { plan: 'pro' } } as const
    expect(await store.update(app, first, changes)).toMatchObject(changes)
    expect(await store.update(app, second, changes)).toBeUndefined()
  })

  test('deleteDevice(db, token): store.delete(app, token)', async () => {
    const store = await openStore()
    await store.save([{ app, token: first }])
    expect([await store.delete(app, first), await store.delete(app, first)]).toEqual([true, false])
    expect(await store.tombstone(app, first)).toMatchObject({ cause: 'request' })
  })

  test('incrementBadge(token), resetBadge(token): for many at once; 1 for who is not known', async () => {
    const store = await openStore()
    await store.save([{ app, token: first, badge: 4 }])
    expect(await store.incrementBadge(app, [first, second])).toEqual([5, 1])
    await store.resetBadge(app, [first])
    expect(await store.get(app, first)).toMatchObject({ badge: 0 })
  })

  test('removeFeedbackDevice(feedbackTuple): store.removeByFeedback, only where updatedAt <= at', async () => {
    const store = await openStore()
    const at = 1_700_000_000
    await store.save([
      { app, token: first, updatedAt: new Date(at * 1000) },
      { app, token: second, updatedAt: new Date(at * 1000 + 1) },
    ])
    const tuples = [first, second].map((token) => ({ token, at }))
    expect(await store.removeByFeedback(app, production, tuples)).toEqual([first])
    expect(await store.get(app, second)).toBeDefined()
  })

  test('the device routes and commands: PUT, GET, PATCH, DELETE; devices save, show, list, delete', async () => {
    const { config } = await gatewayInstallation({}, { databaseUrl: await databaseUrl() })
    const { request } = await serve(config)
    expect(await request('PUT', `/v1/devices/${first}`, { attributes: { plan: 'pro' } })).toBe(201)
    expect(await request('PATCH', `/v1/devices/${first}`, { badge: 3, attributes: { lang: 'de' } })).toBe(200)
    expect(await request('GET', `/v1/devices/${first}`)).toBe(200)
    const devices = (...args: string[]) => lhspn(['--config', config, '--json', 'devices', ...args])
    expect(objectsOf(await devices('show', first))).toEqual([expect.objectContaining({ badge: 3 })])
    await devices('save', second, '--set', 'plan=free')
    expect(objectsOf(await devices('list', '--any', 'plan=pro', '--any', 'plan=free'))).toHaveLength(2)
    expect(objectsOf(await devices('list', '--where', 'plan=pro', '--where', 'lang=de'))).toHaveLength(1)
    await devices('delete', second)
    expect(await request('DELETE', `/v1/devices/${first}`)).toBe(204)
    expect(objectsOf(await devices('list'))).toEqual([])
  })

  test('saveTokens.php, POST and DELETE: the same answers', async () => {
    const { config } = await gatewayInstallation(
      {},
      { databaseUrl: await databaseUrl(), settings: '[legacy]\nenabled = true\n' },
    )
    const { url } = await serve(config)
    const legacy = async (method: string, query: string): Promise<string> =>
      (await fetch(`${url}/saveTokens.php?${query}`, { method })).text()
    const query = `token=${first}&userInfo={"plan":"pro"}&OSVersion=iOS&isDev=0`
    expect([
      await legacy('POST', query),
      await legacy('POST', query),
      await legacy('POST', query.replace('pro', 'free')),
      await legacy('DELETE', first),
    ]).toEqual([
      'POST\nToken Result: \nSaving...\nSaved new token\n',
      'POST\nToken Result: Array\nUpdating...\nReset badge, no need to update token\n',
      'POST\nToken Result: Array\nUpdating...\nUpdated token and reset badge\n',
      `DELETE\nToken to delete: ${first}\nDeleted token\n`,
    ])
  })

  test('the columns of the old table: each has its place', async () => {
    const legacyUrl = await freshMysqlUrl()
    const legacy = await openDatabase(legacyUrl)
    await legacy.execute(`CREATE TABLE LHSPNservice_devices (
      token varchar(64) NOT NULL PRIMARY KEY, badge int, OSVersion varchar(20), isDev tinyint(1), userInfo text,
      updatedAt int, createdAt int) ENGINE=MyISAM`)
    const row = [first, 3, 'iOS 7.1', 1, '{"plan":"pro"}', 1_400_000_000, 1_300_000_000]
    await legacy.execute('INSERT INTO LHSPNservice_devices VALUES (?, ?, ?, ?, ?, ?, ?)', row)
    await legacy.close()
    const store = await openStore()
    expect(await store.importLegacy(legacyUrl, { app })).toEqual({ saved: 1, unchanged: 0, refused: 0 })
    expect(await store.get(app, first)).toEqual({
      app,
      token: first,
      badge: 3,
      platform: 'ios',
      osVersion: '7.1',
      environment: 'sandbox',
      attributes: { plan: 'pro' },
      refused: null,
      updatedAt: new Date(1_400_000_000_000),
      createdAt: new Date(1_300_000_000_000),
    })
  })
})

/** The API of an installation, in this process. */
async function serve(configFile: string) {
  const log = createLogger({ level: 'silent', format: 'json', isTerminal: false })
  const service = await openService(loadConfig(configFile, {}), { log })
  const server = await startServer(service)
  onTestFinished(async () => {
    await server.close()
    await service.close()
  })
  const { key } = await service.keys.create({ scope: 'admin' })
  const request = async (method: string, path: string, body?: object): Promise<number> => {
    const headers = { authorization: `Bearer ${key}`, ...(body && { 'content-type': 'application/json' }) }
    const response = await fetch(server.url + path, { method, headers, ...(body && { body: JSON.stringify(body) }) })
    await response.arrayBuffer()
    return response.status
  }
  return { url: server.url, request }
}

test('config.cfg: dbUsername, dbName, dbPort, dbPassword are database.url and .password; dbTable is --table', async () => {
  const variables = { LHSPN_DATABASE_URL: 'mysql://push@db:3307/lhspn', LHSPN_DATABASE_PASSWORD: 'hush' }
  const { database, settings } = parseConfig({ variables })
  expect(database).toMatchObject({ url: 'mysql://push@db:3307/lhspn', password: 'hush' })
  expect(JSON.stringify(settings)).not.toContain('hush')
  // logFileHandler: logs go to stderr, wherever that goes
  const { config } = await gatewayInstallation()
  const ended = await lhspn(['--config', config, '--verbose', 'send', '--to', first, 'Hello'])
  expect(JSON.parse(ended.stderr.split('\n')[0] ?? '')).toMatchObject({ level: 'debug', app })
})
