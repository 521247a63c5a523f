import { writeFileSync } from 'node:fs'
import { join } from 'node:path'

import { createCertificates, startSimulator } from '@lhspn/apns-simulator'
import { openDatabase } from '@lhspn/database'
import { describe, expect, onTestFinished, test } from 'vitest'

import { createLogger, migrateSchema, openService, parseConfig, schemaStatus, type Service } from '../src/index.ts'
import { DATABASES, temporaryFolder } from './servers.ts'

const APP = 'com.example.app'
const TOKEN = 'c0ffee00'.repeat(8)
const certificates = await createCertificates()

interface LogLine {
  readonly level: string
  readonly msg: string
  readonly [field: string]: unknown
}

async function open(url: string, text = `[[apps]]\ntopic = "${APP}"\n`): Promise<{ service: Service; log: LogLine[] }> {
  const log: LogLine[] = []
  const stream = { write: (line: string) => void log.push(JSON.parse(line) as LogLine) }
  const service = await openService(parseConfig({ text, variables: { LHSPN_DATABASE_URL: url } }), {
    log: createLogger({ level: 'debug', format: 'json', isTerminal: false, stream }),
  })
  onTestFinished(() => service.close())
  return { service, log }
}

/** A simulated Apple, and the configuration of an app that is served by it. */
async function openWithApple(url: string, feedback: { at: number; token: string }[] = []) {
  const apple = await startSimulator({ certificates, script: { feedback } })
  onTestFinished(() => apple.close())
  const folder = temporaryFolder()
  for (const name of ['client', 'ca'] as const) writeFileSync(join(folder, `${name}.pem`), certificates[name])
  const lines = [
    `topic = "${APP}"`,
    `certificate = "${folder}/client.pem"`,
    `ca = "${folder}/ca.pem"`,
    `gateway = "${apple.gateway}"`,
    `feedback = "${apple.feedback}"`,
  ]
  return { apple, ...(await open(url, `[[apps]]\n${lines.join('\n')}\n`)) }
}

describe.for(DATABASES)('on %s', ([, url]) => {
  test('an installation opens with its tables, and what is stored outlives it', async () => {
    const where = await url()
    const { service } = await open(where)
    await service.checkDatabase()
    const { key } = await service.keys.create({ scope: 'register' })
    await service.store.save([{ app: APP, token: TOKEN }])
    await service.close()
    await service.close() // once is enough
    await expect(service.checkDatabase()).rejects.toMatchObject({ code: 'failed' })
    const { service: again } = await open(where)
    expect(await again.keys.verify(key)).toMatchObject({ scope: 'register' })
    expect(await again.store.get(APP, TOKEN)).toMatchObject({ token: TOKEN })
  })

  test('with database.migrate = "manual" an old schema is refused, until somebody migrates', async () => {
    const where = await url()
    const text = '[database]\nmigrate = "manual"\n'
    await expect(open(where, text)).rejects.toMatchObject({ code: 'schema-too-old' })
    const database = await openDatabase(where)
    onTestFinished(() => database.close())
    const pending = await schemaStatus(database)
    expect(pending.map(({ owner, version }) => [owner, version])).toEqual([
      ['device-store', 0],
      ['dispatcher', 0],
      ['service', 0],
    ])
    await migrateSchema(database)
    expect((await schemaStatus(database)).every(({ pending: due }) => due.length === 0)).toBe(true)
    await (await open(where, text)).service.checkDatabase()
  })

  test('a push goes out through the sender of its app, which is opened once and closed with the rest', async () => {
    const { service, apple, log } = await openWithApple(await url())
    await service.store.save([{ app: APP, token: TOKEN }])
    expect(service.senders()).toEqual([{ app: APP, environment: 'production', interface: 'gateway', state: 'unused' }])
    const outcomes = []
    const content = { payload: { aps: { alert: 'Hello' } } }
    const push = { app: APP, environment: 'production', audience: { all: true }, content } as const
    for await (const some of service.dispatcher.deliver(push)) outcomes.push(...some)
    expect(outcomes.map(({ kind }) => kind)).toEqual(['accepted'])
    expect(await service.senderFor(APP, 'production')).toBe(await service.senderFor(APP, 'production'))
    expect(apple.journal.acceptedTimes(TOKEN)).toBe(1)
    expect(log.map(({ msg }) => msg)).toContain('gateway: connected')
    await service.close()
    expect(service.senders()[0]?.state).not.toBe('connected')
  })

  test('the feedback service is read by itself, and only devices that have not come back are removed', async () => {
    const at = Math.floor(Date.now() / 1000) - 60
    const back = 'c0ffee01'.repeat(8)
    const { service, apple, log } = await openWithApple(await url(), [
      { at, token: TOKEN },
      { at, token: back },
    ])
    await service.store.save([{ app: APP, token: TOKEN, updatedAt: new Date((at - 60) * 1000) }])
    await service.store.save([{ app: APP, token: back }])
    service.startFeedback()
    service.startFeedback() // once is enough
    await expect
      .poll(() => log.find(({ msg }) => msg === 'feedback: read'))
      .toMatchObject({ read: 2, removed: 1, kept: 1 })
    expect(await service.store.get(APP, TOKEN)).toBeUndefined()
    expect(await service.store.tombstone(APP, TOKEN)).toMatchObject({ cause: 'feedback' })
    expect(await service.store.get(APP, back)).toBeDefined()
    expect(apple.journal.feedbackReads).toBe(1)
  })
})

