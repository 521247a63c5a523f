// HTTP/2 as cheaply as Node can serve it, so that the client is what is measured: frames are walked over by the codec
// of the house, header blocks are not decoded unless somebody wants them, answers were rendered before. It shares that
// codec with our sender; what strangers say of the sender's HTTP/2 stands in its tests.
import type { AddressInfo } from 'node:net'
import { createServer, type TLSSocket } from 'node:tls'

import {
  encodeFrameHeader,
  encodeGoaway,
  encodePing,
  encodeSettings,
  encodeSettingsAck,
  encodeWindowUpdate,
  FLAG,
  FRAME,
  FRAME_HEADER_BYTES,
  FrameDecoder,
  type FrameSink,
  type HeaderField,
  renderHeaderBlock,
  SETTING,
} from '@lhspn/apns-protocol/http2'
import type { Certificates } from '@lhspn/apns-simulator'

/** An answer, rendered once: its frames, and where the number of the stream goes. */
export interface Answer {
  readonly bytes: Uint8Array
  readonly streamAt: readonly number[]
}

/** What becomes of the requests of one connection. */
export interface Handler {
  /** A header block, before its request is whole. Left out, none is looked at. */
  headers?(stream: number, bytes: Uint8Array, start: number, end: number): void
  request(stream: number, connection: RawConnection): void
}

/** Counted over all connections. */
export interface Http2Counts {
  connections: number
  /** Requests that were whole; those on streams above the last one of a GOAWAY are not counted. */
  requests: number
  /** Read: frames with their headers, decrypted. */
  bytes: number
  /** What clients did that Apple or RFC 9113 forbids. */
  violations: number
  firstViolation: string | undefined
}

export interface Http2Options {
  readonly certificate: Certificates['server']
  readonly counts: () => Http2Counts
  /** Milliseconds that each answer takes. */
  readonly delayMs: () => number
  readonly handler: () => Handler
}

/** As Apple has it: one stream until a provider token is proven, here by the first answer, then so many. */
export const MOST_STREAMS = 1000
const UNPROVEN_STREAMS = 1
const BUFFER_BYTES = 64 * 1024
/** Room that control frames and one answer need. */
const MARGIN_BYTES = 1024
const MOST_SPARE_BUFFERS = 16
/** The connection's window at its start, and how much of it is used before it is widened again. */
const [WINDOW_BYTES, WIDEN_AT_BYTES] = [2 ** 30, 2 ** 28]

/** Resolves with the port. */
export async function serveHttp2(options: Http2Options): Promise<number> {
  const server = createServer({ ...options.certificate, ALPNProtocols: ['h2'] }, (socket) => {
    options.counts().connections++
    socket.setNoDelay(true)
    const connection = new RawConnection(socket, options)
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk) => connection.receive(chunk))
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return (server.address() as AddressInfo).port
}

/** Where a frame's header has its stream. */
export const STREAM_AT = 5

/** An answer of headers alone, or with a body. */
export function renderAnswer(block: Uint8Array, body?: Uint8Array): Answer {
  const bodyAt = FRAME_HEADER_BYTES + block.length
  const bytes = new Uint8Array(bodyAt + (body === undefined ? 0 : FRAME_HEADER_BYTES + body.length))
  const flags = FLAG.END_HEADERS | (body === undefined ? FLAG.END_STREAM : 0)
  bytes.set(block, encodeFrameHeader(bytes, 0, block.length, FRAME.HEADERS, flags, 0))
  if (body === undefined) return { bytes, streamAt: [STREAM_AT] }
  bytes.set(body, encodeFrameHeader(bytes, bodyAt, body.length, FRAME.DATA, FLAG.END_STREAM, 0))
  return { bytes, streamAt: [STREAM_AT, bodyAt + STREAM_AT] }
}
/** Apple's answer to a device token that is dead. */
export function renderUnregistered(fields: readonly HeaderField[] = []): Answer {
  const body = Buffer.from('{"reason":"Unregistered","timestamp":1700000000000}')
  return renderAnswer(renderHeaderBlock([[':status', '410'], ...fields]), body)
}

const spareBuffers: Buffer[] = []

export class RawConnection implements FrameSink {
  readonly #socket: TLSSocket
  readonly #handler: Handler
  readonly #options: Http2Options
  readonly #frames = new FrameDecoder({ role: 'server' })
  #out = takeBuffer()
  #length = 0
  #sendsSoon = false
  #lastStream = 0
  /** Streams that were opened, and whose answer has not left. */
  #open = 0
  /** Of those the ones whose answer waits in the buffer. */
  #answered = 0
  #limit = UNPROVEN_STREAMS
  #consumed = 0
  /** The last stream of a GOAWAY. */
  #goawayAt = Infinity

