import { connect } from 'node:net'

import { expect, onTestFinished, test } from 'vitest'

import { ADMIN_KEY, type Api, APP, type Client, ONE_APP, startApi, tokenOf } from './harness.ts'

const TOKEN = tokenOf(1)
const JSON_TYPE = { 'content-type': 'application/json' }
const MIB = 1_048_576

/** Writes bytes as they are, and gives what came back until the other side closed. */
function speak(api: Api, ...pieces: readonly (string | Uint8Array)[]): Promise<string> {
  const { port } = new URL(api.server.url)
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), '127.0.0.1')
    let answer = ''
    socket.setEncoding('utf8').on('data', (chunk: string) => (answer += chunk))
    socket.on('error', reject).on('close', () => resolve(answer))
    for (const piece of pieces) socket.write(piece)
  })
}

const isNothingStored = async (api: Api): Promise<void> => {
  expect((await api.get('/v1/devices?count=true')).body).toEqual({ data: [], nextCursor: null, count: 0 })
}

test.for<[name: string, send: (client: Client) => ReturnType<Client['put']>, kind: string]>([
  [
    'broken JSON',
    (client) => client.put(`/v1/devices/${TOKEN}`, undefined, { raw: '{"badge":', headers: JSON_TYPE }),
    'invalid-request',
  ],
  [
    'two values',
    (client) => client.put(`/v1/devices/${TOKEN}`, undefined, { raw: '{}{}', headers: JSON_TYPE }),
    'invalid-request',
  ],
  [
    'NUL bytes',
    (client) => client.put(`/v1/devices/${TOKEN}`, undefined, { raw: '{}\0', headers: JSON_TYPE }),
    'invalid-request',
  ],
  ['no object', (client) => client.put(`/v1/devices/${TOKEN}`, [1]), 'invalid-request'],
  ['null', (client) => client.put(`/v1/devices/${TOKEN}`, null), 'invalid-request'],
  [
    'invalid UTF-8',
    (client) =>
      client.put(`/v1/devices/${TOKEN}`, undefined, {
        raw: Buffer.concat([Buffer.from('{"osVersion":"'), Buffer.from([0xc3, 0x28]), Buffer.from('"}')]),
        headers: JSON_TYPE,
      }),
    'invalid-request',
  ],
  [
    'half a surrogate pair',
    (client) =>
      client.put(`/v1/devices/${TOKEN}`, undefined, { raw: '{"attributes":{"a":"\\ud800"}}', headers: JSON_TYPE }),
    'invalid-request',
  ],
  [
    'half a surrogate pair as a key',
    (client) =>
      client.put(`/v1/devices/${TOKEN}`, undefined, { raw: '{"attributes":{"\\udfff":1}}', headers: JSON_TYPE }),
    'invalid-request',
  ],
  [
    'a number that nobody can hold',
    (client) =>
      client.put(`/v1/devices/${TOKEN}`, undefined, { raw: '{"attributes":{"a":1e400}}', headers: JSON_TYPE }),
    'invalid-request',
  ],
  [
    'a number that would be rounded',
    (client) =>
      client.put(`/v1/devices/${TOKEN}`, undefined, {
        raw: '{"attributes":{"a":12345678901234567890}}',
        headers: JSON_TYPE,
      }),
    'invalid-request',
  ],
  ['a badge out of range', (client) => client.put(`/v1/devices/${TOKEN}`, { badge: 2 ** 31 }), 'invalid-request'],
  [
    'a field of the prototype',
    (client) => client.put(`/v1/devices/${TOKEN}`, undefined, { raw: '{"__proto__":{"badge":1}}', headers: JSON_TYPE }),
    'invalid-request',
  ],
  [
    'a field named constructor',
    (client) => client.put(`/v1/devices/${TOKEN}`, { constructor: { prototype: {} } }),
    'invalid-request',
  ],
  [
    '1 MiB of nesting',
    (client) =>
      client.put(`/v1/devices/${TOKEN}`, undefined, {
        raw: '['.repeat(MIB / 2) + ']'.repeat(MIB / 2),
        headers: JSON_TYPE,
      }),
    'invalid-request',
  ],
  [
    'nested attributes',
    (client) => client.put(`/v1/devices/${TOKEN}`, { attributes: { a: { b: [] } } }),
    'invalid-request',
  ],
  [
    '51 attributes',
    (client) =>
      client.put(`/v1/devices/${TOKEN}`, {
        attributes: Object.fromEntries(Array.from({ length: 51 }, (_, at) => [at, at])),
      }),
    'invalid-request',
  ],
  [
    'more than 1 MiB',
    (client) => client.put(`/v1/devices/${TOKEN}`, undefined, { raw: ' '.repeat(MIB + 1), headers: JSON_TYPE }),
    'payload-too-large',
  ],
  [
    'JSON under another name',
    (client) => client.put(`/v1/devices/${TOKEN}`, undefined, { raw: '{}', headers: { 'content-type': 'text/plain' } }),
    'unsupported-media-type',
  ],
  [
    'form content',
    (client) =>
      client.put(`/v1/devices/${TOKEN}`, undefined, {
        raw: 'badge=1',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      }),
    'unsupported-media-type',
  ],
  [
    'a compressed body',
    (client) =>
      client.put(`/v1/devices/${TOKEN}`, undefined, {
        raw: '{}',
        headers: { ...JSON_TYPE, 'content-encoding': 'gzip' },
      }),
    'unsupported-media-type',
  ],
  ['an import of JSON', (client) => client.post('/v1/devices', [{ token: TOKEN }]), 'unsupported-media-type'],
  [
    'no body where one is due',
    (client) => client.post('/v1/keys', undefined, { headers: JSON_TYPE }),
    'invalid-request',
  ],
  [
    'an answer as HTML',
    (client) => client.put(`/v1/devices/${TOKEN}`, {}, { headers: { accept: 'text/html' } }),
    'not-acceptable',
  ],
  [
    'an answer that is not wanted',
    (client) => client.put(`/v1/devices/${TOKEN}`, {}, { headers: { accept: 'application/json;q=0' } }),
    'not-acceptable',
  ],
  ['a token that is none', (client) => client.put('/v1/devices/%00', {}), 'invalid-request'],
  ['a path that is not escaped', (client) => client.put('/v1/devices/%ff%zz', {}), 'invalid-request'],
  ['a token of SQL', (client) => client.put(`/v1/devices/${encodeURIComponent("' OR 1=1 --")}`, {}), 'invalid-request'],
  ['a token too long', (client) => client.put(`/v1/devices/${'ab'.repeat(101)}`, {}), 'invalid-request'],
  ['an unknown path', (client) => client.get('/v1/pushers'), 'not-found'],
  ['another method', (client) => client.send('OPTIONS', '/v1/devices'), 'method-not-allowed'],
  ['a filter that is no JSON', (client) => client.get('/v1/devices?filter={'), 'invalid-request'],
  [
    'a filter 6 deep',
    (client) => client.get(`/v1/devices?filter=${encodeURIComponent('{"not":'.repeat(5) + '["a",1]' + '}'.repeat(5))}`),
    'invalid-request',
  ],
  [
    'a filter of 4 KiB of nesting',
    (client) => client.get(`/v1/devices?filter=${'['.repeat(4096)}${']'.repeat(4096)}`),
    'invalid-request',
  ],
])('%s is answered by a problem, and nothing is stored', async ([, send, kind]) => {
  const api = await startApi('sqlite::memory:')
  const answer = await send(api)
  expect(answer.headers.get('content-type')).toBe('application/problem+json')
  expect(answer.body).toMatchObject({
    type: `/problems/${kind}`,
    status: answer.status,
    instance: answer.headers.get('x-request-id'),
    title: expect.any(String),
    detail: expect.any(String),
  })
  expect(answer.status).toBeLessThan(500)
  await isNothingStored(api)
  // the connection, and the program, are as good as before
  expect((await api.put(`/v1/devices/${TOKEN}`, {})).status).toBe(201)
})

