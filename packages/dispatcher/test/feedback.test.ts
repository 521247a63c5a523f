import { type Simulator, startSimulator } from '@lhspn/apns-simulator'
import { type DeviceStore, openDeviceStore } from '@lhspn/device-store'
import { openCertificate, readFeedback } from '@lhspn/sender'
import { afterEach, beforeEach, expect, test } from 'vitest'

import { Dispatcher } from '../src/dispatcher.ts'
import type { DispatcherEvent } from '../src/events.ts'
import { ENGINES, openStore } from './engines.ts'
import { flaky } from './flaky-database.ts'
import { dispatcherOf } from './stored.ts'

const APP = 'com.example.app'

let apple: Simulator
let store: DeviceStore

beforeEach(async () => {
  apple = await startSimulator()
  store = await openDeviceStore('sqlite::memory:')
})

afterEach(async () => {
  await store.close()
  await apple.close()
})

const token = (number: number): string => number.toString(16).padStart(64, '0')
const dispatcher = (): Dispatcher =>
  new Dispatcher({ store, senderFor: () => Promise.reject(new Error('nothing is sent')) })

async function register(list: readonly string[], registry = store): Promise<void> {
  await registry.save(list.map((each) => ({ app: APP, token: each, environment: 'production' as const })))
}

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

test.for(ENGINES)('feedback waits for a database that is away, and loses nothing, on $engine', async ({ freshUrl }) => {
  const registry = await openStore(await freshUrl())
  /** Statements that find the database away before it is back. */
  let away = 0
  const losing = await openDeviceStore(flaky(registry.database, () => (away > 0 ? (away--, 'before') : undefined)))
  const list = Array.from({ length: 200 }, (_, number) => token(number))
  await register(list, registry)
  async function* tuples() {
    for (const [at, each] of list.entries()) {
      // Once where enough has gathered, and once at the end.
      if (at === 100 || at === 199) away = 2
      yield { token: each, at: Math.floor(Date.now() / 1000) + 60 }
    }
  }
  const events: DispatcherEvent[] = []
  const removing = dispatcherOf(losing, { onEvent: (event) => events.push(event) })
  expect(await removing.removeByFeedback(APP, 'production', tuples())).toEqual({ read: 200, removed: 200, kept: 0 })
  expect(events).toHaveLength(4)
  expect(new Set(events.map((event) => event.kind === 'error' && event.what))).toEqual(new Set(['feedback']))
})

test('who waits for a database that is away gives up when it is aborted, or its dispatcher ends', async () => {
  const away = await openDeviceStore(flaky(store.database, () => 'before'))
  const abort = new AbortController()
  for (const end of [(ending: Dispatcher) => ending.drain(0), async () => abort.abort()]) {
    let failed!: () => void
    const hasFailed = new Promise<void>((resolve) => (failed = resolve))
    const ending = dispatcherOf(away, { onEvent: () => failed() })
    async function* tuples() {
      yield { token: token(1), at: 1 }
    }
    const ended = ending.removeByFeedback(APP, 'production', tuples(), abort.signal).catch((error: unknown) => error)
    await hasFailed
    await end(ending)
    expect(await ended).toMatchObject({ code: 'connection-lost' })
  }
})
