import { createRequire } from 'node:module'

import { afterEach, expect, test } from 'vitest'

import { startSimulator, type Script, type Simulator } from '../src/index.ts'

/** What is used here of @parse/node-apn, a client of the provider API that nobody of this project wrote. */
interface NodeApn {
  readonly Provider: new (options: object) => {
    send(notification: object, tokens: readonly string[]): Promise<{ sent: { device: string }[]; failed: Failed[] }>
    shutdown(): Promise<void>
  }
  readonly Notification: new () => object
}
interface Failed {
  readonly device: string
  readonly status: number
  readonly response: { readonly reason: string; readonly timestamp?: number }
}

/** The same of apns2, whose HTTP/2 is undici's. */
interface Apns2 {
  readonly ApnsClient: new (options: object) => {
    client: { destroy(): Promise<void> }
    sendMany(
      notifications: readonly object[],
    ): Promise<readonly { readonly error?: { reason: string; statusCode: number } }[]>
    destroy(): Promise<void>
  }
  readonly Notification: new (token: string, options: object) => object
}
interface Undici {
  readonly Pool: new (origin: string, options: object) => { destroy(): Promise<void> }
}

const require = createRequire(import.meta.url)
const nodeApn: NodeApn = require('@parse/node-apn')
const apns2: Apns2 = require('apns2')
const { Pool }: Undici = createRequire(require.resolve('apns2'))('undici')

const TOKENS = Array.from({ length: 30 }, (_, index) => index.toString(16).padStart(2, '0').repeat(32))
const DEAD = TOKENS[7] ?? ''
const ONE_IS_DEAD: Script = {
  provider: {
    rules: [{ when: { token: DEAD }, do: { status: 410, reason: 'Unregistered', timestamp: 1_700_000_000_000 } }],
  },
}

let simulator: Simulator
const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
  await simulator.close()
})

test.for(['provider token', 'certificate'] as const)('@parse/node-apn delivers by %s', async (means) => {
  simulator = await startSimulator({ script: ONE_IS_DEAD })
  const { signingKey, certificates } = simulator
  const [address, port] = simulator.provider.split(':')
  const provider = new nodeApn.Provider({
    address,
    port: Number(port),
    ca: certificates.ca,
    production: true,
    ...(means === 'provider token'
      ? { token: signingKey }
      : { token: null, cert: certificates.client, key: certificates.client }),
  })
  closing.push(() => provider.shutdown())
  const notification = Object.assign(new nodeApn.Notification(), {
    topic: 'com.example.app',
    payload: { order: 17 },
    alert: 'Grüße 🐱',
    badge: 3,
    expiry: 1_800_000_000,
    collapseId: 'order-17',
    pushType: 'alert',
  })
  // it would open a hundred streams before it knows that it may open one; Apple's rule is to prove the token first
  const [first = '', ...others] = TOKENS
  const { sent } = await provider.send(notification, [first])
  const { sent: alsoSent, failed } = await provider.send(notification, others)
  sent.push(...alsoSent)
  expect(sent.map(({ device }) => device).toSorted()).toEqual(TOKENS.filter((token) => token !== DEAD))
  expect(failed).toMatchObject([
    { device: DEAD, status: 410, response: { reason: 'Unregistered', timestamp: 1_700_000_000_000 } },
  ])
  for (const { headers, payload } of simulator.journal.requests()) {
    expect(headers).toMatchObject({ 'apns-expiration': '1800000000', 'apns-collapse-id': 'order-17' })
    expect(JSON.parse(Buffer.from(payload).toString())).toEqual({ order: 17, aps: { badge: 3, alert: 'Grüße 🐱' } })
  }
  expect(simulator.journal.counts()).toMatchObject({ accepted: 29, rejected: 1 })
  expect(simulator.journal.violations()).toEqual([])
})

test('apns2 delivers', async () => {
  simulator = await startSimulator({ script: ONE_IS_DEAD })
  const { keyId, teamId, key } = simulator.signingKey
  const client = new apns2.ApnsClient({ team: teamId, keyId, signingKey: key, defaultTopic: 'com.example.app' })
  // it connects to port 443 of a host and trusts the system's authorities only: the same pool to ours
  await client.client.destroy()
  const { ca } = simulator.certificates
  client.client = new Pool(`https://${simulator.provider}`, {
    connections: 1,
    pipelining: 1,
    allowH2: true,
    connect: { ca },
  })
  closing.push(() => client.destroy())
  const results = await client.sendMany(
    TOKENS.map((token) => new apns2.Notification(token, { aps: { alert: 'Hello' } })),
  )
  expect(results.flatMap(({ error }) => (error === undefined ? [] : [[error.statusCode, error.reason]]))).toEqual([
    [410, 'Unregistered'],
  ])
  expect([...simulator.journal.acceptedTokens()].toSorted()).toEqual(TOKENS.filter((token) => token !== DEAD))
})
