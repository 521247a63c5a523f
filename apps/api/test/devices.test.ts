import { describe, expect, test } from 'vitest'

import { APP, DATABASES, OTHER_APP, startApi, tokenOf, TWO_APPS } from './harness.ts'

const TOKEN = tokenOf(1)
const TIME = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{3}Z$/

describe.for(DATABASES)('on %s', ([, url]) => {
  test('a device that registers is there, with what it said and defaults for the rest', async () => {
    const api = await startApi(await url())
    const made = await api.put(`/v1/devices/${TOKEN}`, {
      environment: 'sandbox',
      osVersion: '18.1',
      attributes: { plan: 'pro', age: 31, beta: true },
    })
    expect(made.status).toBe(201)
    expect(made.body).toEqual({
      app: APP,
      token: TOKEN,
      environment: 'sandbox',
      platform: 'ios',
      osVersion: '18.1',
      badge: 0,
      attributes: { age: 31, beta: true, plan: 'pro' },
      refused: null,
      createdAt: expect.stringMatching(TIME),
      updatedAt: expect.stringMatching(TIME),
    })
    expect((await api.get(`/v1/devices/${TOKEN}`)).body).toEqual(made.body)
  })

  test('absent fields stay, attributes replace, and a token moves with its environment', async () => {
    const api = await startApi(await url())
    await api.put(`/v1/devices/${TOKEN}`, { environment: 'sandbox', badge: 3, attributes: { plan: 'pro', lang: 'de' } })
    const kept = await api.put(`/v1/devices/${TOKEN}`)
    expect(kept.status).toBe(200)
    expect(kept.body).toMatchObject({ environment: 'sandbox', badge: 3, attributes: { plan: 'pro', lang: 'de' } })
    const moved = await api.put(`/v1/devices/${TOKEN}`, { environment: 'production', attributes: { plan: 'free' } })
    expect(moved.body).toMatchObject({ environment: 'production', badge: 3, attributes: { plan: 'free' } })
    expect(Object.keys(moved.body.attributes)).toEqual(['plan'])
  })

  test('a token is taken in any spelling, and kept as lowercase hex', async () => {
    const api = await startApi(await url())
    const typed = encodeURIComponent(`<${'ABCD EF01 '.repeat(8).trim()}>`)
    expect((await api.put(`/v1/devices/${typed}`, {})).body.token).toBe('abcdef01'.repeat(8))
    expect((await api.get(`/v1/devices/${'ABCDEF01'.repeat(8)}`)).status).toBe(200)
  })

  test('a register key learns nothing, and reads nothing', async () => {
    const api = await startApi(await url())
    const register = await api.holder('register')
    for (const status of [201, 200]) {
      const answer = await register.put(`/v1/devices/${TOKEN}`, { attributes: { plan: 'pro' } })
      expect([answer.status, answer.body]).toEqual([status, { saved: true }])
    }
    for (const refused of [
      await register.get(`/v1/devices/${TOKEN}`),
      await register.get('/v1/devices'),
      await register.patch(`/v1/devices/${TOKEN}`, { badge: 1 }),
      await register.post('/v1/devices', undefined, { raw: '', headers: { 'content-type': 'text/csv' } }),
      await register.get('/v1/keys'),
      await register.get('/v1/apps'),
    ]) {
      expect([refused.status, refused.body.type]).toEqual([403, '/problems/forbidden'])
    }
    expect((await register.delete(`/v1/devices/${TOKEN}`)).status).toBe(204)
  })

  test('a register key does not touch trusted attributes, neither by naming nor by leaving them out', async () => {
    const api = await startApi(await url())
    const [register, send] = [await api.holder('register'), await api.holder('send')]
    await send.put(`/v1/devices/${TOKEN}`, { attributes: { userId: '42', plan: 'pro' } })
    const claim = await register.put(`/v1/devices/${TOKEN}`, { attributes: { userId: '1' } })
    expect(claim.status).toBe(403)
    expect(claim.body.errors).toEqual([
      { pointer: '/attributes/userId', detail: 'Only send and admin keys may write it.' },
    ])
    await register.put(`/v1/devices/${TOKEN}`, { attributes: { plan: 'free' } })
    expect((await send.get(`/v1/devices/${TOKEN}`)).body.attributes).toEqual({ plan: 'free', userId: '42' })
    await send.put(`/v1/devices/${TOKEN}`, { attributes: {} })
    expect((await send.get(`/v1/devices/${TOKEN}`)).body.attributes).toEqual({})
  })

  test('a deleted device is gone, its tombstone tells, and deleting again is no fault', async () => {
    const api = await startApi(await url())
    await api.put(`/v1/devices/${TOKEN}`, {})
    expect((await api.delete(`/v1/devices/${TOKEN}`)).status).toBe(204)
    const gone = await api.get(`/v1/devices/${TOKEN}`)
    expect(gone.status).toBe(410)
    expect(gone.body).toMatchObject({
      type: '/problems/device-removed',
      tombstone: { at: expect.stringMatching(TIME), cause: 'request', push: null },
    })
    expect((await api.delete(`/v1/devices/${TOKEN}`)).status).toBe(204)
    expect((await api.delete(`/v1/devices/${tokenOf(2)}`)).status).toBe(204)
    expect((await api.get(`/v1/devices/${tokenOf(2)}`)).status).toBe(404)
    expect((await api.put(`/v1/devices/${TOKEN}`, {})).status).toBe(201)
  })

  test('a change merges attributes, sets or counts the badge, lifts a refusal, and is no registration', async () => {
    const api = await startApi(await url())
    const before = await api.put(`/v1/devices/${TOKEN}`, { badge: 3, attributes: { plan: 'pro', lang: 'de' } })
    await api.service.store.refuse(APP, 'production', [{ token: TOKEN, reason: 'InvalidToken' }])
    expect((await api.get(`/v1/devices/${TOKEN}`)).body.refused).toEqual({
      reason: 'InvalidToken',
      at: expect.stringMatching(TIME),
      push: null,
    })
    const changed = await api.patch(`/v1/devices/${TOKEN}`, {
      attributes: { lang: null, beta: true },
      badge: { increment: 2 },
      refused: null,
    })
    expect(changed.status).toBe(200)
    expect(changed.body).toMatchObject({ badge: 5, refused: null, updatedAt: before.body.updatedAt })
    expect(changed.body.attributes).toEqual({ beta: true, plan: 'pro' })
    const patched = await api.patch(`/v1/devices/${TOKEN}`, undefined, {
      raw: '{"badge":0,"osVersion":"19"}',
      headers: { 'content-type': 'application/merge-patch+json; charset=utf-8' },
    })
    expect(patched.body).toMatchObject({ badge: 0, osVersion: '19' })
    expect((await api.patch(`/v1/devices/${tokenOf(2)}`, { badge: 1 })).status).toBe(404)
  })

  test('pages hold what they should, in order, and the last one says so', async () => {
    const api = await startApi(await url())
    for (let index = 0; index < 7; index++) {
      await api.put(`/v1/devices/${tokenOf(index)}`, {
        environment: index % 2 === 0 ? 'production' : 'sandbox',
        attributes: { plan: index < 3 ? 'pro' : 'free', index },
      })
    }
    const numbers: number[] = []
    let cursor: string | null = ''
    for (const size of [3, 3, 1]) {
      const page = await api.get(`/v1/devices?limit=3${cursor === '' ? '' : `&cursor=${cursor}`}`)
      expect(page.body.data).toHaveLength(size)
      numbers.push(...page.body.data.map((device: { attributes: { index: number } }) => device.attributes.index))
      cursor = page.body.nextCursor
    }
    expect([numbers, cursor]).toEqual([[0, 1, 2, 3, 4, 5, 6], null])

    const filter = encodeURIComponent(JSON.stringify({ any: [['plan', 'pro'], { not: ['index', 5] }] }))
    const counted = await api.get(`/v1/devices?environment=sandbox&filter=${filter}&count=true&limit=1`)
    expect(counted.body).toMatchObject({ data: [{ token: tokenOf(1) }], count: 2 })
    expect((await api.get('/v1/devices?refused=true')).body).toEqual({ data: [], nextCursor: null })
    expect((await api.get('/v1/devices?refused=false&count=true')).body.count).toBe(7)
  })

  test('what a list exports as NDJSON or CSV, an import reads', async () => {
    const api = await startApi(await url(), TWO_APPS)
    const odd = { 'a,b': 'x"y\nz', __proto__x: 1.5, unicode: '😀 é', empty: '' }
    for (let index = 0; index < 5; index++) {
      await api.put(`/v1/devices/${tokenOf(index)}`, {
        app: APP,
        environment: 'sandbox',
        osVersion: '18,1 "beta"',
        badge: index,
        attributes: { ...odd, index },
      })
    }
    const ndjson = await api.get(`/v1/devices?app=${APP}`, { headers: { accept: 'application/x-ndjson' } })
    const csv = await api.get(`/v1/devices?app=${APP}`, { headers: { accept: 'text/csv' } })
    expect(ndjson.headers.get('content-type')).toBe('application/x-ndjson')
    expect(csv.headers.get('content-type')).toBe('text/csv; charset=utf-8')
    expect(csv.text.split('\n')[0]).toBe(
      'app,token,environment,platform,osVersion,badge,attributes,refused,createdAt,updatedAt',
    )
    const all = (await api.get(`/v1/devices?app=${APP}`)).body.data
    expect(
      ndjson.text
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual(all)

    for (const [type, exported] of [
      ['application/x-ndjson', ndjson.text],
      ['text/csv', csv.text],
    ] as const) {
      for (let index = 0; index < 5; index++) await api.delete(`/v1/devices/${tokenOf(index)}?app=${APP}`)
      const report = await api.post('/v1/devices', undefined, { raw: exported, headers: { 'content-type': type } })
      expect(report.body).toEqual({ saved: 5, unchanged: 0, refused: 0, errors: [] })
      const imported = (await api.get(`/v1/devices?app=${APP}`)).body.data as Record<string, unknown>[]
      expect(imported).toEqual(all.map((device: object) => ({ ...device, createdAt: expect.any(String) })))
    }
  })

  test('an import keeps what is newer, fills in what a row lacks, and tells what it turns away, line by line', async () => {
    const api = await startApi(await url(), TWO_APPS)
    await api.put(`/v1/devices/${tokenOf(1)}`, { app: APP, attributes: { plan: 'new' } })
    const rows = [
      JSON.stringify({ token: tokenOf(1), updatedAt: '2020-01-01T00:00:00Z', attributes: { plan: 'old' } }),
      JSON.stringify({ token: tokenOf(2), platform: 'macos' }),
      '',
      JSON.stringify({ token: 'xyz' }),
      '{"token": ',
      JSON.stringify({ token: tokenOf(3), colour: 'red' }),
      JSON.stringify({ token: tokenOf(4), app: 'org.nobody' }),
      JSON.stringify({ token: tokenOf(5), app: OTHER_APP, environment: 'production' }),
      '["a"]',
      `{"token":"${tokenOf(6)}","badge":12345678901234567890}`,
      `{"token":"${tokenOf(7)}","osVersion":"${'x'.repeat(70_000)}"}`,
    ]
    const report = await api.post(`/v1/devices?app=${APP}&environment=sandbox`, undefined, {
      raw: rows.join('\r\n'),
      headers: { 'content-type': 'application/x-ndjson' },
    })
    expect(report.status).toBe(200)
    expect(report.body).toMatchObject({ saved: 2, unchanged: 1, refused: 7 })
    expect(report.body.errors.map(({ line, detail }: { line: number; detail: string }) => `${line} ${detail}`)).toEqual(
      [
        expect.stringMatching(/^4 token: the device token "xyz" holds/),
        '5 Is no JSON.',
        expect.stringMatching(/^6 colour: There is no such field/),
        '7 app: There is no app org.nobody.',
        '9 Is no JSON object.',
        '10 badge: Whole numbers go up to 2^53 - 1; send text.',
        '11 Is longer than 65536 bytes.',
      ],
    )
    expect((await api.get(`/v1/devices/${tokenOf(1)}?app=${APP}`)).body.attributes).toEqual({ plan: 'new' })
    expect((await api.get(`/v1/devices/${tokenOf(2)}?app=${APP}`)).body).toMatchObject({
      environment: 'sandbox',
      platform: 'macos',
    })
    expect((await api.get(`/v1/devices/${tokenOf(5)}?app=${OTHER_APP}`)).body.environment).toBe('production')
  })

  test('an import is streamed: more than a request may have, and more than a batch', async () => {
    const api = await startApi(await url())
    const count = 2345
    const padding = 'x'.repeat(240)
    async function* lines(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('token,attributes\n')
      for (let index = 0; index < count; index++) {
        const attributes = JSON.stringify({ index, a: padding, b: padding, c: padding }).replaceAll('"', '""')
        yield Buffer.from(`${tokenOf(index)},"${attributes}"\n`)
      }
    }
    const report = await api.post('/v1/devices', undefined, {
      raw: ReadableStream.from(lines()) as ReadableStream<Uint8Array>,
      headers: { 'content-type': 'text/csv' },
    })
    expect(report.body).toEqual({ saved: count, unchanged: 0, refused: 0, errors: [] })
    expect((await api.get('/v1/devices?count=true&limit=1')).body.count).toBe(count)
    const exported = await api.get('/v1/devices', { headers: { accept: 'application/x-ndjson' } })
    expect(exported.text.trim().split('\n')).toHaveLength(count)
  })
})

test.for([
  ['no column names', '', 'There is no line that names the columns.'],
  ['a column that is none', 'token,bage\n', 'There is no column "bage"; did you mean badge?'],
  ['a column twice', 'token,token\n', 'The column token is there twice.'],
  ['no tokens', 'badge\n1\n', 'The column token is missing.'],
] as const)('a CSV with %s is refused whole', async ([, raw, detail]) => {
  const api = await startApi('sqlite::memory:')
  const answer = await api.post('/v1/devices', undefined, { raw, headers: { 'content-type': 'text/csv' } })
  expect(answer.status).toBe(400)
  expect(answer.body.errors).toEqual([{ line: 1, detail }])
})

test('rows of a CSV that are wrong are turned away; where rows cannot be told apart, reading ends and says so', async () => {
  const api = await startApi('sqlite::memory:')
  const rows = [
    `${tokenOf(1)},{},1`,
    `${tokenOf(2)},"{""a"":",1`,
    `${tokenOf(3)},{}`,
    `${tokenOf(4)},"{""a"":""x""}",one`,
    `${tokenOf(5)},,`,
    `${tokenOf(6)},"never closed`,
    `${tokenOf(7)},,`,
  ]
  const report = await api.post('/v1/devices', undefined, {
    raw: `\ufefftoken,attributes,badge\r\n${rows.join('\r\n')}`,
    headers: { 'content-type': 'text/csv' },
  })
  expect(report.body).toMatchObject({ saved: 2, refused: 4 })
  expect(report.body.errors.map(({ line, detail }: { line: number; detail: string }) => `${line} ${detail}`)).toEqual([
    '3 attributes: Is no JSON.',
    '4 Has 2 columns, and the first line names 3.',
    '5 badge: Must be a whole number from 0 to 2147483647.',
    expect.stringMatching(/^\d+ Has a quote that is never closed\. Nothing from here on was read\.$/),
  ])
  const bytes = Buffer.concat([Buffer.from(`token,osVersion\n${tokenOf(1)},`), Buffer.from([0xff]), Buffer.from('\n')])
  const foreign = await api.post('/v1/devices', undefined, { raw: bytes, headers: { 'content-type': 'text/csv' } })
  expect(foreign.body.errors).toEqual([{ line: 2, detail: 'Is not valid UTF-8.' }])
})

test('of a thousand errors and more, a thousand are told and all are counted', async () => {
  const api = await startApi('sqlite::memory:')
  const raw = Array.from({ length: 1234 }, () => '{}').join('\n')
  const report = await api.post('/v1/devices', undefined, { raw, headers: { 'content-type': 'application/x-ndjson' } })
  expect(report.body.refused).toBe(1234)
  expect(report.body.errors).toHaveLength(1000)
})

describe('which app is meant', () => {
  test('the only one may be left out; of several, one must be named', async () => {
    const one = await startApi('sqlite::memory:')
    expect((await one.put(`/v1/devices/${TOKEN}`, {})).body.app).toBe(APP)
    const two = await startApi('sqlite::memory:', TWO_APPS)
    const unclear = await two.put(`/v1/devices/${TOKEN}`, {})
    expect(unclear.status).toBe(400)
    expect(unclear.body.errors).toEqual([{ pointer: '/app', detail: 'Missing.' }])
    expect((await two.get('/v1/devices')).body.errors).toEqual([{ parameter: 'app', detail: 'Missing.' }])
    expect((await two.put(`/v1/devices/${TOKEN}`, { app: OTHER_APP })).body.app).toBe(OTHER_APP)
    expect((await two.get(`/v1/devices/${TOKEN}?app=${APP}`)).status).toBe(404)
  })

  test('a bound key means its own, and no other', async () => {
    const api = await startApi('sqlite::memory:', TWO_APPS)
    const bound = await api.holder('send', OTHER_APP)
    expect((await bound.put(`/v1/devices/${TOKEN}`, {})).body.app).toBe(OTHER_APP)
    expect((await bound.put(`/v1/devices/${TOKEN}`, { app: OTHER_APP })).status).toBe(200)
    for (const answer of [
      await bound.put(`/v1/devices/${TOKEN}`, { app: APP }),
      await bound.get(`/v1/devices?app=${APP}`),
      await bound.delete(`/v1/devices/${TOKEN}?app=${APP}`),
      await bound.patch(`/v1/devices/${TOKEN}?app=${APP}`, { badge: 1 }),
    ]) {
      expect([answer.status, answer.body.type]).toEqual([403, '/problems/forbidden'])
    }
  })

  test('one that is not configured is refused, also where a key is bound to it', async () => {
    const api = await startApi('sqlite::memory:', TWO_APPS)
    const answer = await api.put(`/v1/devices/${TOKEN}`, { app: 'com.example.ap' })
    expect(answer.status).toBe(422)
    expect(answer.body).toMatchObject({
      type: '/problems/app-not-configured',
      detail: 'There is no app com.example.ap; did you mean com.example.app?',
    })
    const stale = await api.holder('send', 'com.example.gone')
    expect((await stale.get('/v1/devices')).status).toBe(422)
  })
})

test('a list in a form of its own has no pages, and no count', async () => {
  const api = await startApi('sqlite::memory:')
  for (const parameter of ['limit=3', 'cursor=a', 'count=true']) {
    const answer = await api.get(`/v1/devices?${parameter}`, { headers: { accept: 'text/csv' } })
    expect([answer.status, answer.body.errors[0].parameter]).toEqual([400, parameter.replace(/=.*/, '')])
  }
  expect((await api.get('/v1/devices?cursor=%21')).status).toBe(400)
})
