import { type Script, type Simulator, startSimulator } from '@lhspn/apns-simulator'
import { type DeviceStore, openDeviceStore } from '@lhspn/device-store'
import { openCertificate, type Outcome, readFeedback, Sender } from '@lhspn/sender'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { Dispatcher, type DispatcherOptions } from '../src/dispatcher.ts'
import type { Push } from '../src/push.ts'

const APP = 'com.example.app'
const HI = { payload: { aps: { alert: 'Hi' } } }

let apple: Simulator
let store: DeviceStore
let sender: Sender

beforeEach(async () => {
  apple = await startSimulator()
  store = await openDeviceStore('sqlite::memory:')
  const credentials = openCertificate(Buffer.from(apple.certificates.client))
  sender = new Sender({ gateway: apple.gateway, ca: apple.certificates.ca, credentials })
})

afterEach(async () => {
  await sender.close()
  await store.close()
  await apple.close()
})

const token = (number: number): string => number.toString(16).padStart(64, '0')
const tokens = (count: number, from = 0): string[] => Array.from({ length: count }, (_, index) => token(from + index))
const push = (more: Partial<Push> = {}): Push => ({
  app: APP,
  environment: 'production',
  audience: { all: true },
  content: HI,
  ...more,
})
const dispatcher = (options: Partial<DispatcherOptions> = {}): Dispatcher =>
  new Dispatcher({ store, senderFor: () => sender, ...options })

async function register(list: readonly string[], more: object = {}): Promise<void> {
  await store.save(list.map((each) => ({ app: APP, token: each, environment: 'production' as const, ...more })))
}

async function collect(outcomes: AsyncIterable<readonly Outcome[]>): Promise<Record<string, string[]>> {
  const byKind: Record<string, string[]> = {}
  for await (const some of outcomes)
    for (const { kind, notification } of some) (byKind[kind] ??= []).push(notification.token)
  return byKind
}

const reject = (...rejected: readonly string[]): Script => ({
  rules: rejected.map((each) => ({ when: { token: each }, do: { status: 8 } })),
})

const answer = (answers: Readonly<Record<string, { status: number; reason: string; timestamp?: number }>>): Script => ({
  provider: { rules: Object.entries(answers).map(([each, how]) => ({ when: { token: each }, do: how })) },
})

describe('an audience', () => {
  test('by a filter: exactly those that match, and are neither refused nor of the other environment', async () => {
    await register(tokens(3), { attributes: { plan: 'pro' } })
    await register(tokens(3, 10), { attributes: { plan: 'free' } })
    await register([token(20)], { attributes: { plan: 'pro' }, environment: 'sandbox' })
    await register([token(30)], { attributes: { plan: 'pro' }, platform: 'android' })
    await store.refuse(APP, 'production', [{ token: token(1), reason: 'InvalidToken' }])
    const to = push({ audience: { filter: ['plan', 'pro'] } })
    expect(await dispatcher().count(to)).toBe(2)
    expect(await collect(dispatcher().deliver(to))).toEqual({ accepted: [token(0), token(2)] })
    expect(new Set(apple.journal.acceptedTokens())).toEqual(new Set([token(0), token(2)]))
  })

  test('of tokens: as they are, registered or not, refused or not, each once', async () => {
    await register([token(1)])
    await store.refuse(APP, 'production', [{ token: token(1), reason: 'InvalidToken' }])
    const to = push({ audience: { tokens: [token(1), token(2), token(1)] } })
    expect(await collect(dispatcher().deliver(to))).toEqual({ accepted: [token(1), token(2)] })
  })

  test('that is a stream is sent as it comes, however its arrays are cut, and cannot be counted', async () => {
    async function* stream() {
      yield tokens(2500)
      yield []
      yield [token(7)]
    }
    const to = push({ audience: { stream: stream() } })
    expect(await dispatcher().count(to)).toBeUndefined()
    const { accepted = [] } = await collect(dispatcher().deliver(to))
    expect(accepted.length).toBe(2501)
    expect(apple.journal.acceptedTimes(token(7))).toBe(2)
  })

  test('that is too large is refused before anything is sent', async () => {
    await register(tokens(3))
    await expect(collect(dispatcher().deliver(push({ maxAudience: 2 })))).rejects.toMatchObject({
      code: 'audience-too-large',
    })
    expect(apple.journal.connections).toBe(0)
  })

  test('larger than any page is sent whole, each once', async () => {
    await register(tokens(12_345))
    const { accepted = [] } = await collect(dispatcher().deliver(push()))
    expect(new Set(accepted).size).toBe(12_345)
    expect([apple.journal.accepted, new Set(apple.journal.acceptedTokens()).size]).toEqual([12_345, 12_345])
  })
})

