import * as fc from 'fast-check'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import type { z } from 'zod'

import type { Endpoint } from '../src/endpoint.ts'
import { APP_ENDPOINTS } from '../src/routes/apps.ts'
import { DEVICE_ENDPOINTS } from '../src/routes/devices.ts'
import { KEY_ENDPOINTS } from '../src/routes/keys.ts'
import { PUSH_ENDPOINTS } from '../src/routes/pushes.ts'
import { problemSchema } from '../src/schemas.ts'
import { type Operation, type OpenApi, valueOf } from './from-schema.ts'
import { type Answer, type Api, startApi, startApple, tokenOf } from './harness.ts'

const LIMITS = '[rateLimit]\nregister = "100000000/1h"\napi = "100000000/1h"\n'

/** A request as the document describes it. */
interface Wanted {
  readonly path: Readonly<Record<string, unknown>>
  readonly query: Readonly<Record<string, unknown>>
  readonly type: string | undefined
  readonly body: unknown
  readonly accept: string | undefined
}

/** How a request may go wrong on its way. */
type Mutation = (wanted: Wanted, request: Sent) => Sent

interface Sent {
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly raw: string | Uint8Array | undefined
}

const ODD_TEXT = fc.oneof(
  fc.constantFrom('', '..', '%00', '%ff', '\u0000', '😀', 'null', '-1', '1e9', '9'.repeat(400), '[[[[', "' OR 1=1 --"),
  fc.string({ unit: 'binary', maxLength: 40 }),
)
/** JSON that something could choke on. */
const ODD_JSON = fc.oneof(
  fc.constantFrom(
    'null',
    '[]',
    '"\\ud800"',
    '1e400',
    '-0',
    '123456789012345678901234567890',
    '{"__proto__":{"x":1}}',
    '{"constructor":{"prototype":{}}}',
    '{"\\u0000":"\\u0000"}',
    '['.repeat(5000) + ']'.repeat(5000),
    '{"a":'.repeat(5000) + '1' + '}'.repeat(5000),
    '"' + 'x'.repeat(20_000) + '"',
  ),
  fc.json(),
)

const MUTATIONS: fc.Arbitrary<Mutation> = fc.oneof(
  // another value somewhere in the body, or one more
  fc.tuple(fc.nat(), ODD_JSON).map(([at, json]): Mutation => ({ body }, request) => {
    if (typeof body !== 'object' || body === null) return { ...request, raw: json }
    const keys = [...Object.keys(body), 'unknown', '__proto__']
    const entries = new Map(Object.entries(body).map(([key, value]) => [key, JSON.stringify(value)]))
    entries.set(keys[at % keys.length] as string, json)
    return { ...request, raw: `{${[...entries].map(([key, value]) => `${JSON.stringify(key)}:${value}`).join(',')}}` }
  }),
  // bytes instead of a body
  fc.uint8Array({ maxLength: 200 }).map((bytes): Mutation => (_, request) => ({ ...request, raw: bytes })),
  // a body that ends too early
  fc.nat(100).map((length): Mutation => (_, request) => ({
    ...request,
    raw: typeof request.raw === 'string' ? request.raw.slice(0, length) : request.raw,
  })),
  fc
    .constantFrom(
      'text/plain',
      'application/xml',
      'application/json; charset=latin1',
      'multipart/form-data',
      ';;',
      'text/csv',
      'application/x-ndjson',
    )
    .map((type): Mutation => (_, request) => ({ ...request, headers: { ...request.headers, 'content-type': type } })),
  fc
    .constantFrom('text/html', '*/*;q=0', ',,;', 'application/*', 'text/csv;q=0.1, application/json;q=0', 'x')
    .map((accept): Mutation => (_, request) => ({ ...request, headers: { ...request.headers, accept } })),
  // a parameter that is odd, unknown or there twice
  fc
    .tuple(
      fc.constantFrom(
        'app',
        'environment',
        'filter',
        'limit',
        'cursor',
        'count',
        'refused',
        'state',
        'dryRun',
        '__proto__',
      ),
      ODD_TEXT,
    )
    .map(([name, value]): Mutation => (_, request) => ({
      ...request,
      path: `${request.path}${request.path.includes('?') ? '&' : '?'}${name}=${encode(value)}`,
    })),
  // a path that is odd
  ODD_TEXT.map((text): Mutation => (_, request) => ({
    ...request,
    path: request.path.replace(/[^/?]+(?=\?|$)/, encode(text)),
  })),
)

