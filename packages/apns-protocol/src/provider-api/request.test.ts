import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http2'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'

import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import type { Content } from '../content.ts'
import { encodeFrameHeader, encodeSettings } from '../http2/frame.ts'
import { type HeaderField, renderHeaderBlock } from '../http2/hpack-encoder.ts'
import { CONNECTION_PREFACE } from '../http2/index.ts'
import { MAX_BADGE, renderPayload } from '../payload.ts'
import { toUtf8 } from '../utf8.ts'
import {
  copyPayload,
  encodeRequest,
  encodeRequestHeaders,
  MAX_PROVIDER_PAYLOAD_BYTES,
  MAX_REQUEST_BYTES,
  payloadLength,
  renderAuthorization,
  renderRequestHead,
} from './request.ts'

const TARGET = { topic: 'com.example.app', authority: 'api.push.apple.com' }
const CONTENT: Content = { payload: { aps: { alert: 'Hi', badge: 3 }, link: '/é' } }
const PAYLOAD = renderPayload(CONTENT.payload)
const HEAD = renderRequestHead(CONTENT, TARGET)
const TOKEN = '740f4707bebcf74f9b7c25d48e3358945f6aa01da5ddb387462c7eaf61bb78ad'
const ID = '01234567-89ab-8cde-bf01-23456789abcd'
const AUTHORIZATION = renderAuthorization(`${'a'.repeat(130)}.${'b'.repeat(86)}`)

/** Each is what differs from an everyday request. */
interface Request {
  readonly content?: Content
  readonly token?: string
  readonly id?: string | undefined
  readonly authorization?: string | undefined
  readonly badge?: number | undefined
  readonly update?: boolean
}

function encode(request: Request): Uint8Array | number {
  const { content = CONTENT, token = TOKEN, id, authorization, badge, update = false } = request
  const head = renderRequestHead(content, TARGET)
  const field = authorization === undefined ? undefined : renderAuthorization(authorization)
  const into = new Uint8Array(3 + MAX_REQUEST_BYTES).fill(0xee)
  const end = encodeRequest(into, 3, 0x1234567, head, token, id, field, renderPayload(content.payload), badge, update)
  expect([...into.subarray(0, 3)]).toEqual([0xee, 0xee, 0xee])
  if (end < 0) return end
  expect(into.subarray(end).every((byte) => byte === 0xee)).toBe(true)
  return into.subarray(3, end)
}

/** The same, slowly: each field rendered by itself, the badge put into the payload. */
function spell(request: Request): Uint8Array {
  const { content = CONTENT, token = TOKEN, id, authorization, badge, update = false } = request
  const { pushType = 'alert', priority = pushType === 'background' ? 5 : 10, expiration, collapseId } = content
  const suffixes: Record<string, string> = { voip: '.voip', liveactivity: '.push-type.liveactivity' }
  const fields: HeaderField[] = [
    [':method', 'POST'],
    [':scheme', 'https'],
    [':authority', TARGET.authority],
    [':path', `/3/device/${token.toLowerCase()}`],
  ]
  if (id !== undefined) fields.push(['apns-id', id])
  fields.push(['apns-topic', TARGET.topic + (suffixes[pushType] ?? '')])
  fields.push(['apns-push-type', pushType], ['apns-priority', `${priority}`])
  if (expiration !== undefined) fields.push(['apns-expiration', `${expiration}`])
  if (collapseId !== undefined) fields.push(['apns-collapse-id', collapseId])
  if (authorization !== undefined) fields.push(['authorization', `bearer ${authorization}`, 'sensitive'])
  const block = Uint8Array.of(...(update ? [0x20] : []), ...renderHeaderBlock(fields))
  const { aps, ...custom } = content.payload
  const { badge: _badge, ...others } = aps ?? {}
  const payload = badge === undefined ? content.payload : { aps: { badge, ...others }, ...custom }
  const data = toUtf8(JSON.stringify(payload))
  const bytes = new Uint8Array(18 + block.length + data.length)
  const headersEnd = encodeFrameHeader(bytes, 0, block.length, 1, 4, 0x1234567)
  bytes.set(block, headersEnd)
  bytes.set(data, encodeFrameHeader(bytes, headersEnd + block.length, data.length, 0, 1, 0x1234567))
  return bytes
}

const digits = fc.string({
  unit: fc.constantFrom(...Array.from('0123456789abcdefABCDEF')),
  minLength: 1,
  maxLength: 100,
})
const usual = fc.string({ unit: fc.constantFrom(...Array.from('0123456789abcdef')), minLength: 64, maxLength: 64 })
const tokens = fc.oneof(
  usual,
  digits.map((half) => half + half),
  usual.map((token) => token.toUpperCase()),
)
const content = fc
  .record(
    {
      pushType: fc.constantFrom('alert', 'background', 'voip', 'liveactivity'),
      priority: fc.constantFrom(10, 5, 1),
      expiration: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      collapseId: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 16 }),
    },
    { requiredKeys: [] },
  )
  .map((members) => ({ ...CONTENT, ...members }))
