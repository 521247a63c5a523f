import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { connect } from 'node:tls'

import {
  CONNECTION_PREFACE,
  encodeFrameHeader,
  encodeRstStream,
  encodeSettings,
  FLAG,
  FRAME,
  renderHeaderBlock,
} from '@lhspn/apns-protocol/http2'
import * as fc from 'fast-check'
import { afterEach, expect, test } from 'vitest'

import {
  createCertificates,
  startSimulator,
  type ProviderAction,
  type Script,
  type Simulator,
  type SimulatorOptions,
} from '../src/index.ts'
import { ProviderClient, providerToken, received, TOKEN, type Received, type TokenParts } from './provider-client.ts'

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

/** Sends requests to different tokens at once on a connection that has proven itself with a first one. */
async function burst(
  simulator: Simulator,
  tokens: readonly string[],
): Promise<{ answers: unknown[]; client: ProviderClient }> {
  const client = connectTo(simulator)
  await client.send()
  await client.allowed(1000)
  const answers = await Promise.all(tokens.map((token) => client.send({ ':path': `/3/device/${token}` })))
  return { answers: answers.map((answer) => told(answer)), client }
}

const TOKENS = ['a1', 'a2', 'a3', 'a4'].map((byte) => byte.repeat(32))
/** The journal after a burst: verdicts of the requests behind the first. */
function verdicts({ journal }: Simulator): string[] {
  return journal
    .requests()
    .slice(1)
    .map(({ verdict }) => verdict)
}
const THIRD = { token: 'a3'.repeat(32) }

test.for<{ do: ProviderAction; name: string; answers: unknown[]; verdicts: string[]; goaways: unknown[] }>([
  {
    name: 'GOAWAY with this request',
    do: { goaway: 'this', reason: 'Shutdown' },
    answers: [200, 200, 200, 'reset 7'],
    verdicts: ['accepted', 'accepted', 'accepted'],
    goaways: [[0, 7, '{"reason":"Shutdown"}']],
  },
  {
    name: 'GOAWAY before this request',
    do: { goaway: 'before', code: 2, text: 'out of order' },
    answers: [200, 200, 'reset 2', 'reset 2'],
    verdicts: ['accepted', 'accepted', 'discarded'],
    goaways: [[2, 5, 'out of order']],
  },
  {
    name: 'GOAWAY with no stream',
    do: { goaway: 'zero', reason: 'BadCertificateEnvironment' },
    answers: [200, 200, 'reset 7', 'reset 7'],
    verdicts: ['accepted', 'accepted', 'discarded'],
    goaways: [[0, 0, '{"reason":"BadCertificateEnvironment"}']],
  },
])('$name', async ({ do: action, answers, verdicts: due, goaways }) => {
  const simulator = await start({ rules: [{ when: THIRD, do: action }] })
  const got = await burst(simulator, TOKENS)
  await got.client.closed
  expect(got.client.goaways).toEqual(goaways)
  expect(got.answers).toEqual(answers)
  // what is behind may come after the end
  expect(verdicts(simulator).slice(0, 3)).toEqual(due)
  expect(simulator.journal.acceptedTimes(TOKENS[3] ?? '')).toBe(0)
  await simulator.journal.waitFor(({ closed }) => closed === 1)
  expect(simulator.journal.violations()).toEqual([])
})

test.for<{ do: ProviderAction; answer: unknown }>([
  { do: 'refuse-stream', answer: 'reset 7' },
  { do: { reset: 2 }, answer: 'reset 2' },
  { do: { status: 500, reason: 'InternalServerError', delayMs: 50 }, answer: [500, { reason: 'InternalServerError' }] },
  { do: { status: 200, delayMs: 50 }, answer: 200 },
])('$do is about its own stream only', async ({ do: action, answer }) => {
  const simulator = await start({ rules: [{ when: THIRD, do: action }] })
  const { answers, client } = await burst(simulator, TOKENS)
  expect(answers).toEqual([200, 200, answer, 200])
  expect(told(await client.send())).toBe(200)
})