test('the state of a sender on the provider API follows what Apple answers', async () => {
  const apple = await startSimulator({ certificates })
  onTestFinished(() => apple.close())
  const folder = temporaryFolder()
  const { keyId, teamId, key } = apple.signingKey
  writeFileSync(join(folder, `AuthKey_${keyId}.p8`), key)
  writeFileSync(join(folder, 'ca.pem'), certificates.ca)
  const lines = [
    `topic = "${APP}"`,
    `teamId = "${teamId}"`,
    `sandboxKey = "${folder}/AuthKey_${keyId}.p8"`,
    `sandboxProvider = "${apple.provider}"`,
    `ca = "${folder}/ca.pem"`,
  ]
  const { service, log } = await open('sqlite::memory:', `[[apps]]\n${lines.join('\n')}\n`)
  const state = { app: APP, environment: 'sandbox', interface: 'provider-api' }
  expect(service.senders()).toEqual([{ ...state, state: 'unused' }])

  apple.script({ provider: { rules: [{ when: {}, do: { status: 503, reason: 'ServiceUnavailable' } }] } })
  const sender = await service.senderFor(APP, 'sandbox')
  const content = { payload: { aps: { alert: 'Hello' } } }
  const notifications = Array.from({ length: 30 }, (_, index) => ({ token: `${index}`.padStart(64, '0'), content }))
  const sending = Promise.all(notifications.map((notification) => sender.sendOne(notification)))
  await expect.poll(() => service.senders(), { timeout: 20_000 }).toEqual([{ ...state, state: 'holding' }])
  apple.script({})
  const outcomes = await sending
  expect(outcomes.every(({ kind }) => kind === 'accepted')).toBe(true)
  expect(service.senders()).toEqual([{ ...state, state: 'connected' }])
  expect(log.map(({ msg }) => msg)).toEqual(
    expect.arrayContaining([
      'provider-api: connected',
      'provider-api: not available, one notification at a time is tried',
      'provider-api: available again',
    ]),
  )
})

test('what is wrong with an app is told by whoever asks for its sender, again and again until it is right', async () => {
  const folder = temporaryFolder()
  const file = join(folder, 'push.pem')
  const text = `[[apps]]\ntopic = "${APP}"\ncertificate = "${file}"\ngateway = "127.0.0.1:1"\n`
  const { service } = await open('sqlite::memory:', text)
  await expect(service.senderFor('com.example.nobody', 'production')).rejects.toMatchObject({ code: 'unknown-app' })
  await expect(service.senderFor(APP, 'sandbox')).rejects.toMatchObject({ code: 'app-not-configured' })
  await expect(service.senderFor(APP, 'production')).rejects.toMatchObject({ code: 'unreadable-file' })
  writeFileSync(file, certificates.client)
  expect(await service.senderFor(APP, 'production')).toBeDefined()
})

test('a feedback service that is away is a line in the log', async () => {
  const folder = temporaryFolder()
  writeFileSync(join(folder, 'push.pem'), certificates.client)
  const text = `[[apps]]\ntopic = "${APP}"\ncertificate = "${folder}/push.pem"\nfeedback = "127.0.0.1:1"\n`
  const { service, log } = await open('sqlite::memory:', text)
  service.startFeedback()
  await expect
    .poll(() => log.find(({ msg }) => msg === 'feedback: not read to its end'))
    .toMatchObject({ level: 'warn', app: APP, err: { code: 'unreachable' } })
})

test('a database that is not there is told, and nothing stays open', async () => {
  await expect(open('mysql://nobody@127.0.0.1:1/none')).rejects.toMatchObject({ code: 'unreachable' })
})
