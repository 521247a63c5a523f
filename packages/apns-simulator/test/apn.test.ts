import { EventEmitter, once } from 'node:events'
import { createRequire } from 'node:module'
import util from 'node:util'

import { afterEach, expect, test } from 'vitest'

import { startSimulator, type Script, type Simulator } from '../src/index.ts'

/** What is used here of apn 1.7.8, the last one that spoke to the gateway: a client that nobody of this project wrote. */
interface Apn {
  readonly Connection: new (options: object) => ApnConnection
  readonly Feedback: new (options: object) => EventEmitter
  readonly Notification: new (payload: object) => object
}
interface ApnConnection extends EventEmitter {
  pushNotification(notification: object, tokens: readonly string[]): void
  shutdown(): void
}

// it calls util.isArray, which Node 23 took away
Object.assign(util, { isArray: Array.isArray })
const require = createRequire(import.meta.url)
const apn: Apn = require('apn')

const TOKENS = ['aa', 'bb', 'cc', 'dd', 'ee'].map((byte) => byte.repeat(32))

let simulator: Simulator
let connection: ApnConnection | undefined
afterEach(async () => {
  // only then it does not open a new connection for the one that goes away
  connection?.shutdown()
  connection = undefined
  await simulator.close()
})

async function start(script: Script): Promise<void> {
  simulator = await startSimulator({ script })
}

function options(address: string): object {
  const [host, port] = address.split(':')
  const { ca, client } = simulator.certificates
  return { address: host, port: Number(port), ca: [ca], cert: client, key: client, production: false }
}

test('apn delivers notifications', async () => {
  await start({})
  connection = new apn.Connection(options(simulator.gateway))
  const notification = Object.assign(new apn.Notification({ order: 17 }), {
    expiry: 1_800_000_000,
    badge: 3,
    alert: 'Grüße 🐱',
  })
  connection.pushNotification(notification, TOKENS)
  await simulator.journal.waitFor(({ accepted }) => accepted === TOKENS.length)
  expect([...simulator.journal.acceptedTokens()].toSorted()).toEqual(TOKENS)
  for (const { command, payload } of simulator.journal.entries()) {
    expect(command).toBe(2)
    expect(JSON.parse(Buffer.from(payload).toString())).toEqual({ order: 17, aps: { badge: 3, alert: 'Grüße 🐱' } })
  }
  expect(simulator.journal.connections).toBe(1)
})

test('apn learns of a rejection and sends what came after it again', async () => {
  await start({ rules: [{ when: { token: 'bb'.repeat(32) }, do: { status: 8 } }] })
  connection = new apn.Connection(options(simulator.gateway))
  const rejected = once(connection, 'transmissionError')
  connection.pushNotification(new apn.Notification({ aps: { alert: 'Hello' } }), TOKENS)
  const [status, , device]: [number, object, { toString(): string }] = (await rejected) as never
  expect([status, device.toString()]).toEqual([8, 'bb'.repeat(32)])
  await simulator.journal.waitFor(({ accepted }) => accepted === 4)
  expect(TOKENS.map((token) => simulator.journal.acceptedTimes(token))).toEqual([1, 0, 1, 1, 1])
})

test('apn reads the feedback service', async () => {
  await start({
    feedback: [
      { at: 1_700_000_000, token: 'aa'.repeat(32) },
      { at: 4_000_000_000, token: 'bb'.repeat(100) },
    ],
  })
  const feedback = new apn.Feedback({ ...options(simulator.feedback), interval: 0 })
  const [devices]: [{ time: number; device: { toString(): string } }[]] = (await once(feedback, 'feedback')) as never
  expect(devices.map(({ time, device }) => ({ at: time, token: device.toString() }))).toEqual([
    { at: 1_700_000_000, token: 'aa'.repeat(32) },
    { at: 4_000_000_000, token: 'bb'.repeat(100) },
  ])
})
