import { generateKeyPairSync } from 'node:crypto'
import { constants } from 'node:http2'

import { expect, test } from 'vitest'

import { createCertificates } from '../src/index.ts'
import { providerToken, TOKEN, type TokenParts } from './provider-client.ts'
import { connectTo, start, told } from './provider-stage.ts'

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
  expect(client.limits).toEqual([1])
  expect(told(await client.send())).toBe(200)
  await client.allowed(20)
  simulator.script({ provider: { maxConcurrentStreams: 3 } })
  await client.allowed(3)
  expect(client.limits).toEqual([1, 20, 3])
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

const OTHER = 'ab'.repeat(32)
const ID = '01234567-89ab-8cde-bf01-23456789abcd'

test.for<{
  wrong: string
  headers?: Record<string, string | string[] | undefined>
  payload?: string | Uint8Array
  answer: unknown
}>([
  { wrong: 'another path', headers: { ':path': '/3/devices/aa' }, answer: [404, 'BadPath'] },
  { wrong: 'no token', headers: { ':path': '/3/device/' }, answer: [400, 'MissingDeviceToken'] },
  { wrong: 'a token that is no hex', headers: { ':path': '/3/device/xyz' }, answer: [400, 'BadDeviceToken'] },
  { wrong: 'another method', headers: { ':method': 'PUT' }, answer: [405, 'MethodNotAllowed'] },
  { wrong: 'an id that is no UUID', headers: { 'apns-id': '17' }, answer: [400, 'BadMessageId'] },
  { wrong: 'a header that came twice', headers: { 'apns-id': [ID, ID] }, answer: [400, 'DuplicateHeaders'] },
  { wrong: 'a time that is none', headers: { 'apns-expiration': 'soon' }, answer: [400, 'BadExpirationDate'] },
  { wrong: 'a priority that is none', headers: { 'apns-priority': '7' }, answer: [400, 'BadPriority'] },
  {
    wrong: 'background at priority 10',
    headers: { 'apns-push-type': 'background', 'apns-priority': '10' },
    answer: [400, 'BadPriority'],
  },
  { wrong: 'an unknown push type', headers: { 'apns-push-type': 'shout' }, answer: [400, 'InvalidPushType'] },
  { wrong: 'a long collapse id', headers: { 'apns-collapse-id': 'x'.repeat(65) }, answer: [400, 'BadCollapseId'] },
  { wrong: 'no topic', headers: { 'apns-topic': undefined }, answer: [400, 'MissingTopic'] },
  { wrong: 'a topic without its suffix', headers: { 'apns-push-type': 'voip' }, answer: [400, 'BadTopic'] },
  {
    wrong: 'a topic of another push type',
    headers: { 'apns-topic': 'com.example.app.voip' },
    answer: [400, 'BadTopic'],
  },
  { wrong: 'a topic of nobody', headers: { 'apns-topic': 'com.example.other' }, answer: [400, 'TopicDisallowed'] },
  { wrong: 'no payload', payload: '', answer: [400, 'PayloadEmpty'] },
  { wrong: 'a payload of 4097 bytes', payload: `{"x":"${'x'.repeat(4089)}"}`, answer: [413, 'PayloadTooLarge'] },
  { wrong: 'a payload that is no JSON', payload: '{"aps":', answer: [400, 'BadRequestPayload'] },
  { wrong: 'a payload that is no object', payload: '17', answer: [400, 'BadRequestPayload'] },
  { wrong: 'a payload that is no UTF-8', payload: Uint8Array.of(0x22, 0xff, 0x22), answer: [400, 'BadRequestPayload'] },
])('$wrong is refused: $answer', async ({ headers, payload, answer }) => {
  const simulator = await start({}, { apps: ['com.example.app'] })
  const { status, body } = await connectTo(simulator).send(headers, payload)
  expect([status, JSON.parse(body).reason]).toEqual(answer)
  const { journal } = simulator
  expect(journal.violations()).toMatchObject([{ connection: 1, stream: 1, rule: JSON.parse(body).reason }])
  expect(journal.violations()[0]?.detail).not.toMatch(/bearer/)
  expect(journal.counts()).toMatchObject({ accepted: 0, rejected: 1 })
})

