import type { Script } from '@lhspn/apns-simulator'
import { parseConfig } from '@lhspn/service'
import { describe, expect, onTestFinished, test, vi } from 'vitest'

import {
  ADMIN_KEY,
  type Answer,
  type Api,
  APP,
  type Client,
  OTHER_APP,
  startApi,
  startApple,
  temporaryFolder,
  tokenOf,
} from './harness.ts'

const LIMITS = '[rateLimit]\nregister = "100000/1h"\napi = "100000/1h"\n'
const HELLO = { aps: { alert: 'Hello' } }
const PATH = '/v1/pushes'
const SOME_DAY = '2099-12-31T11:00:00.000Z'

/** An API that delivers, and the Apple that it delivers to. */
async function startBoth(over: 'provider-api' | 'gateway' = 'provider-api', script: Script = {}, more = '') {
  const { apple, text } = await startApple(over, script)
  const url = `sqlite:${temporaryFolder()}/lhspn.db`
  const api = await startApi(url, `${LIMITS}${text}${more}`, undefined, { dispatch: true })
  return { apple, api }
}

async function register(api: Client, ...numbers: readonly number[]): Promise<void> {
  await Promise.all(numbers.map((number) => api.put(`/v1/devices/${tokenOf(number)}`, { attributes: { number } })))
}

/** Creates a push and answers its path. */
async function push(api: Client, fields: Readonly<Record<string, unknown>> = {}): Promise<string> {
  const answer = await api.post(PATH, { audience: { all: true }, payload: HELLO, ...fields })
  expect(`${answer.status} ${answer.text}`).toMatch(/^202 /)
  return answer.headers.get('location') as string
}

/** What is scheduled is due from now on. */
async function letItCome({ service: { database } }: Api): Promise<void> {
  await database.execute('UPDATE push SET send_at = 1 WHERE send_at IS NOT NULL')
}

/** Waits until a push stands so. */
async function until(api: Client, path: string, state: string): Promise<Answer['body']> {
  await expect.poll(async () => (await api.get(path)).body.state, { timeout: 30_000, interval: 20 }).toBe(state)
  return (await api.get(path)).body
}

function tokensOf(answer: Answer): string[] {
  return answer.body.data.map(({ token }: { token: string }) => token)
}

function keyed(key: string): { readonly headers: Readonly<Record<string, string>> } {
  return { headers: { 'idempotency-key': key } }
}

function numbersTo(count: number): readonly number[] {
  return Array.from({ length: count }, (_, number) => number)
}

