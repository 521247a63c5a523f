import { type Simulator, startSimulator } from '@lhspn/apns-simulator'
import { type DeviceStore, openDeviceStore } from '@lhspn/device-store'
import { openCertificate, readFeedback } from '@lhspn/sender'
import { afterEach, beforeEach, expect, test } from 'vitest'

import { Dispatcher } from '../src/dispatcher.ts'

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

async function register(list: readonly string[]): Promise<void> {
  await store.save(list.map((each) => ({ app: APP, token: each, environment: 'production' as const })))
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