const requests = fc.record(
  {
    content,
    token: tokens,
    id: fc.uuid(),
    authorization: fc.string({ unit: 'binary-ascii', maxLength: 260 }),
    badge: fc.integer({ min: 0, max: MAX_BADGE }),
    update: fc.boolean(),
  },
  { requiredKeys: [] },
)

test('a request is what its fields give one by one, with whatever is left out', () => {
  fc.assert(
    fc.property(requests, (request) => {
      expect(encode(request)).toEqual(spell(request))
    }),
    { numRuns: 500 },
  )
})

/** A text with one of its characters replaced. */
function spoilt(whole: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const near = fc.constantFrom(...Array.from('/0:`afgAFG@-\u007f\u0080\u0000\u0010\u0019!é\u0130\u0430\u2d2d\ud800'))
  return fc
    .tuple(whole, fc.nat(), fc.oneof(near, fc.string({ unit: 'binary', minLength: 1, maxLength: 1 })))
    .map(([value, where, unit]) => {
      const at = where % value.length
      return value.slice(0, at) + unit + value.slice(at + 1)
    })
}

test('what is no token is told as -1, what is no id as -2', () => {
  const anyToken = fc.oneof(tokens, spoilt(tokens), digits, fc.string({ unit: 'binary' }))
  const anyId = fc.oneof(fc.uuid(), spoilt(fc.uuid()), fc.string({ unit: 'binary', maxLength: 40 }))
  fc.assert(
    fc.property(anyToken, fc.option(anyId, { nil: undefined }), (token, id) => {
      const isToken = /^(?:[0-9a-fA-F]{2}){1,100}$/.test(token)
      const isId = id === undefined || /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(id)
      const encoded = encode({ token, id })
      expect(typeof encoded === 'number' ? encoded : 0).toBe(isToken ? (isId ? 0 : -2) : -1)
    }),
    { numRuns: 2000 },
  )
})

test.for(['', 'a', 'aabbc', 'aa'.repeat(101), `${TOKEN} `, TOKEN.slice(1), 'é'.repeat(64)])(
  '%j is no token',
  (token) => {
    for (const id of [undefined, ID]) expect(encode({ token, id })).toBe(-1)
  },
)

test.for(['', ID.toUpperCase(), ID.replaceAll('-', ''), `${ID}0`, ID.replace('-', '0'), ID.replace('01', '-1')])(
  '%j is no id',
  (id) => {
    for (const token of [TOKEN, 'aabb']) expect(encode({ token, id })).toBe(-2)
  },
)

test.for<[string, Content, string]>([
  ['the push type decides the topic', { ...CONTENT, pushType: 'pushtotalk' }, 'com.example.app.voip-ptt'],
  ['and the priority', { ...CONTENT, pushType: 'background' }, 'apns-priority\u00015'],
  ['but for one that was chosen', { ...CONTENT, priority: 1 }, 'apns-priority\u00011'],
])('%s', ([, given, expected]) => {
  const encoded = encode({ content: given })
  expect(new TextDecoder().decode(encoded as Uint8Array)).toContain(expected)
})

test('a provider token is followed by another, and by none, on one head', () => {
  const into = new Uint8Array(MAX_REQUEST_BYTES)
  const write = (field: Uint8Array | undefined): Uint8Array =>
    into.slice(0, encodeRequestHeaders(into, 0, 1, HEAD, TOKEN, undefined, field, false))
  const without = write(undefined)
  for (const providerToken of ['first', 'second', 'second', 'first']) {
    const field = renderAuthorization(providerToken)
    const bytes = write(field)
    expect(bytes.slice(9)).toEqual(Uint8Array.of(...without.slice(9), ...field))
    expect(bytes.subarray(0, 3)).toEqual(Uint8Array.of(0, (bytes.length - 9) >>> 8, (bytes.length - 9) & 255))
  }
  expect(write(undefined)).toEqual(without)
})

test('headers and payload apart are the request but for the header between them', () => {
  const whole = new Uint8Array(MAX_REQUEST_BYTES)
  const end = encodeRequest(whole, 0, 7, HEAD, TOKEN, ID, AUTHORIZATION, PAYLOAD, 42, false)
  const apart = new Uint8Array(MAX_REQUEST_BYTES)
  const headersEnd = encodeRequestHeaders(apart, 0, 7, HEAD, TOKEN, ID, AUTHORIZATION, false)
  expect(apart.subarray(0, headersEnd)).toEqual(whole.subarray(0, headersEnd))
  expect(copyPayload(apart, headersEnd, PAYLOAD, 42) - headersEnd).toBe(payloadLength(PAYLOAD, 42))
  expect(apart.subarray(headersEnd, end - 9)).toEqual(whole.subarray(headersEnd + 9, end))
})