describe.for(['provider-api', 'gateway'] as const)('over the %s', (over) => {
  test('a push is stored, delivered, and tells of each of its notifications', async () => {
    const dead = tokenOf(3)
    const script: Script = {
      rules: [{ when: { token: dead }, do: { status: 8 } }],
      provider: { rules: [{ when: { token: dead }, do: { status: 400, reason: 'BadDeviceToken' } }] },
    }
    const { apple, api } = await startBoth(over, script)
    await register(api, 1, 2, 3)
    const created = await api.post(PATH, {
      audience: {
        filter: {
          any: [
            ['number', 1],
            ['number', 3],
          ],
        },
      },
      payload: HELLO,
      badge: 'increment',
    })
    expect(`${created.status} ${created.text}`).toMatch(/^202 /)
    const { id } = created.body as { id: string }
    expect(created.headers.get('location')).toBe(`${PATH}/${id}`)
    const done = await until(api, `${PATH}/${id}`, 'completed')
    const reason = over === 'gateway' ? 'InvalidToken' : 'BadDeviceToken'
    expect(done).toMatchObject({
      app: APP,
      environment: 'production',
      pausedBecause: null,
      planning: false,
      audience: {
        filter: {
          any: [
            ['number', 1],
            ['number', 3],
          ],
        },
      },
      payload: HELLO,
      pushType: 'alert',
      priority: 10,
      badge: 'increment',
      collapseId: null,
      sendAt: null,
      counts: { planned: 2, accepted: 1, rejected: 1, unregistered: 0, unconfirmed: 0, remaining: 0 },
      reasons: { [reason]: 1 },
    })
    expect(Object.keys(done)).not.toContain('number')
    expect([apple.journal.acceptedTimes(tokenOf(1)), apple.journal.accepted]).toEqual([1, 1])

    const records = await api.get(`${PATH}/${id}/notifications`)
    expect(records.body.nextCursor).toBeNull()
    expect(records.body.data).toEqual([
      { id: expect.any(String), push: id, token: tokenOf(1), outcome: 'accepted' },
      { id: expect.any(String), push: id, token: dead, outcome: 'rejected', reason, remedy: expect.any(String) },
    ])
    const rejected = await api.get(`${PATH}/${id}/notifications?outcome=rejected&reason=${reason}`)
    expect(rejected.body.data).toEqual([records.body.data[1]])
    const { id: apnsId } = records.body.data[1] as { id: string }
    expect((await api.get(`/v1/notifications/${apnsId}`)).body).toEqual(records.body.data[1])
    // a warning for each that was not accepted, and a line for the chunk
    const expected = expect.arrayContaining(['push: completed', 'chunk: closed'])
    await expect.poll(() => api.log.map(({ msg }) => msg)).toEqual(expected)
    expect(api.log.find(({ msg }) => msg === 'notification: not accepted')).toMatchObject({
      level: 'warn',
      push: id,
      token: expect.stringContaining('…'),
      notification: apnsId,
      reason,
    })
    expect(api.log.find(({ msg }) => msg === 'chunk: closed')).toMatchObject({ push: id, size: 2, settled: 2 })
  })

  test('refused credentials pause a push and spend nobody; resumed, it goes on with what they are then', async () => {
    const { apple, api } = await startBoth(over, {
      rules: [{ when: {}, do: { status: 3 } }],
      connections: [{ nth: { from: 1 }, do: 'tls-alert' }],
      provider: { rules: [{ when: {}, do: { status: 403, reason: 'InvalidProviderToken' } }] },
    })
    await register(api, ...numbersTo(20))
    const path = await push(api)
    const paused = await until(api, path, 'paused')
    expect(paused).toMatchObject({ pausedBecause: 'credentials', counts: { planned: 20, remaining: 20 } })
    apple.script({})
    expect((await api.patch(path, { state: 'running' })).status).toBe(200)
    expect((await until(api, path, 'completed')).counts).toMatchObject({ accepted: 20, remaining: 0 })
    expect(apple.journal.accepted).toBe(20)
  })

  test('a mismatch of the environment pauses a push; resumed, it goes on whoever is rejected', async () => {
    const { api } = await startBoth(over, {
      rules: [{ when: {}, do: { status: 8 } }],
      provider: { rules: [{ when: {}, do: { status: 400, reason: 'BadDeviceToken' } }] },
    })
    const path = await push(api, { audience: { tokens: numbersTo(120).map(tokenOf) } })
    const paused = await until(api, path, 'paused')
    expect(paused.pausedBecause).toBe('environment-mismatch')
    expect(paused.audience).toEqual({ tokens: 120 })
    await api.patch(path, { state: 'running' })
    expect((await until(api, path, 'completed')).counts).toMatchObject({ planned: 120, rejected: 120 })
  })
})

test('content that Apple refuses pauses a push; resumed, what was hit goes again', async () => {
  const rules = [{ when: {}, do: { status: 413, reason: 'PayloadTooLarge' } }] as const
  const { apple, api } = await startBoth('provider-api', { provider: { rules } })
  await register(api, 1, 2)
  const path = await push(api)
  const paused = await until(api, path, 'paused')
  expect(paused).toMatchObject({ pausedBecause: 'content', counts: { planned: 2, remaining: 2 } })
  apple.script({})
  await api.patch(path, { state: 'running' })
  expect((await until(api, path, 'completed')).counts).toMatchObject({ accepted: 2 })
})