let api: Api
let contract: OpenApi
/** Values of parameters that name something: no others would. */
const known: Record<string, string> = { app: 'com.example.app', token: tokenOf(1) }
/** Whose `id` it is, by path. */
const knownIds: Record<string, string> = {}
/** Bodies that are taken for sure, by path. */
const KNOWN_BODIES: Readonly<Record<string, unknown>> = {
  '/v1/pushes': { audience: { all: true }, payload: { aps: { alert: 'Hello' } } },
  '/v1/pushes/{id}': { state: 'canceled' },
}
beforeAll(async () => {
  const { text } = await startApple('provider-api', {}, afterAll)
  api = await startApi('sqlite::memory:', LIMITS + text, afterAll)
  const delivered = await push({ tokens: ['c0ffee'] })
  const { dispatcher } = api.service
  dispatcher.start()
  for await (const { state } of dispatcher.watch(delivered)) if (state === 'completed') break
  await dispatcher.drain(10_000)
  knownIds['/v1/pushes/{id}/notifications'] = delivered
  knownIds['/v1/notifications/{id}'] = (await dispatcher.notifications(delivered)).data[0]?.id ?? ''
  // one that has ended: its events do too
  const canceled = await push({ all: true })
  await dispatcher.cancel(canceled)
  knownIds['/v1/pushes/{id}'] = canceled
  contract = (await api.get('/v1/openapi.json')).body as OpenApi
})

async function push(audience: unknown): Promise<string> {
  const answer = await api.post('/v1/pushes', { audience, payload: { aps: { alert: 'Hello' } } })
  return (answer.body as { id: string }).id
}

// The document is needed before the tests are known: these are its routes, and a test below holds them to it.
const ROUTES = [
  ['put', '/v1/devices/{token}'],
  ['delete', '/v1/devices/{token}'],
  ['get', '/v1/devices/{token}'],
  ['patch', '/v1/devices/{token}'],
  ['get', '/v1/devices'],
  ['post', '/v1/devices'],
  ['post', '/v1/pushes'],
  ['get', '/v1/pushes'],
  ['get', '/v1/pushes/{id}'],
  ['patch', '/v1/pushes/{id}'],
  ['get', '/v1/pushes/{id}/notifications'],
  ['get', '/v1/notifications/{id}'],
  ['get', '/v1/keys'],
  ['post', '/v1/keys'],
  ['delete', '/v1/keys/{id}'],
  ['get', '/v1/apps'],
] as const