test('silent: the request is never answered, all others are', async () => {
  const simulator = await start({ rules: [{ when: THIRD, do: 'silent' }] })
  const client = connectTo(simulator)
  await client.send()
  await client.allowed(1000)
  const silent = received(client.open({ ':path': `/3/device/${THIRD.token}` }))
  expect(told(await client.send())).toBe(200)
  expect(verdicts(simulator)).toEqual(['discarded', 'accepted'])
  client.session.destroy()
  expect((await silent).status).toBeUndefined()
})

test('silent-connection: what came before is answered; then not even a ping is', async () => {
  const simulator = await start({ rules: [{ when: THIRD, do: 'silent-connection' }] })
  const client = connectTo(simulator)
  await client.send()
  await client.allowed(1000)
  const answers = TOKENS.map((token) => received(client.open({ ':path': `/3/device/${token}` })))
  expect((await Promise.all(answers.slice(0, 2))).map((answer) => told(answer))).toEqual([200, 200])
  let answered = false
  client.session.ping(() => (answered = true))
  await simulator.journal.waitFor((journal) => journal.counts().discarded > 0)
  // a second connection is served meanwhile: the first had all the time that an answer takes
  expect(told(await connectTo(simulator).send())).toBe(200)
  expect(answered).toBe(false)
  expect(simulator.journal.closed).toBe(0)
})

test.for<{ do: 'close' | 'reset' }>([{ do: 'close' }, { do: 'reset' }])(
  '$do: ends the connection without a GOAWAY',
  async ({ do: action }) => {
    const simulator = await start({ rules: [{ when: THIRD, do: action }] })
    const { answers, client } = await burst(simulator, TOKENS)
    await client.closed
    expect(client.goaways).toEqual([])
    if (action === 'close') expect(answers.slice(0, 2)).toEqual([200, 200])
    expect(answers[2]).toMatch(/^reset/)
    expect(verdicts(simulator).slice(0, 3)).toEqual(['accepted', 'accepted', 'discarded'])
    await simulator.journal.waitFor(({ closed }) => closed === 1)
    expect(told(await connectTo(simulator).send())).toBe(200)
    expect(simulator.journal.violations()).toEqual([])
  },
)

test('an answer that is delayed is taken at once; GOAWAY without a stream lets it go first', async () => {
  const simulator = await start({
    rules: [
      { when: { token: OTHER }, do: { status: 200, delayMs: 3_600_000 } },
      { when: THIRD, do: { goaway: 'zero' } },
    ],
  })
  const { answers } = await burst(simulator, [OTHER, THIRD.token])
  expect(answers).toEqual([200, 'reset 7'])
  expect(verdicts(simulator)).toEqual(['accepted', 'discarded'])
})

test('an answer that is delayed is lost with its connection, and what was taken stays taken', async () => {
  const simulator = await start({
    rules: [
      { when: { token: OTHER }, do: { status: 200, delayMs: 3_600_000 } },
      { when: THIRD, do: 'close' },
    ],
  })
  const { answers } = await burst(simulator, [OTHER, THIRD.token])
  expect(answers[0]).toMatch(/^reset/)
  expect(simulator.journal.acceptedTimes(OTHER)).toBe(1)
})

test.for<{ do: 'refuse' | 'close-at-once' }>([{ do: 'refuse' }, { do: 'close-at-once' }])(
  'a connection with $do comes to nothing, the next one is served',
  async ({ do: action }) => {
    const simulator = await start({ connections: [{ nth: 1, do: action }] })
    const first = connectTo(simulator)
    expect((await first.send()).status).toBeUndefined()
    await first.closed
    expect(told(await connectTo(simulator).send())).toBe(200)
    expect(simulator.journal.connections).toBe(2)
    expect(simulator.journal.requests()).toMatchObject([{ connection: 2 }])
  },
)

test('tls-alert: the client learns that its certificate is revoked', async () => {
  const simulator = await start({ connections: [{ nth: 1, do: 'tls-alert' }] })
  const stream = connectTo(simulator).open()
  const [error] = await once(stream, 'error')
  expect(error).toMatchObject({ code: expect.stringMatching(/ALERT_CERTIFICATE_REVOKED/) })
})

test('half-open: nothing comes, not even SETTINGS, and it stays open', async () => {
  const simulator = await start({ connections: [{ nth: { from: 1, to: 1 }, do: 'half-open' }] })
  const first = connectTo(simulator)
  await once(first.session.socket, 'secureConnect')
  first.open()
  expect(told(await connectTo(simulator).send())).toBe(200)
  expect([first.limits, first.session.closed, simulator.journal.closed]).toEqual([[], false, 0])
})

