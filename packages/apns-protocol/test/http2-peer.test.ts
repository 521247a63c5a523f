/** Node's HTTP/2, which shares no code with ours, as the judge of both directions. */
import { once } from 'node:events'
import {
  type ClientHttp2Session,
  connect as connectHttp2,
  constants,
  createServer as createHttp2Server,
} from 'node:http2'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

import { expect, onTestFinished, test } from 'vitest'

import {
  CONNECTION_PREFACE,
  encodeFrameHeader,
  encodeGoaway,
  encodePing,
  encodeRstStream,
  encodeSettings,
  encodeSettingsAck,
  encodeWindowUpdate,
  FLAG,
  FRAME,
  FrameDecoder,
  HpackDecoder,
  huffmanEncode,
  renderHeaderBlock,
  SETTING,
} from '../src/http2/index.ts'
import { FrameLog } from './frame-log.ts'
import type { Header } from './hpack-vectors.ts'
import { cutInto } from './vectors.ts'

interface Message {
  readonly fields: Header[]
  body: string
  isWhole: boolean
}

/** Reads one direction of a connection: the messages by their stream, everything else as lines. */
class Reader extends FrameLog {
  readonly messages = new Map<number, Message>()
  readonly #frames: FrameDecoder
  readonly #hpack: HpackDecoder
  /** Everything that came, to be cut anew. */
  #bytes = Buffer.alloc(0)

  constructor(role: 'client' | 'server', maxTableBytes: number) {
    super()
    this.#frames = new FrameDecoder({ role, maxHeaderBlockBytes: 65_536 })
    this.#hpack = new HpackDecoder({ maxTableBytes, maxHeaderListBytes: 100_000 })
  }

  get bytes(): Uint8Array {
    return this.#bytes
  }

  push(chunk: Uint8Array): void {
    this.#bytes = Buffer.concat([this.#bytes, chunk])
    this.#frames.push(chunk, this)
  }

  override headers(stream: number, endStream: boolean, bytes: Uint8Array, start: number, end: number): void {
    const message = this.#message(stream)
    message.isWhole = endStream
    this.#hpack.decode(bytes, start, end, {
      field: (name, value, from, to) =>
        message.fields.push([name, Buffer.from(value.subarray(from, to)).toString('latin1')]),
    })
  }

  override data(stream: number, endStream: boolean, bytes: Uint8Array, start: number, end: number): void {
    const message = this.#message(stream)
    message.isWhole = endStream
    message.body += Buffer.from(bytes.subarray(start, end)).toString()
  }

  #message(stream: number): Message {
    const message = this.messages.get(stream) ?? { fields: [], body: '', isWhole: false }
    this.messages.set(stream, message)
    return message
  }
}

async function listening(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(async () => {
    server.close()
    await once(server, 'close')
  })
  return (server.address() as AddressInfo).port
}

function frame(type: number, flags: number, stream: number, body: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(9 + body.length)
  bytes.set(body, encodeFrameHeader(bytes, 0, body.length, type, flags, stream))
  return bytes
}

function made(room: number, encode: (into: Uint8Array, at: number) => number): Uint8Array {
  const bytes = new Uint8Array(room)
  return bytes.subarray(0, encode(bytes, 0))
}

/** Types and flags of the frames, read without the package. */
function headersOf(bytes: Uint8Array): { readonly type: number; readonly flags: number }[] {
  const view = Buffer.from(bytes)
  const headers = []
  for (let at = 0; at < view.length; at += 9 + view.readUIntBE(at, 3))
    headers.push({ type: view[at + 3]!, flags: view[at + 4]! })
  return headers
}

const REQUESTS = 40
const LONG = 'x'.repeat(30_000)