test('an audience that has grown until the push begins pauses it; resumed, it goes to all', async () => {
  const { api } = await startBoth()
  await register(api, 1)
  const path = await push(api, { maxAudience: 1, sendAt: SOME_DAY })
  await register(api, 2)
  expect((await api.get(path)).body).toMatchObject({ state: 'scheduled', sendAt: SOME_DAY })
  await letItCome(api)
  expect(await until(api, path, 'paused')).toMatchObject({ pausedBecause: 'audience-too-large' })
  await api.patch(path, { state: 'running' })
  expect((await until(api, path, 'completed')).counts).toMatchObject({ accepted: 2 })
})

test('a chunk that has ended its process five times pauses a push; resumed, it is tried again', async () => {
  const { apple, text } = await startApple('provider-api')
  const api = await startApi('sqlite::memory:', text)
  const path = await push(api, { audience: { tokens: [tokenOf(1)] } })
  // what such processes leave behind: a lease that ran out, the fifth
  await api.service.database.execute('UPDATE chunk SET state = 1, owner = 1, lease_until = 1, leases = 5')
  api.service.dispatcher.start()
  expect(await until(api, path, 'paused')).toMatchObject({ pausedBecause: 'fault', counts: { remaining: 1 } })
  await api.patch(path, { state: 'running' })
  expect((await until(api, path, 'completed')).counts).toMatchObject({ accepted: 1 })
  expect(apple.journal.accepted).toBe(1)
})

test('a push is paused, made faster and resumed; what has ended stays as it is', async () => {
  const { apple, api } = await startBoth()
  await register(api, ...numbersTo(200))
  const path = await push(api, { rate: 5 })
  await apple.journal.waitFor(() => apple.journal.accepted > 1)
  const paused = await api.patch(path, { state: 'paused', rate: 1000 })
  expect(paused.body).toMatchObject({ state: 'paused', pausedBecause: 'operator', rate: 1000 })
  const resumed = await api.patch(
    path,
    { state: 'running', rate: null },
    {
      headers: { 'content-type': 'application/merge-patch+json' },
    },
  )
  expect([resumed.status, resumed.body.rate]).toEqual([200, null])
  const done = await until(api, path, 'completed')
  expect(done.counts).toMatchObject({ planned: 200, accepted: 200 })
  for (const change of [{ state: 'paused' }, { state: 'running' }, { state: 'canceled' }, { rate: 3 }]) {
    const answer = await api.patch(path, change)
    expect([answer.status, answer.body.type]).toEqual([409, '/problems/state-conflict'])
  }
  expect((await api.get(path)).body).toEqual(done)
})

test('a scheduled push waits, is paused, resumed and canceled, and nothing of it is sent', async () => {
  const { apple, api } = await startBoth()
  await register(api, 1)
  const path = await push(api, { sendAt: '2099-12-31T12:00:00+01:00' })
  expect((await api.get(path)).body).toMatchObject({ state: 'scheduled', sendAt: '2099-12-31T11:00:00.000Z' })
  expect((await api.patch(path, { state: 'running' })).status).toBe(409)
  expect((await api.patch(path, { state: 'paused' })).body.state).toBe('paused')
  expect((await api.patch(path, { state: 'running' })).body.state).toBe('scheduled')
  expect((await api.patch(path, { state: 'canceled' })).body).toMatchObject({ state: 'canceled', startedAt: null })
  expect((await api.patch(path, { state: 'canceled' })).status).toBe(200)
  expect(apple.journal.accepted).toBe(0)
})