test('a client that does not speak HTTP/2 is let go', async () => {
  const simulator = await start()
  const [host, port] = simulator.provider.split(':')
  const socket = connect({ host, port: Number(port), ca: simulator.certificates.ca })
  socket.on('error', () => {})
  await once(socket, 'close')
  await simulator.journal.waitFor(({ closed }) => closed === 1)
  expect(simulator.journal.requests()).toEqual([])
})

test('a client that breaks the rules of HTTP/2 is told of', async () => {
  const simulator = await start()
  const [host, port] = simulator.provider.split(':')
  const socket = connect({ host, port: Number(port), ca: simulator.certificates.ca, ALPNProtocols: ['h2'] })
  socket.on('error', () => {})
  socket.end('GET / HTTP/1.1\r\n\r\n')
  socket.resume()
  await simulator.journal.waitFor(({ closed }) => closed === 1)
  expect(simulator.journal.violations()[0]).toMatchObject({ connection: 1, stream: 0, rule: 'ProtocolError' })
})

/** Bytes as a client of frames sends them, once the handshake is done. */
async function converse(simulator: Simulator, ...chunks: readonly Uint8Array[]): Promise<void> {
  const [host, port] = simulator.provider.split(':')
  const { ca, client: cert } = simulator.certificates
  const socket = connect({ host, port: Number(port), ca, cert, key: cert, ALPNProtocols: ['h2'] })
  socket.on('error', () => {})
  socket.resume()
  await once(socket, 'secureConnect')
  for (const chunk of chunks) socket.write(chunk)
  socket.end()
  await once(socket, 'close')
}

test('a request that its client resets at once was taken all the same', async () => {
  const simulator = await start()
  const head = renderHeaderBlock([
    [':method', 'POST'],
    [':path', `/3/device/${TOKEN}`],
  ])
  const frames = new Uint8Array(512)
  frames.set(CONNECTION_PREFACE)
  let at = encodeSettings(frames, CONNECTION_PREFACE.length, [])
  at = encodeFrameHeader(frames, at, head.length, FRAME.HEADERS, FLAG.END_HEADERS, 1)
  frames.set(head, at)
  at = encodeFrameHeader(frames, at + head.length, 2, FRAME.DATA, FLAG.END_STREAM, 1)
  frames.set(Buffer.from('{}'), at)
  at = encodeRstStream(frames, at + 2, 1, 8)
  await converse(simulator, frames.subarray(0, at))
  await simulator.journal.waitFor(({ closed }) => closed === 1)
  expect(told(await connectTo(simulator).send())).toBe(200)
})

test('any bytes end their own connection at most', async () => {
  const simulator = await start({}, { journal: 'counts' })
  const frame = fc
    .tuple(fc.uint8Array({ maxLength: 40 }), fc.nat(10), fc.nat(255), fc.nat(8))
    .map(([body, type, flags, stream]) => {
      const bytes = new Uint8Array(9 + body.length)
      bytes.set(body, encodeFrameHeader(bytes, 0, body.length, type, flags, stream))
      return bytes
    })
  const chunks = fc.array(fc.oneof(frame, fc.uint8Array({ maxLength: 40 })), { maxLength: 12 })
  const beginning = fc.constantFrom(CONNECTION_PREFACE, Uint8Array.of(...CONNECTION_PREFACE, 0, 0, 0, 4, 0, 0, 0, 0, 0))
  await fc.assert(
    fc.asyncProperty(beginning, chunks, (first, rest) => converse(simulator, first, ...rest)),
    { numRuns: 100 },
  )
  expect(told(await connectTo(simulator).send())).toBe(200)
  expect(simulator.journal.accepted).toBeGreaterThan(0)
})

test('counts: requests are counted, not kept', async () => {
  const simulator = await start({}, { journal: 'counts' })
  const client = connectTo(simulator)
  await client.send()
  await client.send({ ':path': `/3/device/${OTHER}` })
  expect([simulator.journal.accepted, simulator.journal.acceptedTimes(OTHER)]).toEqual([2, 1])
  expect(() => simulator.journal.requests()).toThrow(expect.objectContaining({ code: 'entries-not-kept' }))
})