test('the document is OpenAPI 3.1 and has every route', () => {
  expect((contract as unknown as { openapi: string }).openapi).toBe('3.1.0')
  const routes = Object.entries(contract.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method} ${path}`),
  )
  expect(routes.toSorted()).toEqual(ROUTES.map(([method, path]) => `${method} ${path}`).toSorted())
})

beforeEach(async () => {
  await api.put(`/v1/devices/${tokenOf(1)}`, {})
  knownIds['/v1/keys/{id}'] = ((await api.post('/v1/keys', { scope: 'send' })).body as { id: string }).id
})

describe.for(ROUTES)('%s %s', ([method, path]) => {
  test('what the document allows is answered as it says', async () => {
    const operation = contract.paths[path]?.[method] as Operation
    const seen = new Set<number>()
    await fc.assert(
      fc.asyncProperty(requestOf(operation, path), async (wanted) => {
        const answer = await send(method, render(path, wanted))
        seen.add(answer.status)
        isAsDocumented(operation, answer)
        if (answer.status < 300) isShaped(schemasOf(method, path, answer.status), answer)
        // the document says all there is to know about a registration
        if (method === 'put') expect(statusOf(answer)).toMatch(/^20[01] /)
      }),
      { numRuns: 60 },
    )
    expect([...seen].filter((status) => status < 300)).not.toEqual([])
  })

  test('what it does not allow is answered by a problem, never by a fault of ours', async () => {
    const operation = contract.paths[path]?.[method] as Operation
    await fc.assert(
      fc.asyncProperty(
        requestOf(operation, path),
        fc.array(MUTATIONS, { minLength: 1, maxLength: 3 }),
        async (wanted, mutations) => {
          const sent = mutations.reduce((request, mutate) => mutate(wanted, request), render(path, wanted))
          const answer = await send(method, sent)
          expect(statusOf(answer)).toMatch(/^[234]/)
          if (answer.status >= 400) isProblem(answer)
        },
      ),
      { numRuns: 150 },
    )
  })
})

test('after all that, it works as before', async () => {
  expect((await api.put(`/v1/devices/${tokenOf(1)}`, { attributes: { a: 1 } })).body.attributes).toEqual({ a: 1 })
  expect(({} as Record<string, unknown>)['x']).toBeUndefined()
})

function requestOf(operation: Operation, path: string): fc.Arbitrary<Wanted> {
  const parametersIn = (place: 'path' | 'query'): fc.Arbitrary<Record<string, unknown>> => {
    const found = (operation.parameters ?? []).filter((parameter) => parameter.in === place)
    const fields = Object.fromEntries(
      found.map(({ name, schema }) => [name, ofParameter(name, path, valueOf(schema, contract))]),
    )
    const requiredKeys = found.filter(({ required }) => required === true).map(({ name }) => name)
    return fc.record(fields, { requiredKeys })
  }
  const contents = Object.entries(operation.requestBody?.content ?? {})
  const bodies = contents.map(([type, { schema }]) => {
    const taken = KNOWN_BODIES[path]
    const value = valueOf(schema, contract)
    return (taken === undefined ? value : fc.oneof(fc.constant(taken), value)).map((body) => ({ type, body }))
  })
  const accepted = Object.entries(operation.responses)
    .filter(([status]) => status.startsWith('2'))
    .flatMap(([, { content }]) => Object.keys(content ?? {}))
  return fc
    .tuple(
      parametersIn('path'),
      parametersIn('query'),
      bodies.length === 0 ? fc.constant({ type: undefined, body: undefined }) : fc.oneof(...bodies),
      fc.constantFrom(undefined, '*/*', ...accepted),
    )
    .map(([inPath, query, { type, body }, accept]) => ({ path: inPath, query, type, body: withApp(body), accept }))
}

function ofParameter(name: string, path: string, value: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> {
  const found = name === 'id' ? knownIds[path] : known[name]
  return found === undefined ? value : fc.oneof(fc.constant(found), value)
}

function withApp(body: unknown): unknown {
  return typeof body === 'object' && body !== null && 'app' in body ? { ...body, app: known['app'] } : body
}

function render(path: string, { path: inPath, query, type, body, accept }: Wanted): Sent {
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encode(String(inPath[name])))
  const search = Object.entries(query).map(([name, value]) => `${name}=${encode(String(value))}`)
  return {
    path: search.length === 0 ? filled : `${filled}?${search.join('&')}`,
    headers: { ...(type !== undefined && { 'content-type': type }), ...(accept !== undefined && { accept }) },
    raw: body === undefined || typeof body === 'string' ? body : JSON.stringify(body),
  }
}

function encode(text: string): string {
  return encodeURIComponent(text.replaceAll(/\p{Surrogate}/gu, '?'))
}

function send(method: string, { path, headers, raw }: Sent): Promise<Answer> {
  const hasBody = raw !== undefined && method !== 'get'
  return api.send(method.toUpperCase(), path, { headers, ...(hasBody && { raw }) })
}

function isAsDocumented({ responses }: Operation, answer: Answer): void {
  const documented = responses[String(answer.status)]
  if (documented === undefined) throw new Error(`The document does not know of ${statusOf(answer)}`)
  const type = answer.headers.get('content-type')?.replace(/;.*/, '')
  if (answer.status === 204) expect(answer.text).toBe('')
  else expect(Object.keys(documented.content ?? {})).toContain(type)
  if (answer.status >= 400) isProblem(answer)
}

const ENDPOINTS = [...DEVICE_ENDPOINTS, ...PUSH_ENDPOINTS, ...KEY_ENDPOINTS, ...APP_ENDPOINTS]

/** The schemas that the document was made of, by media type. */
type Schemas = Readonly<Record<string, { readonly schema: z.ZodType }>>

function schemasOf(method: string, path: string, status: number): Schemas {
  const { route } = ENDPOINTS.find((endpoint) => endpoint.method === method && endpoint.path === path) as Endpoint
  return (route.responses[status] as { readonly content?: Schemas }).content ?? {}
}

/** JSON has every field that the document names, and no other. */
function isShaped(schemas: Schemas, { headers, text }: Answer): void {
  const type = headers.get('content-type')?.replace(/;.*/, '') ?? ''
  const lines = type === 'application/json' ? [text] : text.trimEnd().split('\n')
  if (!type.endsWith('json') || text === '') return
  for (const line of lines) {
    const said: unknown = JSON.parse(line)
    // what a schema does not know, it leaves out
    expect((schemas[type] as Schemas[string]).schema.parse(said)).toEqual(said)
  }
}

/** With what was answered, for whoever reads of a failure. */
function statusOf({ status, text }: Answer): string {
  return `${status} ${text}`
}

function isProblem(answer: Answer): void {
  expect(answer.headers.get('content-type')).toBe('application/problem+json')
  expect(problemSchema.strict().safeParse(answer.body).error).toBeUndefined()
}