test.for<[what: string, change: unknown, pointer: string]>([
  ['nothing', {}, ''],
  ['a state that nobody may ask for', { state: 'completed' }, '/state'],
  ['no rate', { rate: 0 }, '/rate'],
  ['something else', { state: 'paused', payload: {} }, '/payload'],
])('a change to %s is refused', async ([, change, pointer]) => {
  const api = await startApi('sqlite::memory:', (await startApple('provider-api')).text)
  const path = await push(api)
  const answer = await api.patch(path, change)
  expect([answer.status, answer.body.errors.map((error: { pointer: string }) => error.pointer)]).toEqual([
    400,
    [pointer],
  ])
})

describe('an idempotency key', () => {
  test('answers the first push again, for its API key alone, and no other content', async () => {
    const api = await startApi('sqlite::memory:', (await startApple('provider-api')).text)
    const body = { audience: { all: true }, payload: HELLO }
    const first = await api.post(PATH, body, keyed('one'))
    expect([first.status, first.headers.get('idempotent-replay')]).toEqual([202, null])
    const again = await api.post(PATH, { environment: 'production', badge: null, ...body }, keyed('one'))
    expect([again.status, again.headers.get('idempotent-replay')]).toEqual([202, 'true'])
    expect([again.body.id, again.headers.get('location')]).toEqual([first.body.id, first.headers.get('location')])

    const other = await api.post(PATH, { ...body, badge: 1 }, keyed('one'))
    expect([other.status, other.body.type]).toEqual([422, '/problems/idempotency-mismatch'])
    const somebody = await api.holder('send')
    expect((await somebody.post(PATH, body, keyed('one'))).body.id).not.toBe(first.body.id)
    // a preview has no use for it
    expect((await api.post(`${PATH}?dryRun=true`, { ...body, badge: 1 }, keyed('one'))).status).toBe(200)
    const bad = await api.post(PATH, body, keyed('ä'))
    expect([bad.status, bad.body.errors]).toEqual([
      400,
      [{ parameter: 'idempotency-key', detail: 'Must be 1 to 255 characters of ASCII.' }],
    ])
    expect((await api.get(PATH)).body.data).toHaveLength(2)
  })

  test('answers it again when its time has passed, and stores nothing that comes too late', async () => {
    const api = await startApi('sqlite::memory:', (await startApple('provider-api')).text)
    const sendAt = new Date(Date.now() + 3_600_000)
    const body = { audience: { all: true }, payload: HELLO, sendAt: sendAt.toISOString() }
    const first = await api.post(PATH, body, keyed('one'))
    vi.useFakeTimers({ toFake: ['Date'], now: sendAt.getTime() + 1 })
    onTestFinished(() => void vi.useRealTimers())
    const again = await api.post(PATH, body, keyed('one'))
    expect([again.status, again.body.id]).toEqual([202, first.body.id])
    const late = await api.post(PATH, body, keyed('two'))
    expect([late.status, late.body.errors]).toEqual([400, [{ pointer: '/sendAt', detail: 'Must not be in the past.' }]])
  })

  test('answers it again when its app is configured no longer, or goes over a gateway by now', async () => {
    const api = await startApi('sqlite::memory:', (await startApple('provider-api')).text)
    const body = { app: APP, audience: { all: true }, payload: HELLO, collapseId: 'one' }
    const first = await api.post(PATH, body, keyed('one'))
    const gateway = parseConfig({ text: (await startApple('gateway')).text })
    const refusals = { 'gateway-cannot': gateway.apps, 'app-not-configured': [] }
    for (const [kind, apps] of Object.entries(refusals)) {
      await api.service.reload({ ...api.service.config, apps })
      const again = await api.post(PATH, body, keyed('one'))
      expect([again.status, again.headers.get('idempotent-replay')]).toEqual([202, 'true'])
      expect(again.body.id).toBe(first.body.id)
      const other = await api.post(PATH, { ...body, badge: 1 }, keyed('one'))
      expect([other.status, other.body.type]).toEqual([422, '/problems/idempotency-mismatch'])
      const late = await api.post(PATH, body, keyed('two'))
      expect([late.status, late.body.type]).toEqual([422, `/problems/${kind}`])
    }
  })
})

