import { execFileSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { createCertificates, startSimulator } from '@lhspn/apns-simulator'
import { openDatabase } from '@lhspn/database'
import { type DispatcherEvent, parsePushRequest, type StoredPush } from '@lhspn/dispatcher'
import { freshRedisUrl } from '@lhspn/test-servers/vitest'
import { describe, expect, onTestFinished, test } from 'vitest'

import {
  createLogger,
  migrateSchema,
  openService,
  type OpenServiceOptions,
  parseConfig,
  schemaStatus,
  type Service,
} from '../src/index.ts'
import { DATABASES, temporaryFolder } from './servers.ts'

const APP = 'com.example.app'
const TOKEN = 'c0ffee00'.repeat(8)
const certificates = await createCertificates()

interface LogLine {
  readonly level: string
  readonly msg: string
  readonly [field: string]: unknown
}

async function open(
  url: string,
  text = `[[apps]]\ntopic = "${APP}"\n`,
  options: Pick<OpenServiceOptions, 'dispatch' | 'onEvent'> = {},
): Promise<{ service: Service; log: LogLine[] }> {
  const log: LogLine[] = []
  const stream = { write: (line: string) => void log.push(JSON.parse(line) as LogLine) }
  const service = await openService(parseConfig({ text, variables: { LHSPN_DATABASE_URL: url } }), {
    log: createLogger({ level: 'debug', format: 'json', isTerminal: false, stream }),
    ...options,
  })
  onTestFinished(() => service.close())
  return { service, log }
}

/** Submits a push to all devices of the app, and answers it when it has ended. */
async function delivered(service: Service): Promise<StoredPush> {
  const request = { app: APP, audience: { all: true }, payload: { aps: { alert: 'Hello' } } }
  const { push } = await service.dispatcher.submit(parsePushRequest(request, { now: Date.now() }))
  return ended(service, push.id)
}

/** What a push is like at its end, or when it is paused. */
async function ended({ dispatcher }: Service, id: string): Promise<StoredPush> {
  for await (const push of dispatcher.watch(id)) if (push.state === 'paused') return push
  return dispatcher.get(id)
}

/** A simulated Apple, and the configuration of an app that is served by it. */
async function openWithApple(
  url: string,
  feedback: { at: number; token: string }[] = [],
  options: Pick<OpenServiceOptions, 'dispatch' | 'onEvent'> = {},
  more = '',
) {
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
  return { apple, ...(await open(url, `[[apps]]\n${lines.join('\n')}\n${more}`, options)) }
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
    const events: string[] = []
    const onEvent = ({ kind }: DispatcherEvent): void => void events.push(kind)
    const { service, apple, log } = await openWithApple(await url(), [], { dispatch: true, onEvent })
    await service.store.save([{ app: APP, token: TOKEN }])
    expect(service.senders()).toEqual([{ app: APP, environment: 'production', interface: 'gateway', state: 'unused' }])
    expect((await delivered(service)).counts).toMatchObject({ planned: 1, accepted: 1 })
    await expect.poll(() => events.toSorted()).toEqual(['chunk', 'completed'])
    expect(await service.senderFor(APP, 'production')).toBe(await service.senderFor(APP, 'production'))
    expect(apple.journal.acceptedTimes(TOKEN)).toBe(1)
    const messages = log.map(({ msg }) => msg)
    expect(messages).toEqual(expect.arrayContaining(['gateway: connected', 'chunk: closed', 'push: completed']))
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

/** An app on the provider API, whose key lies in a file, and what somebody else would write there. */
async function openWithKey(more = '') {
  const apple = await startSimulator({ certificates })
  onTestFinished(() => apple.close())
  const folder = temporaryFolder()
  const { keyId, teamId, key } = apple.signingKey
  const file = join(folder, 'key.p8')
  writeFileSync(file, key)
  writeFileSync(join(folder, 'ca.pem'), certificates.ca)
  const textWith = (provider: string, topic = APP): string =>
    [
      '[[apps]]',
      `topic = "${topic}"`,
      `teamId = "${teamId}"`,
      `keyId = "${keyId}"`,
      `key = "${file}"`,
      `provider = "${provider}"`,
      `ca = "${folder}/ca.pem"`,
      more,
    ].join('\n')
  const url = `sqlite:${join(folder, 'lhspn.db')}`
  const opened = await open(url, textWith(apple.provider), { dispatch: true })
  await opened.service.store.save([{ app: APP, token: TOKEN }])
  const otherKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
    type: 'pkcs8',
    format: 'pem',
  })
  return { apple, file, key, otherKey: String(otherKey), textWith, url, ...opened }
}