test.for<{ pushType: string; topic: string; payload?: string; priority?: string }>([
  { pushType: 'alert', topic: 'com.example.app', payload: `{"x":"${'x'.repeat(4088)}"}` },
  { pushType: 'background', topic: 'com.example.app', priority: '5' },
  { pushType: 'voip', topic: 'com.example.app.voip', payload: `{"x":"${'x'.repeat(5112)}"}` },
  { pushType: 'location', topic: 'com.example.app.location-query' },
  { pushType: 'liveactivity', topic: 'com.example.app.push-type.liveactivity' },
])('$pushType to $topic is taken', async ({ pushType, topic, payload, priority }) => {
  const simulator = await start({}, { apps: ['com.example.app'] })
  const headers = { 'apns-push-type': pushType, 'apns-topic': topic, 'apns-priority': priority }
  expect(told(await connectTo(simulator).send(headers, payload))).toBe(200)
  expect(simulator.journal.violations()).toEqual([])
})

test('the sandbox gives an id of its own to look a notification up by', async () => {
  const simulator = await start({}, { environment: 'sandbox' })
  const answer = await connectTo(simulator).send()
  expect(answer.headers['apns-unique-id']).toMatch(/^[0-9a-f-]{36}$/)
  expect(answer.headers['apns-id']).toMatch(/^[0-9a-f-]{36}$/)
  expect(simulator.journal.requests()[0]?.id).toBe(answer.headers['apns-id'])
})

test.for<{ wrong: string; parts: TokenParts; reason: string }>([
  { wrong: 'signed in DER', parts: { dsaEncoding: 'der' }, reason: 'InvalidProviderToken' },
  { wrong: 'of another algorithm', parts: { alg: 'HS256' }, reason: 'InvalidProviderToken' },
  { wrong: 'of an unknown key', parts: { keyId: 'AAAAAAAAAA' }, reason: 'InvalidProviderToken' },
  { wrong: 'of another team', parts: { teamId: 'AAAAAAAAAA' }, reason: 'InvalidProviderToken' },
  { wrong: 'with a time in a text', parts: { issuedAt: '1700000000' }, reason: 'InvalidProviderToken' },
  { wrong: 'in milliseconds', parts: { issuedAt: Date.now() }, reason: 'InvalidProviderToken' },
  { wrong: 'of last year', parts: { issuedAt: 1_700_000_000 }, reason: 'ExpiredProviderToken' },
])('a provider token $wrong is answered with $reason', async ({ parts, reason }) => {
  const simulator = await start()
  const client = connectTo(simulator)
  const authorization = `bearer ${providerToken(simulator.signingKey, parts)}`
  expect(told(await client.send({ authorization }))).toEqual([403, { reason }])
  expect(client.limits).toEqual([1])
  expect(told(await client.send())).toBe(200)
})

test('keys of others are taken as said, each on a connection of its own', async () => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  const ids = { keyId: 'THEIROWNKY', teamId: 'THEIROWNTM' }
  const sandbox = { keyId: 'SANDBOXKEY', teamId: 'THEIROWNTM' }
  const signingKeys = [
    { ...ids, publicKey },
    { ...sandbox, publicKey, environment: 'sandbox' as const },
  ]
  const simulator = await start({}, { signingKeys })
  const client = connectTo(simulator)
  const bySandbox = { authorization: `bearer ${providerToken({ ...sandbox, key: privateKey })}` }
  expect(told(await client.send(bySandbox))).toEqual([403, { reason: 'BadEnvironmentKeyIdInToken' }])
  expect(told(await client.send({ authorization: `bearer ${providerToken({ ...ids, key: privateKey })}` }))).toBe(200)
  expect(told(await client.send())).toEqual([403, { reason: 'UnrelatedKeyIdInToken' }])
})