test.for([
  ['SQL', { "'; DROP TABLE device; --": `" OR ""="`, 'a%_\\': "\\' OR 1=1 /*" }],
  [
    'names of the prototype',
    JSON.parse('{"__proto__":"x","constructor":true,"toString":1,"hasOwnProperty":""}') as object,
  ],
  ['control characters', { 'a\u0000b': 'c\u0000d\u001b[31m', '\u202e': '\u2028\n\r\t' }],
  ['what lies beyond the basic plane', { '😀': '𝕏'.repeat(255), é: '\u0301' }],
  [
    'numbers at their ends',
    { a: Number.MAX_SAFE_INTEGER, b: -Number.MAX_SAFE_INTEGER, c: 5e-324, d: 0.1, e: 1.7976931348623157e308 / 1e300 },
  ],
] as const)('attributes with %s come back as they went in, and are found', async ([, attributes]) => {
  const api = await startApi('sqlite::memory:')
  expect((await api.put(`/v1/devices/${TOKEN}`, { attributes })).status).toBe(201)
  expect((await api.get(`/v1/devices/${TOKEN}`)).body.attributes).toEqual(attributes)
  for (const pair of Object.entries(attributes)) {
    const filter = encodeURIComponent(JSON.stringify(pair))
    expect((await api.get(`/v1/devices?filter=${filter}`)).body.data).toHaveLength(1)
  }
})