test('a preview tells what would be sent, and keeps nothing', async () => {
  const { text } = await startApple('provider-api')
  const api = await startApi('sqlite::memory:', text)
  await register(api, 1, 2)
  const preview = await api.post(`${PATH}?dryRun=true`, {
    audience: { all: true },
    payload: { aps: {} },
    expiration: 0,
  })
  expect(preview.body).toEqual({
    count: 2,
    payloadBytes: 10,
    headers: { 'apns-topic': APP, 'apns-push-type': 'alert', 'apns-priority': '10', 'apns-expiration': '0' },
    payload: { aps: {} },
    sample: [expect.stringContaining('…'), expect.stringContaining('…')],
    warnings: [{ pointer: '/payload/aps', detail: expect.any(String) }],
  })
  const large = await api.post(`${PATH}?dryRun=true`, { audience: { all: true }, payload: HELLO, maxAudience: 1 })
  expect([large.status, large.body.type]).toEqual([422, '/problems/audience-too-large'])
  expect((await api.get(PATH)).body.data).toEqual([])
})

test('what is refused tells every fault with its place, and stores nothing', async () => {
  const gateway = await startApple('gateway')
  const api = await startApi('sqlite::memory:', `${gateway.text}${LIMITS}[[apps]]\ntopic = "${OTHER_APP}"\n`)
  await register(api, 1)
  const body = { app: APP, audience: { tokens: [tokenOf(1)] }, payload: HELLO }
  const refused = async (changes: Readonly<Record<string, unknown>>, by: Client = api) => {
    const { status, body: problem } = await by.post(PATH, { ...body, ...changes })
    const pointers = (problem.errors ?? []).map(({ pointer }: { pointer: string }) => pointer)
    return [status, problem.type.replace('/problems/', ''), ...pointers]
  }
  expect(
    await refused({ audience: { tokens: ['x'] }, payload: { aps: { badge: -1 } }, badge: 1.5, nothing: 1 }),
  ).toEqual([400, 'invalid-request', '/nothing', '/audience/tokens/0', '/badge', '/payload/aps/badge'])
  expect(await refused({ app: undefined })).toEqual([400, 'invalid-request', '/app'])
  expect(await refused({ app: 'com.example.nobody' })).toEqual([422, 'app-not-configured', '/app'])
  expect(await refused({ app: OTHER_APP })).toEqual([422, 'app-not-configured'])
  expect(await refused({ environment: 'sandbox' })).toEqual([422, 'app-not-configured'])
  expect(await refused({ collapseId: 'sale' })).toEqual([422, 'gateway-cannot', '/collapseId'])
  expect(await refused({ audience: { channel: 'x' } })).toEqual([400, 'invalid-request', '/audience'])
  expect(await refused({}, await api.holder('send', OTHER_APP))).toEqual([403, 'forbidden', '/app'])
  expect(await refused({}, await api.holder('register'))).toEqual([403, 'forbidden'])
  expect(await refused({}, api.as(undefined))).toEqual([401, 'unauthorized'])
  expect((await api.get(PATH)).body.data).toEqual([])
})

test('a push has up to 4 MiB', async () => {
  const api = await startApi('sqlite::memory:', (await startApple('provider-api')).text)
  const tokens = numbersTo(10_000).map((number) => 'ab'.repeat(96) + number.toString(16).padStart(8, '0'))
  const body = JSON.stringify({ audience: { tokens }, payload: HELLO })
  const headers = { 'content-type': 'application/json' }
  const padded = (bytes: number): string => body + ' '.repeat(bytes - body.length)
  const taken = await api.post(PATH, undefined, { raw: padded(4 * 1024 ** 2), headers })
  expect([taken.status, taken.body.counts.planned]).toEqual([202, 10_000])
  const refused = await api.post(PATH, undefined, { raw: padded(4 * 1024 ** 2 + 1), headers })
  expect([refused.status, refused.body.type]).toEqual([413, '/problems/payload-too-large'])
})