test('a certificate proves the connection at once, gives the topic, and is good for its own only', async () => {
  const simulator = await start({ maxConcurrentStreams: 50 })
  const { client: cert } = simulator.certificates
  const client = connectTo(simulator, { cert, key: cert })
  await client.allowed(50)
  const unsigned = { authorization: undefined }
  expect(told(await client.send({ ...unsigned, 'apns-topic': undefined }))).toBe(200)
  expect(told(await client.send(unsigned))).toBe(200)
  expect(told(await client.send({ authorization: 'bearer of bad news' }))).toBe(200)
  expect(told(await client.send({ ...unsigned, 'apns-topic': 'com.example.other' }))).toEqual([
    400,
    { reason: 'TopicDisallowed' },
  ])
  const location = { 'apns-push-type': 'location', 'apns-topic': 'com.example.app.location-query' }
  expect(told(await client.send({ ...unsigned, ...location }))).toEqual([400, { reason: 'TopicDisallowed' }])
})

test('a certificate that is expired or of another authority is refused with every request', async () => {
  const simulator = await start()
  const { client: stranger } = await createCertificates()
  const client = connectTo(simulator, { cert: stranger, key: stranger })
  expect(told(await client.send())).toEqual([403, { reason: 'BadCertificate' }])
  expect(client.limits).toEqual([1])
})

test('streams that are opened before a token was good are refused and told of', async () => {
  const simulator = await start({ rules: [{ when: { nth: 1 }, do: 'silent' }] })
  const client = connectTo(simulator, { peerMaxConcurrentStreams: 100 })
  client.open()
  const answers = await Promise.all([client.send(), client.send()])
  expect(answers.map((answer) => told(answer))).toEqual(['reset 7', 'reset 7'])
  expect(simulator.journal.violations()).toMatchObject([
    { stream: 3, rule: 'TooManyStreams', detail: '1 were open, and 1 is the limit' },
    { stream: 5, rule: 'TooManyStreams' },
  ])
})

test('a limit that falls refuses whatever is on its way, and the connection goes on', async () => {
  const simulator = await start({ maxConcurrentStreams: 2000 })
  const client = connectTo(simulator)
  await client.send()
  await client.allowed(2000)
  const rules = [{ when: { token: OTHER }, do: 'silent' as const }]
  client.open({ ':path': `/3/device/${OTHER}` })
  const answers = Array.from({ length: 1500 }, () => client.send())
  simulator.script({ provider: { rules, maxConcurrentStreams: 1 } })
  expect((await Promise.all(answers)).filter(({ code }) => code !== constants.NGHTTP2_REFUSED_STREAM)).toEqual([])
  simulator.script({})
  await client.allowed(1000)
  expect(told(await client.send())).toBe(200)
  expect(simulator.journal.violations()).toEqual([])
})

test('a limit may change faster than it is acknowledged', async () => {
  const simulator = await start({ maxConcurrentStreams: 1 })
  const client = connectTo(simulator)
  await client.send()
  for (let limit = 2; limit <= 30; limit++) simulator.script({ provider: { maxConcurrentStreams: limit } })
  await client.allowed(30)
  expect(told(await client.send())).toBe(200)
  expect(simulator.journal.violations()).toEqual([])
})

test('counts: requests are counted, not kept', async () => {
  const simulator = await start({}, { journal: 'counts' })
  const client = connectTo(simulator)
  await client.send()
  await client.send({ ':path': `/3/device/${OTHER}` })
  expect([simulator.journal.accepted, simulator.journal.acceptedTimes(OTHER)]).toEqual([2, 1])
  expect(() => simulator.journal.requests()).toThrow(expect.objectContaining({ code: 'entries-not-kept' }))
})