test('every fault of a request is told at once, each with its place', async () => {
  const api = await startApi('sqlite::memory:')
  const answer = await api.patch('/v1/devices/zz?ap=x&app=', {
    badge: { increment: 0.5 },
    refused: true,
    osVersion: 'x'.repeat(33),
    attributes: { a: [] },
    atributes: {},
  })
  expect(answer.body.detail).toBe('8 fields were refused; nothing was stored.')
  const places = (answer.body.errors as { parameter?: string; pointer?: string }[]).map(
    ({ parameter, pointer }) => parameter ?? pointer,
  )
  expect(new Set(places)).toEqual(
    new Set(['token', 'app', 'ap', '/badge', '/refused', '/osVersion', '/attributes/a', '/atributes']),
  )
})

test('what is no HTTP gets a problem too, and the connection closes', async () => {
  const api = await startApi('sqlite::memory:')
  for (const bytes of [
    'GET\r\n\r\n',
    'HELLO\r\n\r\n',
    `GET / HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(100_000)}\r\n\r\n`,
  ]) {
    const answer = await speak(api, bytes)
    expect(answer).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
    expect(answer).toContain('"type":"/problems/invalid-request"')
  }
  for (const head of [
    'GET /v1/devices HTTP/1.1\r\nhost: a b\r\n',
    'GET http://[/ HTTP/1.1\r\nhost: x\r\n',
    'GET /\\x HTTP/1.1\r\nhost: x\r\n',
  ]) {
    const answer = await speak(api, `${head}connection: close\r\n\r\n`)
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    expect(answer).toContain('application/problem+json')
  }
})

test('a body that nobody reads does not hold the connection', async () => {
  const api = await startApi('sqlite::memory:')
  const head = `host: x\r\nauthorization: Bearer ${ADMIN_KEY}\r\ncontent-length: 1000000000\r\n\r\n{`
  expect(await speak(api, `GET /v1/apps HTTP/1.1\r\n${head}`)).toMatch(/^HTTP\/1\.1 200 OK/)
  expect(await speak(api, `PUT /v1/devices/${TOKEN} HTTP/1.1\r\ncontent-type: application/json\r\n${head}`)).toMatch(
    /^HTTP\/1\.1 413 Payload Too Large/,
  )
})

test('a body that is cut off stores nothing', async () => {
  const api = await startApi('sqlite::memory:')
  const { port } = new URL(api.server.url)
  const socket = connect(Number(port), '127.0.0.1')
  const head = `host: x\r\nauthorization: Bearer ${ADMIN_KEY}\r\ncontent-type: application/json\r\n`
  socket.write(`PUT /v1/devices/${TOKEN} HTTP/1.1\r\n${head}content-length: 100\r\n\r\n{"badge":1}`)
  await new Promise((resolve) => socket.write('', resolve))
  socket.destroy()
  await expect.poll(() => api.log.filter(({ status }) => status === 400)).toHaveLength(1)
  await isNothingStored(api)
})