test('lists have pages and stream whole, and a key that is bound to an app sees its pushes alone', async () => {
  const { text } = await startApple('provider-api')
  const api = await startApi('sqlite::memory:', `${text}${LIMITS}${text.replace(APP, OTHER_APP)}`)
  const paths = []
  for (let n = 0; n < 5; n++)
    paths.push(await push(api, { app: n === 2 ? OTHER_APP : APP, audience: { tokens: ['aa'] } }))
  await api.patch(paths[4] as string, { state: 'canceled' })
  const idsOf = (answer: Answer): string[] => answer.body.data.map(({ id }: { id: string }) => `${PATH}/${id}`)

  const first = await api.get(`${PATH}?limit=3`)
  expect(idsOf(first)).toEqual([paths[4], paths[3], paths[2]])
  const second = await api.get(`${PATH}?limit=3&cursor=${first.body.nextCursor}`)
  expect([idsOf(second), second.body.nextCursor]).toEqual([[paths[1], paths[0]], null])
  expect(idsOf(await api.get(`${PATH}?state=canceled`))).toEqual([paths[4]])
  expect(idsOf(await api.get(`${PATH}?app=${OTHER_APP}`))).toEqual([paths[2]])
  expect((await api.get(`${PATH}?cursor=-`)).body.type).toBe('/problems/invalid-request')
  expect((await api.get(`${PATH}?state=none`)).body.errors).toMatchObject([{ parameter: 'state' }])

  const lines = (await api.get(PATH, { headers: { accept: 'application/x-ndjson' } })).text.trimEnd().split('\n')
  expect(lines.map((line) => `${PATH}/${(JSON.parse(line) as { id: string }).id}`)).toEqual(paths.toReversed())
  const csv = (await api.get(PATH, { headers: { accept: 'text/csv' } })).text
  expect(csv.split('\n').slice(0, 2)).toEqual([
    'id,app,environment,state,pausedBecause,planned,accepted,rejected,unregistered,unconfirmed,remaining,createdAt,startedAt,completedAt',
    expect.stringMatching(/^psh_\w{26},com\.example\.app,production,canceled,,1,0,0,0,0,1,/),
  ])

  const bound = await api.holder('send', OTHER_APP)
  expect(idsOf(await bound.get(PATH))).toEqual([paths[2]])
  expect((await bound.get(`${PATH}?app=${APP}`)).status).toBe(403)
  expect((await bound.get(paths[2] as string)).status).toBe(200)
  for (const path of [paths[0], `${PATH}/psh_none`] as string[]) {
    for (const answer of [
      await bound.get(path),
      await bound.get(path, { headers: { accept: 'text/event-stream' } }),
      await bound.patch(path, { state: 'canceled' }),
      await bound.get(`${path}/notifications`),
    ])
      expect([answer.status, answer.body.detail]).toEqual([404, 'There is no such push.'])
  }
  expect((await api.get(paths[0] as string)).body.state).not.toBe('canceled')
})

test('records have pages and stream whole; one is found by its id, for keys that may see it', async () => {
  const { api } = await startBoth('provider-api', {}, `[[apps]]\ntopic = "${OTHER_APP}"\n`)
  const path = await push(api, { app: APP, audience: { tokens: numbersTo(5).map(tokenOf) } })
  await until(api, path, 'completed')
  const first = await api.get(`${path}/notifications?limit=3`)
  const second = await api.get(`${path}/notifications?limit=3&cursor=${first.body.nextCursor}`)
  expect([...tokensOf(first), ...tokensOf(second)]).toEqual(numbersTo(5).map(tokenOf))
  expect(second.body.nextCursor).toBeNull()
  expect(tokensOf(await api.get(`${path}/notifications?outcome=rejected`))).toEqual([])
  const csv = (await api.get(`${path}/notifications`, { headers: { accept: 'text/csv' } })).text.trimEnd().split('\n')
  expect([csv.length, csv[0]]).toEqual([6, 'id,push,token,outcome,reason,since,remedy'])
  const { id } = first.body.data[0] as { id: string }
  expect((await api.get(`/v1/notifications/${id.toUpperCase()}`)).body).toEqual(first.body.data[0])
  for (const [who, unknown] of [
    [api, 'none'],
    [api, id.replace(/.$/, (last) => (last === '0' ? '1' : '0'))],
    [await api.holder('send', OTHER_APP), id],
  ] as const)
    expect((await who.get(`/v1/notifications/${unknown}`)).status).toBe(404)
})