describe('apps that are read again', () => {
  test('a key whose file has changed is used from then on; what has not changed is left alone', async () => {
    const { service, apple, file, otherKey, textWith } = await openWithKey()
    const config = parseConfig({ text: textWith(apple.provider) })
    expect((await delivered(service)).counts.accepted).toBe(1)
    const first = await service.senderFor(APP, 'production')
    await service.reload(config)
    expect(await service.senderFor(APP, 'production')).toBe(first)
    writeFileSync(file, otherKey)
    await service.reload(config)
    expect(await service.senderFor(APP, 'production')).not.toBe(first)
    await expect(first.sendOne({ token: TOKEN, content: { payload: {} } })).rejects.toMatchObject({ code: 'closed' })
    expect(await delivered(service)).toMatchObject({ state: 'paused', pausedBecause: 'credentials' })
  })

  test('servers and apps come and go', async () => {
    const { service, textWith, apple } = await openWithKey()
    const other = await startSimulator({ certificates, signingKeys: [] })
    onTestFinished(() => other.close())
    const first = await service.senderFor(APP, 'production')
    const second = 'com.example.second'
    await service.reload(parseConfig({ text: `${textWith(other.provider)}${textWith(apple.provider, second)}` }))
    expect(service.config.apps.map(({ topic }) => topic)).toEqual([APP, second])
    expect(new Set(service.senders().map(({ app }) => app))).toEqual(new Set([APP, second]))
    expect(await service.senderFor(APP, 'production')).not.toBe(first)
    expect(await service.senderFor(second, 'production')).toBeDefined()
    await service.reload(parseConfig({ text: textWith(apple.provider, second) }))
    await expect(service.senderFor(APP, 'production')).rejects.toMatchObject({ code: 'unknown-app' })
    // pushes of an app that is gone wait for it
    expect(await delivered(service)).toMatchObject({ state: 'paused', pausedBecause: 'credentials' })
  })

  test('with a file that is broken nothing changes', async () => {
    const { service, apple, file, textWith } = await openWithKey()
    const first = await service.senderFor(APP, 'production')
    writeFileSync(file, 'no key')
    const { apps } = service.config
    const config = parseConfig({ text: textWith(apple.provider) })
    await expect(service.reload(config)).rejects.toMatchObject({ code: 'invalid-credentials' })
    expect(service.config.apps).toBe(apps)
    expect(await service.senderFor(APP, 'production')).toBe(first)
    expect((await delivered(service)).counts.accepted).toBe(1)
  })

  test('of two that are read at once the later one counts, also where the earlier one takes longer', async () => {
    const { service, apple, file, key, textWith } = await openWithKey()
    const first = await service.senderFor(APP, 'production')
    const slow = `${file}.slow`
    execFileSync('mkfifo', [slow])
    const second = 'com.example.second'
    const broken = service.reload(parseConfig({ text: textWith(apple.provider).replace(file, `${file}.gone`) }))
    const earlier = service.reload(parseConfig({ text: textWith('127.0.0.1:1').replace(file, slow) }))
    const later = service.reload(parseConfig({ text: `${textWith(apple.provider)}${textWith('127.0.0.1:1', second)}` }))
    const both = Promise.all([earlier, later, writeFile(slow, key)])
    await expect(broken).rejects.toMatchObject({ code: 'unreadable-file' })
    await both
    expect(service.config.apps.map(({ topic }) => topic)).toEqual([APP, second])
    await expect(first.sendOne({ token: TOKEN, content: { payload: {} } })).rejects.toMatchObject({ code: 'closed' })
    expect((await delivered(service)).counts.accepted).toBe(1)
    // nothing that was opened on the way is left open
    await service.close()
    await apple.journal.waitFor(({ connections, closed }) => closed === connections)
  })

  test('while a push is delivered, it goes on with what there is then, and nobody is lost or reached twice', async () => {
    const { service, apple, textWith } = await openWithKey()
    const tokens = Array.from({ length: 300 }, (_, n) => n.toString(16).padStart(64, '0'))
    const request = { app: APP, audience: { tokens }, payload: { aps: { alert: 'Hello' } }, rate: 100 }
    const { push } = await service.dispatcher.submit(parsePushRequest(request, { now: Date.now() }))
    await apple.journal.waitFor(() => apple.journal.accepted > 20)
    // the same server by another name
    await service.reload(parseConfig({ text: textWith(apple.provider.replace('127.0.0.1', 'localhost')) }))
    await service.dispatcher.setRate(push.id, null)
    expect((await ended(service, push.id)).counts).toMatchObject({ planned: 300, accepted: 300 })
    expect(apple.journal.accepted).toBe(300)
  })
})

