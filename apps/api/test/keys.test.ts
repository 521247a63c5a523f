import { describe, expect, test } from 'vitest'

import { ADMIN_KEY, APP, DATABASES, OTHER_APP, startApi, TWO_APPS } from './harness.ts'

describe.for(DATABASES)('on %s', ([, url]) => {
  test('a key is shown when it is made, is good at once, and no longer once it is deleted', async () => {
    const api = await startApi(await url())
    const made = await api.post('/v1/keys', { scope: 'send', name: 'backend', app: APP })
    expect(made.status).toBe(201)
    const { key, ...rest } = made.body as { key: string; id: string }
    expect(key).toMatch(/^lhk_send_[0-9A-Za-z]{40}$/)
    expect(made.headers.get('location')).toBe(`/v1/keys/${rest.id}`)
    expect((await api.get('/v1/keys')).body).toEqual({ data: [rest], nextCursor: null })

    const holder = api.as(key)
    expect((await holder.get('/v1/devices')).status).toBe(200)
    expect((await holder.get('/v1/keys')).status).toBe(403)
    expect((await api.delete(`/v1/keys/${rest.id}`)).status).toBe(204)
    const refused = await holder.get('/v1/devices')
    expect([refused.status, refused.headers.get('www-authenticate')]).toEqual([401, 'Bearer'])
    expect((await api.delete(`/v1/keys/${rest.id}`)).status).toBe(404)
  })

  test('a bound admin key sees, makes and deletes only keys bound to its app', async () => {
    const api = await startApi(await url(), TWO_APPS)
    const bound = await api.holder('admin', APP)
    const free = (await api.post('/v1/keys', { scope: 'send' })).body as { id: string; app: string | null }
    expect(free.app).toBeNull()
    const made = (await bound.post('/v1/keys', { scope: 'register' })).body as { id: string; app: string }
    expect(made.app).toBe(APP)
    for (const app of [OTHER_APP, null]) {
      const answer = await bound.post('/v1/keys', { scope: 'register', app })
      expect([answer.status, answer.body.errors[0].pointer]).toEqual([403, '/app'])
    }
    const seen = (await bound.get('/v1/keys')).body.data as { app: string }[]
    expect(seen.map(({ app }) => app)).toEqual([APP, APP])
    expect((await bound.delete(`/v1/keys/${free.id}`)).status).toBe(404)
    expect((await bound.delete(`/v1/keys/${made.id}`)).status).toBe(204)
    expect((await api.get('/v1/keys')).body.data).toHaveLength(2)
    const apps = (await bound.get('/v1/apps')).body.data as { topic: string }[]
    expect(apps.map(({ topic }) => topic)).toEqual([APP])
  })

  test('keys come in pages, and as lists of other forms', async () => {
    const api = await startApi(await url())
    for (let index = 0; index < 5; index++) await api.post('/v1/keys', { scope: 'register', name: `${index}, "x"` })
    const first = (await api.get('/v1/keys?limit=3')).body
    const second = (await api.get(`/v1/keys?limit=3&cursor=${first.nextCursor}`)).body
    const all = (await api.get('/v1/keys')).body.data
    expect([...first.data, ...second.data]).toEqual(all)
    expect(second.nextCursor).toBeNull()
    const ndjson = await api.get('/v1/keys', { headers: { accept: 'application/x-ndjson' } })
    expect(
      ndjson.text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual(all)
    const csv = await api.get('/v1/keys', { headers: { accept: 'text/csv' } })
    expect(csv.text.split('\n')).toHaveLength(7)
    expect(csv.text).toMatch(/^id,name,scope,app,createdAt,lastUsedAt\nkey_\w+,"\d, ""x""",register,,/)
  })
})

test.for([
  ['no key', undefined],
  ['a key that is none', 'lhk_admin_0000000000000000000000000000000000000000'],
  ['text', 'x'],
] as const)('with %s every route is closed', async ([, key]) => {
  const api = await startApi('sqlite::memory:')
  const stranger = api.as(key)
  for (const answer of [
    await stranger.put('/v1/devices/00', {}),
    await stranger.get('/v1/devices/00'),
    await stranger.get('/v1/devices'),
    await stranger.post('/v1/keys', { scope: 'admin' }),
    await stranger.delete('/v1/keys/key_x'),
    await stranger.get('/v1/apps'),
  ]) {
    expect([answer.status, answer.body.type]).toEqual([401, '/problems/unauthorized'])
  }
})

test('another scheme than Bearer is no key', async () => {
  const api = await startApi('sqlite::memory:')
  const headers = { authorization: `Basic ${Buffer.from(`x:${ADMIN_KEY}`).toString('base64')}` }
  expect((await api.as(undefined).get('/v1/apps', { headers })).status).toBe(401)
  const lower = { authorization: `bearer ${ADMIN_KEY}` }
  expect((await api.as(undefined).get('/v1/apps', { headers: lower })).status).toBe(200)
})

test('a key is refused for what it cannot be', async () => {
  const api = await startApi('sqlite::memory:')
  const answer = await api.post('/v1/keys', { scope: 'root', name: 'x'.repeat(101), app: 3, id: 'key_mine' })
  expect(answer.status).toBe(400)
  expect(answer.body.errors).toEqual([
    { pointer: '/name', detail: 'Must not be longer than 100 characters.' },
    { pointer: '/scope', detail: 'Must be register or send or admin.' },
    { pointer: '/app', detail: 'Must be text.' },
    { pointer: '/id', detail: 'There is no such field.' },
  ])
  expect((await api.post('/v1/keys', { scope: 'send', app: 'com.example.ap' })).status).toBe(422)
  expect((await api.get('/v1/keys')).body.data).toEqual([])
})

test('neither keys nor whole device tokens come into the log', async () => {
  const api = await startApi('sqlite::memory:')
  const holder = (await api.post('/v1/keys', { scope: 'send' })).body as { key: string }
  await api.as(holder.key).put(`/v1/devices/${'ab'.repeat(32)}`, {})
  await api.as(holder.key).get(`/v1/devices/${'ab'.repeat(32)}`)
  const text = JSON.stringify(api.log)
  expect(text).toContain('/v1/devices/:token')
  for (const secret of [holder.key.slice(-40), ADMIN_KEY, 'ab'.repeat(32)]) expect(text).not.toContain(secret)
})