test('every answer has its id, the state of the rate limit, and headers that keep browsers out', async () => {
  const api = await startApi('sqlite::memory:')
  const ids = new Set<string>()
  for (const answer of [
    await api.put(`/v1/devices/${TOKEN}`, {}),
    await api.get(`/v1/devices/${tokenOf(9)}`),
    await api.as(undefined).get('/v1/apps'),
    await api.get('/v1/openapi.json'),
    await api.get('/problems/forbidden'),
    await api.get('/nowhere'),
    await api.send('POST', `/v1/devices/${TOKEN}`),
    await api.send('OPTIONS', '/v1/devices', {
      headers: { origin: 'https://example.com', 'access-control-request-method': 'PUT' },
    }),
  ]) {
    const { headers } = answer
    ids.add(headers.get('x-request-id') ?? '')
    expect(headers.get('ratelimit-policy')).toBe('"api";q=600;w=60')
    expect(headers.get('ratelimit')).toMatch(/^"api";r=5\d\d;t=60$/)
    expect(headers.get('x-content-type-options')).toBe('nosniff')
    expect(headers.get('content-security-policy')).toBe("default-src 'none'; frame-ancestors 'none'")
    expect(headers.get('cache-control')).toBe('no-store')
    expect([...headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([])
  }
  expect(ids.size).toBe(8)
  for (const id of ids) expect(id).toMatch(/^req_[0-9A-HJKMNP-TV-Z]{26}$/)
})

test('a path answers other methods by those that it has', async () => {
  const api = await startApi('sqlite::memory:')
  for (const [method, path, allow] of [
    ['POST', `/v1/devices/${TOKEN}`, ['DELETE', 'GET', 'HEAD', 'PATCH', 'PUT']],
    ['DELETE', '/v1/devices', ['GET', 'HEAD', 'POST']],
    ['PUT', '/v1/openapi.json', ['GET', 'HEAD']],
  ] as const) {
    const answer = await api.send(method, path)
    expect(answer.status).toBe(405)
    expect(answer.headers.get('allow')?.split(', ').toSorted()).toEqual(allow)
  }
  expect((await api.send('HEAD', '/v1/devices')).status).toBe(200)
})

test('register keys are counted by address, other keys by themselves', async () => {
  const api = await startApi('sqlite::memory:', `${ONE_APP}[rateLimit]\nregister = "2/1m"\napi = "3/1m"\n`)
  const [one, other] = [await api.holder('register'), await api.holder('register')]
  expect((await one.put(`/v1/devices/${TOKEN}`, {})).headers.get('ratelimit')).toBe('"register";r=1;t=60')
  expect((await other.put(`/v1/devices/${TOKEN}`, {})).headers.get('ratelimit')).toBe('"register";r=0;t=60')
  const refused = await one.put(`/v1/devices/${tokenOf(2)}`, {})
  expect([refused.status, refused.body.type]).toEqual([429, '/problems/rate-limited'])
  expect(refused.headers.get('retry-after')).toMatch(/^[1-9]\d?$/)
  const send = await api.holder('send')
  const statuses: number[] = []
  for (let count = 0; count < 4; count++) statuses.push((await send.get('/v1/apps')).status)
  expect(statuses).toEqual([200, 200, 200, 429])
  expect((await api.get('/v1/devices')).body.data).toHaveLength(1)
})

const from = (address: string) => ({ headers: { 'x-forwarded-for': address } })

test('behind a proxy that is trusted, each address has a limit of its own; else all share one, and the log says so', async () => {
  const limits = `${ONE_APP}[rateLimit]\nregister = "1/1m"\n`
  const trusting = await startApi('sqlite::memory:', `${limits}[server]\ntrustProxy = ["127.0.0.0/8"]\n`)
  const phone = await trusting.holder('register')
  const statuses: number[] = []
  for (const address of ['192.0.2.1', '192.0.2.2', '192.0.2.1', '203.0.113.9, 192.0.2.3', '203.0.113.8, 192.0.2.3']) {
    statuses.push((await phone.put(`/v1/devices/${TOKEN}`, {}, from(address))).status)
  }
  expect(statuses).toEqual([201, 200, 429, 200, 429])

  const wary = await startApi('sqlite::memory:', limits)
  const other = await wary.holder('register')
  expect((await other.put(`/v1/devices/${TOKEN}`, {}, from('192.0.2.1'))).status).toBe(201)
  expect((await other.put(`/v1/devices/${TOKEN}`, {}, from('192.0.2.2'))).status).toBe(429)
  expect(wary.log.filter(({ msg }) => msg.includes('X-Forwarded-For'))).toHaveLength(1)
})

test('under a base path everything is there, and nothing outside of it', async () => {
  const api = await startApi('sqlite::memory:', `${ONE_APP}[server]\nbasePath = "/push"\n[legacy]\nenabled = true\n`)
  expect((await api.put(`/push/v1/devices/${TOKEN}`, {})).status).toBe(201)
  expect((await api.as(undefined).post(`/push/saveToken.php?token=${TOKEN}`)).status).toBe(200)
  expect((await api.post('/push/v1/keys', { scope: 'send' })).headers.get('location')).toMatch(
    /^\/push\/v1\/keys\/key_/,
  )
  const outside = await api.get('/v1/devices')
  expect([outside.status, outside.body.type]).toEqual([404, '/push/problems/not-found'])
  expect((await api.get(outside.body.type)).status).toBe(200)
  expect((await api.get('/push/v1/openapi.json')).body.servers).toEqual([{ url: '/push' }])
})

test('apps are told with their credentials, never with keys or files', async () => {
  const text = `[[apps]]\ntopic = "${APP}"\ncertificate = "nowhere.pem"\ngateway = "push.internal:2195"\n`
  const byKey = '[[apps]]\ntopic = "z.key"\nteamId = "DEF123GHIJ"\nkey = "nowhere/AuthKey_ABC123DEFG.p8"\n'
  const api = await startApi('sqlite::memory:', `${text}${byKey}[[apps]]\ntopic = "a.b"\n`)
  const key = { interface: 'provider-api', credential: 'key', keyId: 'ABC123DEFG' }
  const answer = await api.get('/v1/apps')
  expect(answer.body).toEqual({
    data: [
      { topic: 'a.b', environments: {} },
      { topic: APP, environments: { production: { interface: 'gateway', credential: 'certificate' } } },
      { topic: 'z.key', environments: { production: key, sandbox: key } },
    ],
    nextCursor: null,
  })
  expect((await api.get('/v1/apps?limit=1')).body).toMatchObject({ data: [{ topic: 'a.b' }], nextCursor: 'a.b' })
  expect((await api.get('/v1/apps?limit=2&cursor=a.b')).body).toMatchObject({
    data: [{ topic: APP }, { topic: 'z.key' }],
    nextCursor: null,
  })
})

test('whoever stops reading a list stops the reading of the database', async () => {
  const api = await startApi('sqlite::memory:')
  await api.put(`/v1/devices/${TOKEN}`, { attributes: { padding: 'x'.repeat(255) } })
  const page = Array.from({ length: 1000 }, () => api.service.store.get(APP, TOKEN))
  const devices = (await Promise.all(page)).filter((device) => device !== undefined)
  const read = { pages: 0, ended: false }
  api.service.store.find = async function* () {
    try {
      for (;;) {
        read.pages++
        yield devices
      }
    } finally {
      read.ended = true
    }
  }
  const reader = new AbortController()
  onTestFinished(() => reader.abort())
  const response = await fetch(`${api.server.url}/v1/devices`, {
    headers: { authorization: `Bearer ${ADMIN_KEY}`, accept: 'application/x-ndjson' },
    signal: reader.signal,
  })
  await response.body?.getReader().read()
  // what the connection holds, and no more, is read ahead of whoever reads slowly
  let before = 0
  await expect.poll(() => [before, (before = read.pages)]).toSatisfy(([one, other]: number[]) => one === other)
  expect(read.pages * 500_000).toBeLessThan(100_000_000)
  expect(read.ended).toBe(false)
  reader.abort()
  await expect.poll(() => read.ended).toBe(true)
})

test('a list that fails in the middle is cut off, not ended', async () => {
  const api = await startApi('sqlite::memory:')
  await api.put(`/v1/devices/${TOKEN}`, {})
  const { store } = api.service
  const find = store.find.bind(store)
  store.find = async function* (query) {
    yield* find(query)
    throw new Error('the disk is gone')
  }
  await expect(api.get('/v1/devices', { headers: { accept: 'application/x-ndjson' } })).rejects.toThrow('terminated')
  expect(api.log.filter(({ msg }) => msg === 'a list was cut off')).toHaveLength(1)
  expect((await api.get('/v1/devices')).status).toBe(200)
})

test('what nobody foresaw is told to the log, and to nobody else', async () => {
  const api = await startApi('sqlite::memory:')
  api.service.store.get = () => Promise.reject(new Error('the secret of the house'))
  const answer = await api.get(`/v1/devices/${TOKEN}`)
  expect([answer.status, answer.body.type]).toEqual([500, '/problems/internal'])
  expect(answer.text).not.toContain('secret')
  const line = api.log.find(({ msg }) => msg === 'request failed')
  expect(line).toMatchObject({
    level: 'error',
    request: answer.body.instance,
    err: { message: 'the secret of the house' },
  })
})
