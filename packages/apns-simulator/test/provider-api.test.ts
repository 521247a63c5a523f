import { afterEach, expect, test } from 'vitest'

import { startSimulator, type Script, type Simulator, type SimulatorOptions } from '../src/index.ts'
import { ProviderClient, TOKEN, type Received } from './provider-client.ts'

const started: Simulator[] = []
const clients: ProviderClient[] = []
afterEach(async () => {
  for (const client of clients.splice(0)) client.session.destroy()
  for (const simulator of started.splice(0)) await simulator.close()
})

async function start(
  provider: NonNullable<Script['provider']> = {},
  options: SimulatorOptions = {},
): Promise<Simulator> {
  const simulator = await startSimulator({ script: { provider }, ...options })
  started.push(simulator)
  return simulator
}

function connectTo(...args: ConstructorParameters<typeof ProviderClient>): ProviderClient {
  const client = new ProviderClient(...args)
  clients.push(client)
  return client
}

function told({ status, body, code }: Received): unknown {
  return status === undefined ? `reset ${code}` : body === '' ? status : [status, JSON.parse(body)]
}

test('a request in order is taken and entered with all that came', async () => {
  const simulator = await start()
  const client = connectTo(simulator)
  const id = '01234567-89ab-8cde-bf01-23456789abcd'
  const answer = await client.send({ 'apns-id': id, 'apns-priority': '5' }, '{"aps":{"alert":"Grüße"}}')
  expect(told(answer)).toBe(200)
  expect(answer.headers['apns-id']).toBe(id)
  expect(answer.headers['apns-unique-id']).toBeUndefined()
  const { journal } = simulator
  expect(journal.requests()).toMatchObject([
    { connection: 1, stream: 1, token: TOKEN, verdict: 'accepted', status: 200, id },
  ])
  expect(journal.requests()[0]?.headers).toMatchObject({ ':method': 'POST', 'apns-priority': '5' })
  expect(Buffer.from(journal.requests()[0]?.payload ?? []).toString()).toBe('{"aps":{"alert":"Grüße"}}')
  expect([journal.accepted, journal.acceptedTimes(TOKEN), journal.connections]).toEqual([1, 1, 1])
  expect([...journal.acceptedTokens()]).toEqual([TOKEN])
  expect(journal.violations()).toEqual([])
})

test('one stream until a provider token was good, then as many as the script says', async () => {
  const simulator = await start({ maxConcurrentStreams: 20 })
  const client = connectTo(simulator)
  await client.allowed(1)
  expect(told(await client.send({ authorization: undefined }))).toEqual([403, { reason: 'MissingProviderToken' }])
  expect(client.limit).toBe(1)
  expect(told(await client.send())).toBe(200)
  await client.allowed(20)
  simulator.script({ provider: { maxConcurrentStreams: 3 } })
  await client.allowed(3)
})

test('rules answer', async () => {
  const simulator = await start({
    rules: [
      { when: { nth: 1 }, do: { status: 410, reason: 'Unregistered', timestamp: 1_700_000_000_000 } },
      { when: { nth: 2 }, do: { status: 429, reason: 'TooManyRequests', retryAfter: 7 } },
      { when: { nth: 3 }, do: { status: 599 } },
    ],
  })
  const client = connectTo(simulator)
  expect(told(await client.send())).toEqual([410, { reason: 'Unregistered', timestamp: 1_700_000_000_000 }])
  const second = await client.send()
  expect([told(second), second.headers['retry-after']]).toEqual([[429, { reason: 'TooManyRequests' }], '7'])
  expect(told(await client.send())).toBe(599)
  expect(told(await client.send())).toBe(200)
  expect(simulator.journal.refusals()).toEqual(
    new Map([
      ['Unregistered', 1],
      ['TooManyRequests', 1],
      ['599', 1],
    ]),
  )
})