test('a buffer that is too short by any number of bytes is a RangeError, and is nothing else', () => {
  const end = encodeRequest(new Uint8Array(MAX_REQUEST_BYTES), 0, 1, HEAD, TOKEN, ID, AUTHORIZATION, PAYLOAD, 1, true)
  for (let room = 0; room < end; room++)
    expect(() => encodeRequest(new Uint8Array(room), 0, 1, HEAD, TOKEN, ID, AUTHORIZATION, PAYLOAD, 1, true)).toThrow(
      RangeError,
    )
  expect(encodeRequest(new Uint8Array(end), 0, 1, HEAD, TOKEN, ID, AUTHORIZATION, PAYLOAD, 1, true)).toBe(end)
})

test('the largest request of all fills MAX_REQUEST_BYTES', () => {
  const frame = payloadLength(renderPayload({ k: '' }), MAX_BADGE)
  const largest: Content = { payload: { k: 'x'.repeat(MAX_PROVIDER_PAYLOAD_BYTES - frame) } }
  const payload = renderPayload(largest.payload)
  const head = longest((length) => renderRequestHead(largest, { topic: 'x'.repeat(length), authority: 'a' }))
  const field = longest((length) => renderAuthorization('x'.repeat(length)))
  const into = new Uint8Array(MAX_REQUEST_BYTES)
  expect(encodeRequest(into, 0, 1, head, 'aa'.repeat(100), ID, field, payload, MAX_BADGE, true)).toBe(MAX_REQUEST_BYTES)
})

/** The last that is made before the lengths that are a RangeError. */
function longest<T>(make: (length: number) => T): T {
  let made = make(0)
  for (let length = 1; length < 10_000; length++)
    try {
      made = make(length)
    } catch (error) {
      expect(error).toBeInstanceOf(RangeError)
      return made
    }
  throw new Error('there is no bound')
}

test.for([-1, 0.5, MAX_BADGE + 1, 2 ** 32, Number.NaN, Infinity])('a badge of %d is a RangeError', (badge) => {
  expect(() => payloadLength(PAYLOAD, badge)).toThrow(RangeError)
  expect(() => encode({ badge })).toThrow(RangeError)
})

test('a payload of 5121 bytes is a RangeError', () => {
  const frame = '{"k":""}'.length
  expect(payloadLength(renderPayload({ k: 'x'.repeat(5120 - frame) }), undefined)).toBe(5120)
  const payload = renderPayload({ k: 'x'.repeat(5121 - frame) })
  expect(() => payloadLength(payload, undefined)).toThrow(RangeError)
})

test('an HTTP/2 server that shares no code with us reads every field', async () => {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')

  const given: Content = { ...CONTENT, pushType: 'voip', priority: 5, expiration: 1_700_000_000, collapseId: 'a b' }
  const head = renderRequestHead(given, TARGET)
  const long = 'AB'.repeat(100)
  const bytes = new Uint8Array(33 + 2 * MAX_REQUEST_BYTES)
  bytes.set(CONNECTION_PREFACE)
  let end = encodeSettings(bytes, CONNECTION_PREFACE.length, [])
  end = encodeRequest(bytes, end, 1, head, TOKEN, ID, AUTHORIZATION, PAYLOAD, 7, true)
  end = encodeRequest(bytes, end, 3, head, long, undefined, undefined, PAYLOAD, undefined, false)

  const received: { readonly stream: number; readonly headers: IncomingHttpHeaders; readonly body: string }[] = []
  const bothCame = new Promise<void>((resolve, reject) => {
    server.on('stream', (stream, headers) => {
      stream.respond({ ':status': 200 }, { endStream: true })
      const read = async (): Promise<void> => {
        received.push({ stream: Number(stream.id), headers: { ...headers }, body: await text(stream) })
        if (received.length === 2) resolve()
      }
      read().catch(reject)
    })
  })
  const socket = connect(address.port, '127.0.0.1')
  socket.resume()
  socket.write(bytes.subarray(0, end))
  await bothCame
  received.sort((a, b) => a.stream - b.stream)
  socket.destroy()
  server.close()
  await once(server, 'close')

  const shared = {
    ':method': 'POST',
    ':scheme': 'https',
    ':authority': 'api.push.apple.com',
    'apns-topic': 'com.example.app.voip',
    'apns-push-type': 'voip',
    'apns-priority': '5',
    'apns-expiration': '1700000000',
    'apns-collapse-id': 'a b',
  }
  const authorization = `bearer ${'a'.repeat(130)}.${'b'.repeat(86)}`
  expect(received).toMatchObject([
    {
      headers: { ...shared, ':path': `/3/device/${TOKEN}`, 'apns-id': ID, authorization },
      body: '{"aps":{"badge":7,"alert":"Hi"},"link":"/é"}',
    },
    {
      headers: { ...shared, ':path': `/3/device/${long.toLowerCase()}` },
      body: '{"aps":{"alert":"Hi","badge":3},"link":"/é"}',
    },
  ])
  expect(received[1]!.headers).not.toHaveProperty('apns-id')
  expect(received[1]!.headers).not.toHaveProperty('authorization')
})