test.for([
  { padding: constants.PADDING_STRATEGY_NONE, tableBytes: 4096 },
  { padding: constants.PADDING_STRATEGY_MAX, tableBytes: 0 },
  { padding: constants.PADDING_STRATEGY_NONE, tableBytes: 100 },
])('a node:http2 server is asked and read: padding $padding, a table of $tableBytes bytes', async (options) => {
  const server = createHttp2Server({ paddingStrategy: options.padding })
  server.on('stream', (stream, headers) => {
    const id = headers['apns-id']
    stream.respond({
      ':status': headers[':path'] === '/3' ? 410 : 200,
      'apns-id': id,
      'apns-unique-id': `u-${id?.toString()}`,
      // Longer than a frame: HEADERS and CONTINUATION.
      ...(headers[':path'] === '/7' ? { location: LONG } : {}),
    })
    stream.end(headers[':path'] === '/3' ? '{"reason":"Unregistered"}' : '')
  })
  const socket = connect(await listening(server), '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  const reader = new Reader('client', options.tableBytes)
  const done = new Promise<void>((resolve, reject) => {
    socket.on('error', reject)
    socket.on('data', (chunk: Uint8Array) => {
      try {
        reader.push(chunk)
      } catch (error) {
        reject(error)
      }
      const messages = [...reader.messages.values()]
      if (messages.length === REQUESTS && messages.every(({ isWhole }) => isWhole)) resolve()
    })
  })
  socket.write(CONNECTION_PREFACE)
  socket.write(made(15, (into, at) => encodeSettings(into, at, [[SETTING.HEADER_TABLE_SIZE, options.tableBytes]])))
  for (let index = 0; index < REQUESTS; index++) {
    const block = renderHeaderBlock([
      [':method', 'POST'],
      [':scheme', 'https'],
      [':authority', 'api.push.apple.com'],
      [':path', `/${index}`],
      ['apns-id', `id-${index}`],
      ['authorization', 'bearer x', 'sensitive'],
    ])
    socket.write(frame(FRAME.HEADERS, FLAG.END_HEADERS | FLAG.END_STREAM, 2 * index + 1, block))
  }
  await done

  expect(reader.lines).toContain('SETTINGS ACK')
  const frames = headersOf(reader.bytes)
  expect(frames.some(({ type }) => type === FRAME.CONTINUATION)).toBe(true)
  expect(frames.some(({ type, flags }) => type <= FRAME.HEADERS && (flags & FLAG.PADDED) !== 0)).toBe(
    options.padding !== constants.PADDING_STRATEGY_NONE,
  )
  for (let index = 0; index < REQUESTS; index++) {
    const { fields, body } = reader.messages.get(2 * index + 1)!
    expect(fields.filter(([name]) => name !== 'date')).toEqual([
      [':status', index === 3 ? '410' : '200'],
      ['apns-id', `id-${index}`],
      ['apns-unique-id', `u-id-${index}`],
      ...(index === 7 ? [['location', LONG]] : []),
    ])
    expect(body).toBe(index === 3 ? '{"reason":"Unregistered"}' : '')
  }
  for (const lengths of [[1], [7, 0, 30], [100, 9], [16_384]]) {
    const again = new Reader('client', options.tableBytes)
    for (const chunk of cutInto(reader.bytes, lengths)) again.push(chunk)
    expect([again.messages, again.lines]).toEqual([reader.messages, reader.lines])
  }
})

/** A server of raw frames for a node:http2 client. `answer` is called with each whole request. */
async function rawServer(
  answer: (socket: Socket, stream: number, request: Message) => void,
): Promise<{ session: ClientHttp2Session; reader: Reader }> {
  const reader = new Reader('server', 4096)
  const server = createServer((socket) => {
    onTestFinished(() => void socket.destroy())
    const answered = new Set<number>()
    socket.write(made(15, (into, at) => encodeSettings(into, at, [[SETTING.MAX_CONCURRENT_STREAMS, 100]])))
    socket.on('data', (chunk: Uint8Array) => {
      const told = reader.lines.length
      reader.push(chunk)
      for (const line of reader.lines.slice(told)) {
        if (line === 'SETTINGS') socket.write(made(9, encodeSettingsAck))
        if (line.startsWith('PING'))
          socket.write(made(17, (into, at) => encodePing(into, at, true, Buffer.from(line.slice(5), 'hex'))))
      }
      for (const [stream, request] of reader.messages) {
        if (!request.isWhole || answered.has(stream)) continue
        answered.add(stream)
        answer(socket, stream, request)
      }
    })
  })
  const session = connectHttp2(`http://127.0.0.1:${await listening(server)}`)
  onTestFinished(() => session.destroy())
  return { session, reader }
}

/** A literal that goes into the table, name and value in Huffman: what our own encoder never writes. */
function indexed(name: string, value: string): number[] {
  return [
    0x40,
    ...[name, value].flatMap((text) => {
      const bytes = huffmanEncode(Buffer.from(text))
      return [0x80 | bytes.length, ...bytes]
    }),
  ]
}

test('a node:http2 client is read, and reads what we write', async () => {
  const { session, reader } = await rawServer((socket, stream, request) => {
    const id = request.fields.find(([name]) => name === 'apns-id')![1]
    const block = Uint8Array.from([...renderHeaderBlock([[':status', '400']]), ...indexed('apns-id', id), 0xbe])
    const half = block.length >>> 1
    socket.write(frame(FRAME.HEADERS, 0, stream, block.subarray(0, half)))
    socket.write(frame(FRAME.CONTINUATION, FLAG.END_HEADERS, stream, block.subarray(half)))
    socket.write(made(13, (into, at) => encodeWindowUpdate(into, at, 0, request.body.length)))
    socket.write(frame(FRAME.DATA, FLAG.END_STREAM, stream, Buffer.from(request.body)))
  })
  const answers = Array.from({ length: 30 }, async (_, index) => {
    const request = session.request({ ':method': 'POST', ':path': `/3/device/${index}`, 'apns-id': `ID ${index}!` })
    request.end(`{"n":${index}}`)
    const [headers] = await once(request, 'response')
    let body = ''
    for await (const chunk of request) body += String(chunk)
    return { status: headers[':status'], id: headers['apns-id'], body }
  })
  expect(await Promise.all(answers)).toEqual(
    answers.map((_, index) => ({ status: 400, id: `ID ${index}!, ID ${index}!`, body: `{"n":${index}}` })),
  )
  expect(reader.messages.get(1)!.fields.map(([name]) => name)).toEqual(
    expect.arrayContaining([':authority', ':method', ':path', ':scheme', 'apns-id']),
  )
  await new Promise<void>((resolve, reject) => {
    session.ping(Buffer.from('12345678'), (error, _duration, payload) => {
      if (error !== null) return reject(error)
      expect(payload.toString()).toBe('12345678')
      resolve()
    })
  })
  expect(reader.lines).toContain(`PING ${Buffer.from('12345678').toString('hex')}`)
  for (const lengths of [[1], [5, 0, 11]]) {
    const again = new Reader('server', 4096)
    for (const chunk of cutInto(reader.bytes, lengths)) again.push(chunk)
    expect(again.messages).toEqual(reader.messages)
  }
})

test('a node:http2 client understands RST_STREAM and GOAWAY', async () => {
  const { session } = await rawServer((socket, stream) => {
    socket.write(made(13, (into, at) => encodeRstStream(into, at, stream, constants.NGHTTP2_REFUSED_STREAM)))
    const debug = Buffer.from('{"reason":"Shutdown"}')
    socket.write(made(60, (into, at) => encodeGoaway(into, at, stream, 0, debug)))
  })
  const goaway = once(session, 'goaway')
  const request = session.request({ ':method': 'POST', ':path': '/' })
  request.end('x')
  const [error] = await once(request, 'error')
  expect(error).toMatchObject({ code: 'ERR_HTTP2_STREAM_ERROR', message: expect.stringContaining('REFUSED_STREAM') })
  const [code, lastStream, debug] = await goaway
  expect([code, lastStream, Buffer.from(debug).toString()]).toEqual([0, 1, '{"reason":"Shutdown"}'])
})
