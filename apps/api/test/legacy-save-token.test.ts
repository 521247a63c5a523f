import { request } from 'node:http'

import { describe, expect, test } from 'vitest'

import { APP, type Api, type Client, DATABASES, ONE_APP, startApi, tokenOf, TWO_APPS } from './harness.ts'

const T = tokenOf(1)
const LEGACY = `${ONE_APP}[legacy]\nenabled = true\n`
const NEW = 'POST\nToken Result: \nSaving...\nSaved new token\n'
const UPDATED = 'POST\nToken Result: Array\nUpdating...\nUpdated token and reset badge\n'
const RESET = 'POST\nToken Result: Array\nUpdating...\nReset badge, no need to update token\n'
const FORM = 'application/x-www-form-urlencoded'

/** The two ways in which apps in the field send parameters. */
const WAYS: readonly (readonly [
  name: string,
  post: (client: Client, path: string, query: string) => ReturnType<Client['post']>,
])[] = [
  ['in the query', (client, path, query) => client.post(`${path}?${query}`)],
  [
    'as form content',
    (client, path, query) => client.post(path, undefined, { raw: query, headers: { 'content-type': FORM } }),
  ],
]

describe.for(DATABASES)('on %s', ([, url]) => {
  describe.for(WAYS)('with parameters %s', ([, post]) => {
    test.for(['/saveToken.php', '/saveTokens.php'])('%s answers every request as it always did', async (path) => {
      const api = await startApi(await url(), LEGACY)
      const app = api.as(undefined) // no key, as before
      const query = `token=${T}&userInfo={}&OSVersion=iOS&isDev=0`
      const made = await post(app, path, query)
      expect([made.status, made.headers.get('content-type'), made.text]).toEqual([
        200,
        'text/plain; charset=utf-8',
        NEW,
      ])
      expect(await deviceOf(api)).toMatchObject({
        environment: 'production',
        platform: 'ios',
        osVersion: '',
        badge: 0,
        attributes: {},
      })

      await api.patch(`/v1/devices/${T}`, { badge: 7 })
      expect((await post(app, path, query)).text).toBe(RESET)
      expect((await deviceOf(api)).badge).toBe(0)

      await api.patch(`/v1/devices/${T}`, { badge: 7 })
      const userInfo = encodeURIComponent('{"plan":"pro","age":31}')
      expect((await post(app, path, `token=${T}&userInfo=${userInfo}&OSVersion=iOS+7.1&isDev=1`)).text).toBe(UPDATED)
      expect(await deviceOf(api)).toMatchObject({
        environment: 'sandbox',
        platform: 'ios',
        osVersion: '7.1',
        badge: 0,
        attributes: { plan: 'pro', age: 31 },
      })

      const removed = await app.delete(`${path}?${T}`)
      expect(removed.text).toBe(`DELETE\nToken to delete: ${T}\nDeleted token\n`)
      expect((await api.get(`/v1/devices/${T}`)).status).toBe(410)
      expect((await app.delete(`${path}?${T}`)).text).toBe(`DELETE\nToken to delete: ${T}\nDeleted token\n`)
      expect((await post(app, path, query)).text).toBe(NEW)
    })
  })

  test('a registration moves updatedAt also where it changes nothing', async () => {
    const api = await startApi(await url(), LEGACY)
    await api.service.store.save([{ app: APP, token: T, updatedAt: new Date(1_500_000_000_000) }])
    expect((await api.as(undefined).post(`/saveToken.php?token=${T}&userInfo={}`)).text).toBe(RESET)
    expect(Date.parse((await deviceOf(api)).updatedAt)).toBeGreaterThan(1_600_000_000_000)
  })

  test('trusted attributes stay as they are, and are no reason to refuse', async () => {
    const api = await startApi(await url(), LEGACY)
    await api.put(`/v1/devices/${T}`, { attributes: { userId: '42' } })
    const userInfo = encodeURIComponent('{"userId":"1","plan":"pro"}')
    expect((await api.as(undefined).post(`/saveToken.php?token=${T}&userInfo=${userInfo}`)).text).toBe(UPDATED)
    expect((await deviceOf(api)).attributes).toEqual({ userId: '42', plan: 'pro' })
  })
})

test.for(['GET', 'PUT', 'PATCH', 'OPTIONS'])('%s is an unused verb, and does nothing', async (verb) => {
  const api = await startApi('sqlite::memory:', LEGACY)
  const answer = await api.as(undefined).send(verb, `/saveToken.php?token=${T}&userInfo={}&OSVersion=iOS&isDev=0`)
  expect([answer.status, answer.text]).toEqual([200, `${verb}\n${verb} is an unused verb!\n`])
  expect((await api.get('/v1/devices')).body.data).toEqual([])
})

test.for([
  ['isDev=1', 'sandbox'],
  ['isDev=true', 'sandbox'],
  ['isDev=0', 'production'],
  ['isDev=false', 'production'],
  ['isDev=', 'production'],
  ['', 'production'],
] as const)('%s means %s', async ([parameter, environment]) => {
  const api = await startApi('sqlite::memory:', LEGACY)
  expect((await api.as(undefined).post(`/saveToken.php?token=${T}&userInfo={}&${parameter}`)).text).toBe(NEW)
  expect((await deviceOf(api)).environment).toBe(environment)
})