describe('badges', () => {
  test('are counted up in the store, and the new value is what the device gets; 1 for who is not registered', async () => {
    await register([token(1)], { badge: 6 })
    const to = push({ audience: { tokens: [token(1), token(2)] }, badge: 'increment' })
    await collect(dispatcher().deliver(to))
    const badges = apple.journal
      .entries()
      .filter(({ verdict }) => verdict === 'accepted')
      .map(({ payload }) => JSON.parse(new TextDecoder().decode(payload)).aps.badge)
    expect(badges).toEqual([7, 1])
    expect((await store.get(APP, token(1)))?.badge).toBe(7)
  })

  test('that are a number go to all, and the store keeps its own', async () => {
    await register([token(1)], { badge: 6 })
    await collect(dispatcher().deliver(push({ badge: 3 })))
    expect((await store.get(APP, token(1)))?.badge).toBe(6)
  })
})

describe('rejected tokens', () => {
  test('are marked as refused, so that the next push skips them, until they register again', async () => {
    apple.script(reject(token(2)))
    await register(tokens(5))
    const first = await collect(dispatcher().deliver(push()))
    expect(first['rejected']).toEqual([token(2)])
    expect((await store.get(APP, token(2)))?.refused).toMatchObject({ reason: 'InvalidToken' })
    expect(await dispatcher().count(push())).toBe(4)
    await register([token(2)])
    expect(await dispatcher().count(push())).toBe(5)
  })

  test('are not marked before anything was accepted with these credentials', async () => {
    apple.script(reject(token(1)))
    await register([token(1)])
    await collect(dispatcher().deliver(push()))
    expect((await store.get(APP, token(1)))?.refused).toBeNull()
  })

  test('in great number are a push to the wrong environment: it ends, and no device is marked', async () => {
    apple.script({ rules: [{ when: { every: 4 }, do: { status: 8 } }] })
    await register(tokens(3000))
    await expect(collect(dispatcher().deliver(push()))).rejects.toMatchObject({ code: 'environment-mismatch' })
    expect(await store.count({ app: APP, refused: true })).toBe(0)
  })

  test('in great number are marked all the same where the check is switched off', async () => {
    apple.script({ rules: [{ when: { every: 4 }, do: { status: 8 } }] })
    await register(tokens(400))
    const { rejected = [] } = await collect(dispatcher({ mismatchShare: 1 }).deliver(push()))
    expect([rejected.length, await store.count({ app: APP, refused: true })]).toEqual([100, 100])
  })

  test('are marked chunk by chunk, so that a long push holds none of them for long', async () => {
    apple.script(reject(token(5), token(2000)))
    await register(tokens(2500))
    const told: number[] = []
    await collect(dispatcher({ chunkSize: 1000 }).deliver(push(), { onRefused: (devices) => told.push(devices) }))
    expect(await store.count({ app: APP, refused: true })).toBe(2)
    expect(told.reduce((sum, devices) => sum + devices, 0)).toBe(2)
    expect(told.length).toBeGreaterThan(1)
  })
})