  constructor(socket: TLSSocket, options: Http2Options) {
    this.#socket = socket
    this.#options = options
    this.#handler = options.handler()
    this.#length = encodeSettings(this.#out, 0, [
      [SETTING.MAX_CONCURRENT_STREAMS, UNPROVEN_STREAMS],
      [SETTING.MAX_HEADER_LIST_SIZE, 8000],
    ])
    this.#write((into, at) => encodeWindowUpdate(into, at, 0, WINDOW_BYTES))
  }

  receive(chunk: Uint8Array): void {
    this.#options.counts().bytes += chunk.length
    try {
      this.#frames.push(chunk, this)
    } catch (error) {
      this.#violated(error instanceof Error ? error.message : 'unreadable')
      this.#socket.destroy()
    }
  }

  answer(stream: number, { bytes, streamAt }: Answer): void {
    if (this.#length + bytes.length > BUFFER_BYTES - MARGIN_BYTES) this.#send()
    this.#out.set(bytes, this.#length)
    for (const offset of streamAt) this.#out.writeUInt32BE(stream, this.#length + offset)
    this.#length += bytes.length
    this.#answered++
    if (this.#limit === UNPROVEN_STREAMS) this.#prove()
    this.#sendSoon()
  }

  /** Takes nothing above `lastStream` any more, and closes behind the answers that are under way. */
  shutDown(lastStream: number): void {
    this.#goawayAt = lastStream
    this.#write((into, at) => encodeGoaway(into, at, lastStream, 0, new Uint8Array(0)))
  }

  headers(stream: number, endStream: boolean, bytes: Uint8Array, start: number, end: number): void {
    if (stream > this.#goawayAt) return
    if (stream <= this.#lastStream) this.#violated(`stream ${stream} comes after stream ${this.#lastStream}`)
    if (this.#open >= this.#limit) this.#violated(`stream ${stream} is one more than ${this.#limit}`)
    this.#lastStream = stream
    this.#open++
    this.#handler.headers?.(stream, bytes, start, end)
    if (endStream) this.#complete(stream)
  }

  data(stream: number, endStream: boolean, _bytes: Uint8Array, _start: number, _end: number, flowBytes: number): void {
    this.#consumed += flowBytes
    if (this.#consumed > WIDEN_AT_BYTES) {
      this.#write((into, at) => encodeWindowUpdate(into, at, 0, this.#consumed))
      this.#consumed = 0
    }
    if (stream > this.#goawayAt) return
    if (stream > this.#lastStream) this.#violated(`data on stream ${stream}, which was never opened`)
    if (endStream) this.#complete(stream)
  }

  rstStream(stream: number): void {
    if (stream <= this.#goawayAt) this.#open--
  }

  settingsEnd(): void {
    this.#write(encodeSettingsAck)
  }

  ping(ack: boolean, bytes: Uint8Array, start: number): void {
    if (!ack) this.#write((into, at) => encodePing(into, at, true, bytes.subarray(start)))
  }

  streamError(_stream: number, _code: number, message: string): void {
    this.#violated(message)
  }

  setting(): void {}
  settingsAck(): void {}
  goaway(): void {}
  windowUpdate(): void {}

  #complete(stream: number): void {
    this.#options.counts().requests++
    this.#handler.request(stream, this)
  }

  #prove(): void {
    this.#limit = MOST_STREAMS
    this.#write((into, at) => encodeSettings(into, at, [[SETTING.MAX_CONCURRENT_STREAMS, MOST_STREAMS]]))
  }

  #violated(what: string): void {
    const counts = this.#options.counts()
    counts.violations++
    counts.firstViolation ??= what
  }

  #write(encode: (into: Uint8Array, at: number) => number): void {
    if (this.#length > BUFFER_BYTES - MARGIN_BYTES) this.#send()
    this.#length = encode(this.#out, this.#length)
    this.#sendSoon()
  }

  /** What one turn of the event loop brought is answered in one write. */
  #sendSoon(): void {
    if (this.#sendsSoon) return
    this.#sendsSoon = true
    setImmediate(() => {
      this.#sendsSoon = false
      this.#send()
    })
  }

  #send(): void {
    const [buffer, length, answered, last] = [this.#out, this.#length, this.#answered, this.#goawayAt < Infinity]
    this.#out = takeBuffer()
    this.#length = this.#answered = 0
    const delayMs = answered === 0 ? 0 : this.#options.delayMs()
    const write = () => {
      this.#open -= answered
      this.#socket.write(buffer.subarray(0, length), () => {
        if (spareBuffers.length < MOST_SPARE_BUFFERS) spareBuffers.push(buffer)
      })
      if (last) this.#socket.end()
    }
    if (delayMs === 0) write()
    else setTimeout(write, delayMs)
  }
}

function takeBuffer(): Buffer {
  return spareBuffers.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES)
}