test.for([
  ['a nested value becomes its JSON text', '{"a":{"b":[1,2]},"c":"d"}', { a: '{"b":[1,2]}', c: 'd' }],
  ['null says nothing', '{"a":null,"c":"d"}', { c: 'd' }],
  ['odd keys are keys', '{"__proto__":"x","constructor":1}', JSON.parse('{"__proto__":"x","constructor":1}')],
] as const)('userInfo: %s', async ([, userInfo, attributes]) => {
  const api = await startApi('sqlite::memory:', LEGACY)
  const answer = await api.as(undefined).post(`/saveToken.php?token=${T}&userInfo=${encodeURIComponent(userInfo)}`)
  expect(answer.text).toBe(NEW)
  expect((await deviceOf(api)).attributes).toEqual(attributes)
})

test('a token in another spelling is the same device, and is answered as it came', async () => {
  const api = await startApi('sqlite::memory:', LEGACY)
  const typed = `%3C${T.toUpperCase().replaceAll(/(.{8})(?!$)/g, '$1%20')}%3E`
  expect((await api.as(undefined).post(`/saveToken.php?token=${typed}`)).text).toBe(NEW)
  expect((await api.as(undefined).post(`/saveToken.php?token=${T}`)).text).toBe(RESET)
  expect((await api.as(undefined).delete(`/saveToken.php?${typed}`)).text).toBe(
    `DELETE\nToken to delete: ${typed}\nDeleted token\n`,
  )
  expect((await api.get('/v1/devices')).body.data).toEqual([])
})

test.for([
  ['POST', '', 'token is missing'],
  ['POST', 'token=&userInfo={}', 'token is missing'],
  ['POST', 'token=xyz', 'token: the device token "xyz" holds characters that are no hex digits'],
  ['POST', `token=${T}&userInfo=`, 'userInfo is no JSON object'],
  ['POST', `token=${T}&userInfo=[]`, 'userInfo is no JSON object'],
  ['POST', `token=${T}&userInfo=null`, 'userInfo is no JSON object'],
  ['POST', `token=${T}&userInfo={"a":`, 'userInfo is no JSON object'],
  ['POST', `token=${T}&userInfo=%ff`, 'a parameter is not valid UTF-8'],
  ['POST', `token=${T}&userInfo={"a":"%5Cud800"}`, 'attributes/a: Must not hold half a surrogate pair.'],
  ['DELETE', '', 'token: the device token is empty'],
  ['DELETE', `token=${T}`, expect.stringMatching(/^token: the device token "token=…\w{4}" holds characters/)],
] as const)('%s with %s is refused in one line', async ([method, query, line]) => {
  const api = await startApi('sqlite::memory:', LEGACY)
  const answer = await api.as(undefined).send(method, `/saveToken.php?${query}`)
  expect([answer.status, answer.headers.get('content-type')]).toEqual([400, 'text/plain; charset=utf-8'])
  expect(answer.text.split('\n')).toEqual([method, line, ''])
  expect((await api.get('/v1/devices')).body.data).toEqual([])
})

test('form content may come without its name, and as bytes that are not escaped', async () => {
  const api = await startApi('sqlite::memory:', LEGACY)
  const { port } = new URL(api.server.url)
  const text = await new Promise<string>((resolve, reject) => {
    const sent = request({ port, host: '127.0.0.1', method: 'POST', path: '/saveToken.php' }, (response) => {
      let received = ''
      response.setEncoding('utf8').on('data', (chunk: string) => (received += chunk))
      response.on('end', () => resolve(received))
    })
    sent.on('error', reject).end(`token=${T}&userInfo={"city":"Tromsø"}`)
  })
  expect(text).toBe(NEW)
  expect((await deviceOf(api)).attributes).toEqual({ city: 'Tromsø' })
})

test('content of another form is left alone', async () => {
  const api = await startApi('sqlite::memory:', LEGACY)
  const answer = await api.as(undefined).post('/saveToken.php', { token: T })
  expect([answer.status, answer.text]).toEqual([400, 'POST\ntoken is missing\n'])
})

test('it is counted by address, and says in text that it is enough', async () => {
  const api = await startApi('sqlite::memory:', `${LEGACY}[rateLimit]\nregister = "2/1m"\n`)
  const app = api.as(undefined)
  expect((await app.post(`/saveToken.php?token=${T}`)).headers.get('ratelimit')).toBe('"register";r=1;t=60')
  await app.get('/saveToken.php')
  const refused = await app.post(`/saveToken.php?token=${tokenOf(2)}`)
  expect(refused.status).toBe(429)
  expect(refused.headers.get('retry-after')).toMatch(/^\d+$/)
  expect(refused.text).toMatch(/^POST\nThere were too many requests: come back in \d+ s\.\n$/)
  expect((await api.get('/v1/devices')).body.data).toHaveLength(1)
})

test('it is off by default, and bound to its app', async () => {
  const off = await startApi('sqlite::memory:')
  expect((await off.as(undefined).post(`/saveToken.php?token=${T}`)).status).toBe(404)
  const on = await startApi('sqlite::memory:', `${TWO_APPS}[legacy]\nenabled = true\napp = "com.example.other"\n`)
  expect((await on.as(undefined).post(`/saveToken.php?token=${T}&app=${APP}`)).text).toBe(NEW)
  expect((await on.get(`/v1/devices/${T}?app=com.example.other`)).status).toBe(200)
  expect((await on.get(`/v1/devices/${T}?app=${APP}`)).status).toBe(404)
})

async function deviceOf(
  api: Api,
): Promise<{ environment: string; badge: number; attributes: object; updatedAt: string }> {
  const { status, body } = await api.get(`/v1/devices/${T}`)
  expect(status).toBe(200)
  return body as never
}