describe('over the provider API', () => {
  beforeEach(async () => {
    await sender.close()
    const credentials = openCertificate(Buffer.from(apple.certificates.client))
    sender = new Sender({ app: APP, provider: apple.provider, ca: apple.certificates.ca, credentials })
  })

  test('devices whose app is gone are removed, unless they registered since Apple found that out', async () => {
    const now = Date.now()
    await register(tokens(5), { updatedAt: new Date(now - 60_000) })
    const script = answer({
      [token(1)]: { status: 410, reason: 'Unregistered', timestamp: now - 30_000 },
      [token(2)]: { status: 410, reason: 'Unregistered', timestamp: now - 90_000 },
      // without a time it is that of the push
      [token(3)]: { status: 410, reason: 'ExpiredToken' },
      [token(9)]: { status: 410, reason: 'Unregistered', timestamp: now },
    })
    apple.script(script)
    const told: number[] = []
    const to = push({ audience: { tokens: [...tokens(5), token(9)] } })
    const outcomes = await collect(dispatcher().deliver(to, { onRemoved: (devices) => told.push(devices) }))
    expect(outcomes['accepted']?.toSorted()).toEqual([token(0), token(4)])
    expect(outcomes['unregistered']?.toSorted()).toEqual([token(1), token(2), token(3), token(9)])
    const left = await store.getMany(APP, tokens(5))
    expect(left.map((device) => device?.token)).toEqual([token(0), undefined, token(2), undefined, token(4)])
    expect(await store.tombstone(APP, token(1))).toMatchObject({ cause: 'unregistered' })
    expect(told.reduce((sum, devices) => sum + devices, 0)).toBe(2)
  })

  test.for(['BadDeviceToken', 'DeviceTokenNotForTopic'])('%s marks a device as refused', async (reason) => {
    await register(tokens(3))
    apple.script(answer({ [token(1)]: { status: 400, reason } }))
    await collect(dispatcher().deliver(push()))
    expect((await store.get(APP, token(1)))?.refused).toMatchObject({ reason })
    expect(await dispatcher().count(push())).toBe(2)
  })

  test('many rejected tokens are a push to the wrong environment: it ends, and no device is marked', async () => {
    await register(tokens(3000))
    apple.script({
      provider: { rules: [{ when: { every: 4 }, do: { status: 400, reason: 'BadDeviceToken' } }] },
    })
    await expect(collect(dispatcher().deliver(push()))).rejects.toMatchObject({ code: 'environment-mismatch' })
    expect(await store.count({ app: APP, refused: true })).toBe(0)
  })
})

test('an abort gives back what was not written', async () => {
  await register(tokens(50_000))
  const aborting = new AbortController()
  const kinds: Record<string, number> = {}
  for await (const outcomes of dispatcher().deliver(push(), { signal: aborting.signal })) {
    for (const { kind } of outcomes) kinds[kind] = (kinds[kind] ?? 0) + 1
    aborting.abort()
  }
  expect(kinds['accepted']).toBe(apple.journal.accepted)
  expect(Object.values(kinds).reduce((sum, count) => sum + count, 0)).toBeLessThanOrEqual(50_000)
})

test('feedback removes who has not registered since, and keeps the others', async () => {
  const now = Math.floor(Date.now() / 1000)
  await register([token(1), token(2)])
  const feedback = [
    { token: token(1), at: now + 60 },
    { token: token(2), at: now - 3600 },
    { token: token(3), at: now },
  ]
  apple.script({ feedback })
  const credentials = openCertificate(Buffer.from(apple.certificates.client))
  const tuples = readFeedback({ feedback: apple.feedback, ca: apple.certificates.ca, credentials })
  expect(await dispatcher().removeByFeedback(APP, 'production', tuples)).toEqual({ read: 3, removed: 1, kept: 2 })
  expect([await store.get(APP, token(1)), (await store.get(APP, token(2)))?.token]).toEqual([undefined, token(2)])
  expect(await store.tombstone(APP, token(1))).toMatchObject({ cause: 'feedback' })
})

test('feedback that is cut removes what came before the cut', async () => {
  await register([token(1)])
  async function* cut() {
    yield { token: token(1), at: Math.floor(Date.now() / 1000) + 60 }
    throw new Error('cut')
  }
  await expect(dispatcher().removeByFeedback(APP, 'production', cut())).rejects.toThrow('cut')
  expect(await store.get(APP, token(1))).toBeUndefined()
})