describe('events', () => {
  const accept = { headers: { accept: 'text/event-stream' } }

  test('tell of a push now, whenever it changes, and to its end', async () => {
    const { api } = await startBoth()
    await register(api, 1, 2)
    const path = await push(api, { sendAt: SOME_DAY })
    const headers = { authorization: `Bearer ${ADMIN_KEY}`, ...accept.headers }
    const answer = await fetch(api.server.url + path, { headers })
    expect(answer.headers.get('content-type')).toBe('text/event-stream')
    await letItCome(api) // the answer has begun with what it was
    const events = (await answer.text()).trimEnd().split('\n\n')
    const states = events.map((event) => {
      const [name, data = ''] = event.split('\n')
      expect(name).toBe('event: push')
      return (JSON.parse(data.replace(/^data: /, '')) as { state: string }).state
    })
    expect([states[0], states.at(-1)]).toEqual(['scheduled', 'completed'])
    const last = JSON.parse((events.at(-1) as string).split('\ndata: ')[1] as string) as unknown
    expect(last).toEqual((await api.get(path)).body)
  })

  test('end with whoever reads them, and when the server ends', async () => {
    const { text } = await startApple('provider-api')
    const api = await startApi('sqlite::memory:', text)
    const path = await push(api, { sendAt: '2099-12-31T12:00:00Z' })
    const watch = vi.spyOn(api.service.dispatcher, 'watch')
    const { key } = await api.service.keys.create({ scope: 'send' })
    const open = async (signal?: AbortSignal): Promise<ReadableStreamDefaultReader<Uint8Array>> => {
      const headers = { authorization: `Bearer ${key}`, ...accept.headers }
      const { body } = await fetch(api.server.url + path, { headers, ...(signal && { signal }) })
      return (body as ReadableStream<Uint8Array>).getReader()
    }
    const leaving = new AbortController()
    const left = await open(leaving.signal)
    expect(Buffer.from((await left.read()).value ?? []).toString()).toMatch(/^event: push\ndata: \{"id":"psh_/)
    leaving.abort()
    await expect.poll(() => watch.mock.calls[0]?.[1]?.aborted).toBe(true)

    const stays = await open()
    await stays.read()
    await api.server.close()
    expect((await stays.read()).done).toBe(true)
    expect(api.log.filter(({ level }) => level === 'error')).toEqual([])
  })
})

test('with a restart, a push goes on where it was', async () => {
  const { apple, text } = await startApple('provider-api')
  const url = `sqlite:${temporaryFolder()}/lhspn.db`
  const start = (): Promise<Api> => startApi(url, `${LIMITS}${text}`, undefined, { dispatch: true })
  const before = await start()
  await register(before, ...numbersTo(100))
  const path = await push(before, { rate: 20 })
  await apple.journal.waitFor(() => apple.journal.accepted > 3)
  await Promise.all([before.server.close(), before.service.drain()])
  await before.service.close()
  const sent = apple.journal.accepted
  expect(sent).toBeLessThan(100)
  const after = await start()
  expect((await after.get(path)).body.counts).toMatchObject({ planned: 100, accepted: sent })
  await after.patch(path, { rate: null })
  expect((await until(after, path, 'completed')).counts).toMatchObject({ planned: 100, accepted: 100 })
  expect(apple.journal.accepted).toBe(100)
})