test('a push that refused credentials have paused goes on with what the file holds when it is resumed', async () => {
  const { service, file, key, otherKey } = await openWithKey()
  writeFileSync(file, otherKey)
  const paused = await delivered(service)
  expect(paused).toMatchObject({ state: 'paused', pausedBecause: 'credentials', counts: { remaining: 1 } })
  writeFileSync(file, key)
  await service.dispatcher.resume(paused.id)
  expect(await ended(service, paused.id)).toMatchObject({ state: 'completed', counts: { accepted: 1 } })
})

test('what drains takes nothing more, and gives back what is left for others', async () => {
  const { service, apple, textWith, url } = await openWithKey()
  const tokens = Array.from({ length: 100 }, (_, n) => n.toString(16).padStart(64, '0'))
  const request = { app: APP, audience: { tokens }, payload: { aps: { alert: 'Hello' } }, rate: 20 }
  const { push } = await service.dispatcher.submit(parsePushRequest(request, { now: Date.now() }))
  await apple.journal.waitFor(() => apple.journal.accepted > 3)
  expect(await service.drain()).toBe(true)
  const sent = apple.journal.accepted
  expect((await service.dispatcher.get(push.id)).counts).toMatchObject({ accepted: sent, remaining: 100 - sent })
  await service.close()
  const { service: without } = await open(url, textWith(apple.provider))
  await without.dispatcher.setRate(push.id, null)
  expect((await without.dispatcher.get(push.id)).state).toBe('running')
  const { service: next } = await open(url, textWith(apple.provider), { dispatch: true })
  expect((await ended(next, push.id)).counts).toMatchObject({ planned: 100, accepted: 100 })
  expect(apple.journal.accepted).toBe(100)
})

test('a fault while it drains comes out of close, and leaves neither connections nor the database open', async () => {
  const { service: first, apple, textWith, url } = await openWithKey()
  await first.close()
  const config = parseConfig({ text: textWith(apple.provider), variables: { LHSPN_DATABASE_URL: url } })
  const log = createLogger({ level: 'silent', format: 'json', isTerminal: false })
  const service = await openService(config, {
    log,
    dispatch: true,
    onEvent: ({ kind }) => {
      if (kind === 'chunk' || kind === 'error') throw new Error('a listener that throws')
    },
  })
  const tokens = Array.from({ length: 100 }, (_, n) => n.toString(16).padStart(64, '0'))
  const request = { app: APP, audience: { tokens }, payload: { aps: { alert: 'Hello' } }, rate: 20 }
  await service.dispatcher.submit(parsePushRequest(request, { now: Date.now() }))
  await apple.journal.waitFor(({ accepted }) => accepted > 3)
  await expect(service.close()).rejects.toThrow('a listener that throws')
  await apple.journal.waitFor(({ connections, closed }) => closed === connections)
  expect(service.senders()[0]).toMatchObject({ state: 'unused' })
  await expect(service.checkDatabase()).rejects.toMatchObject({ code: 'failed' })
})

test('with queue.url, turns of pushes come over Redis; one that is away is told at once', async () => {
  const redis = await freshRedisUrl()
  const { service } = await openWithKey(`[queue]\nurl = "${redis}"`)
  expect((await delivered(service)).counts.accepted).toBe(1)
  const away = '[queue]\nurl = "redis://127.0.0.1:1"\n'
  await expect(open('sqlite::memory:', away, { dispatch: true })).rejects.toMatchObject({ code: 'redis-unreachable' })
  // who delivers nothing asks for no turns
  await (await open('sqlite::memory:', away)).service.checkDatabase()
})
