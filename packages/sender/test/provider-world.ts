import { renderAuthorization, renderErrorBody } from '@lhspn/apns-protocol'
import {
  encodeFrameHeader,
  encodeGoaway,
  encodeRstStream,
  encodeSettings,
  FLAG,
  FRAME,
  FrameDecoder,
  HpackDecoder,
  HTTP2_ERROR,
  renderHeaderBlock,
  SETTING,
} from '@lhspn/apns-protocol/http2'

import type { Link } from '../src/provider-api/link.ts'
import { StreamEngine, type StreamEngineOptions, type TokenSource } from '../src/provider-api/stream-engine.ts'
import { type EnginePipe, EngineWorld } from './engine-world.ts'
import { numberOf } from './numbered.ts'

/** What the model server answers to a request. */
export interface Answer {
  readonly status: number
  readonly reason?: string
  readonly retryAfter?: number
}

/** A request that the server has read whole and not answered. */
interface Request {
  readonly stream: number
  readonly number: number
}

/** Something the server has sent and the engine has not received; `apply` is what it then knows. */
interface Message {
  readonly bytes: Uint8Array
  readonly apply: () => void
}

/** A connection between the engine and the model server, both ways. */
export interface Pipe extends EnginePipe<Link> {
  ended: boolean
  requests: Request[]
  /** The streams that the engine must think are open, each with its number. */
  readonly streams: Map<number, number>
  /** The limit that the engine knows. */
  limit: number
  proven: boolean
  messages: Message[]
  readonly received: ServerSide
}

/** A world with the model of Apple's server. */
export class ProviderWorld extends EngineWorld<Link, Pipe> {
  readonly engine: StreamEngine
  readonly options: StreamEngineOptions
  /** Notifications that were at an unknown position at some time. */
  readonly unknown = new Set<number>()
  /** Before these times the notifications must not go again. */
  readonly #notBefore = new Map<number, number>()
  readonly #writtenAt = new Map<number, number>()
  /** Generations of the provider tokens that were made. */
  tokens = 0

  constructor(options: Partial<StreamEngineOptions> = {}) {
    super()
    this.options = {
      topic: 'com.example.app',
      authority: 'apns.example',
      connections: 3,
      connectionsPerSecond: 4,
      attempts: 3,
      requestTimeoutMs: 20_000,
      random: () => 0.5,
      tokens: this.#tokenSource(),
      ...options,
    }
    this.engine = new StreamEngine(this.options)
  }

  protected arrived({ received }: Pipe, bytes: Uint8Array): void {
    received.push(bytes)
  }

  override tick(ms: number): void {
    // What has waited for so long may be given up.
    const given = this.now + ms - (this.options.requestTimeoutMs * 3) / 4
    for (const number of this.pipes.flatMap(({ streams }) => [...streams.values()])) {
      if ((this.#writtenAt.get(number) ?? 0) <= given) this.unknown.add(number)
    }
    super.tick(ms)
  }

  /** The socket is up, and the server's settings are under way. */
  override open(pipe: Pipe, limit = 1): void {
    if (!pipe.open) this.allow(pipe, limit)
    super.open(pipe)
  }

  /** The server allows so many streams from now on. */
  allow(pipe: Pipe, limit: number): void {
    const bytes = new Uint8Array(32)
    const end = encodeSettings(bytes, 0, [[SETTING.MAX_CONCURRENT_STREAMS, limit]])
    this.#say(pipe, bytes.slice(0, end), () => (pipe.limit = limit))
  }

  /** The server answers the oldest request that it has, or another one. */
  answer(pipe: Pipe, which: number, { status, reason, retryAfter }: Answer): void {
    const request = takeAt(pipe.requests, which)
    if (request === undefined) return
    const { stream, number } = request
    if (status === 200) this.noteTaken(number)
    else this.noteRefused(number, status)
    const fields: [string, string][] = [[':status', String(status)]]
    if (retryAfter !== undefined) fields.push(['retry-after', String(retryAfter)])
    const body = reason === undefined ? undefined : renderErrorBody(reason)
    this.#say(pipe, response(stream, renderHeaderBlock(fields), body), () => {
      pipe.streams.delete(stream)
      if (status !== 403) pipe.proven = true
      if (retryAfter !== undefined) this.#notBefore.set(number, this.now + retryAfter * 1000)
    })
  }

  /** The server takes a request, or not, and never answers it. */
  swallow(pipe: Pipe, which: number, takes: boolean): void {
    const request = takeAt(pipe.requests, which)
    if (request === undefined || !takes) return
    this.noteTaken(request.number)
    pipe.received.swallowed = Math.max(pipe.received.swallowed, request.stream)
  }

  /** The server refuses a stream without having looked at it, or resets one that it may have taken. */
  resetStream(pipe: Pipe, which: number, takes: boolean | undefined): void {
    const request = takeAt(pipe.requests, which)
    if (request === undefined) return
    const { stream, number } = request
    if (takes === true) this.noteTaken(number)
    const bytes = new Uint8Array(13)
    encodeRstStream(bytes, 0, stream, takes === undefined ? HTTP2_ERROR.REFUSED_STREAM : HTTP2_ERROR.INTERNAL_ERROR)
    this.#say(pipe, bytes, () => {
      pipe.streams.delete(stream)
      if (takes !== undefined) this.unknown.add(number)
    })
  }

  /** The server will look at no request behind the `which`-th that it has; 0: at none of them. */
  goaway(pipe: Pipe, which: number): void {
    if (pipe.ended) return
    const index = Math.min(which, pipe.requests.length)
    const before = pipe.requests[index - 1]?.stream ?? (pipe.requests[0]?.stream ?? pipe.received.highest + 2) - 2
    // What it took without a word it cannot deny.
    const last = Math.max(before, pipe.received.swallowed)
    pipe.requests = pipe.requests.slice(0, index)
    pipe.received.last = Math.min(pipe.received.last, last)
    const bytes = new Uint8Array(17)
    encodeGoaway(bytes, 0, Math.max(0, last), HTTP2_ERROR.NO_ERROR, new Uint8Array(0))
    this.#say(pipe, bytes, () => {
      for (const stream of pipe.streams.keys()) if (stream > last) pipe.streams.delete(stream)
      pipe.limit = 0
    })
  }

  /** The engine receives what the server sent first. */
  deliver(pipe: Pipe, messages = 1): void {
    for (let i = 0; i < messages && !pipe.ended; i++) {
      const message = pipe.messages.shift()
      if (message === undefined) return
      message.apply()
      this.engine.received(pipe.link, message.bytes, this.now)
      this.pump()
    }
  }

  calm(ms: number): void {
    for (const pipe of this.pipes) {
      pipe.link.blocked = false
      this.open(pipe, 4)
      if (pipe.limit < 4) this.allow(pipe, 4)
      this.deliver(pipe, Infinity)
      while (pipe.requests.length > 0 && !pipe.ended) {
        this.answer(pipe, 0, { status: 200 })
        this.deliver(pipe, Infinity)
      }
    }
    this.tick(ms)
  }

  #say(pipe: Pipe, bytes: Uint8Array, apply: () => void): void {
    if (!pipe.ended) pipe.messages.push({ bytes, apply })
  }

  protected connect(link: Link): Pipe {
    const received = new ServerSide({
      request: (stream, token) => this.#noteRequest(pipe, stream, token),
      whole: (stream) => {
        const number = pipe.streams.get(stream)
        if (number !== undefined) pipe.requests.push({ stream, number })
      },
      reset: (stream) => {
        const number = pipe.streams.get(stream)
        pipe.requests = pipe.requests.filter((request) => request.stream !== stream)
        if (pipe.streams.delete(stream) && number !== undefined) this.unknown.add(number)
      },
    })
    const pipe: Pipe = {
      link,
      open: false,
      ended: false,
      requests: [],
      streams: new Map(),
      limit: Infinity,
      proven: false,
      messages: [],
      received,
    }
    return pipe
  }

  #noteRequest(pipe: Pipe, stream: number, token: string): void {
    const number = numberOf(token)
    this.noteWritten(number)
    this.#writtenAt.set(number, this.now)
    pipe.streams.set(stream, number)
    const allowed = pipe.proven ? pipe.limit : Math.min(1, pipe.limit)
    if (pipe.streams.size > allowed) this.complaints.push(`${pipe.streams.size} streams are open, ${allowed} may be`)
    const notBefore = this.#notBefore.get(number) ?? 0
    if (this.now < notBefore)
      this.complaints.push(`${number} goes again at ${this.now}, and had to wait to ${notBefore}`)
  }

  /** What was in flight when a connection ended may have been taken, or not. */
  protected override end(pipe: Pipe): void {
    pipe.ended = true
    for (const number of pipe.streams.values()) this.unknown.add(number)
    super.end(pipe)
  }

  #tokenSource(): TokenSource {
    const make = (unixMs: number) => {
      const generation = ++this.tokens
      const text = `token-${generation}`
      return { text, generation, issuedAt: Math.floor(unixMs / 1000), field: renderAuthorization(text) }
    }
    let current = make(this.unixMs)
    return {
      at: (unixMs) => {
        if (unixMs - current.issuedAt * 1000 >= 45 * 60_000) current = make(unixMs)
        return current
      },
      renew: (unixMs) => (current = make(unixMs)),
    }
  }
}

interface Learner {
  request(stream: number, token: string): void
  /** The request is whole. */
  whole(stream: number): void
  reset(stream: number): void
}

/** What the server learns from the engine's bytes. */
class ServerSide {
  readonly #frames = new FrameDecoder({ role: 'server' })
  readonly #headers = new HpackDecoder()
  readonly #learn: Learner
  highest = -1
  /** The last stream that it looks at. */
  last = Infinity
  /** The highest stream that was taken and will have no answer. */
  swallowed = -1
  authorization = ''
  #path = ''

  constructor(learn: Learner) {
    this.#learn = learn
  }

  push(bytes: Uint8Array): void {
    this.#frames.push(bytes, this)
  }

  headers(stream: number, endStream: boolean, bytes: Uint8Array, start: number, end: number): void {
    this.highest = stream
    this.#headers.decode(bytes, start, end, this)
    this.#learn.request(stream, this.#path.replace('/3/device/', ''))
    if (endStream) this.#whole(stream)
  }

  field(name: string, bytes: Uint8Array, start: number, end: number): void {
    if (name === ':path') this.#path = String.fromCharCode(...bytes.subarray(start, end))
    if (name === 'authorization') this.authorization = String.fromCharCode(...bytes.subarray(start, end))
  }

  data(stream: number, endStream: boolean): void {
    if (endStream) this.#whole(stream)
  }

  #whole(stream: number): void {
    if (stream <= this.last) this.#learn.whole(stream)
  }

  rstStream(stream: number): void {
    this.#learn.reset(stream)
  }

  setting(): void {}
  settingsEnd(): void {}
  settingsAck(): void {}
  ping(): void {}
  goaway(): void {}
  windowUpdate(): void {}

  streamError(stream: number, code: number, message: string): void {
    throw new Error(`the engine broke HTTP/2 on stream ${stream}: ${code} ${message}`)
  }
}

/** HEADERS, and DATA where there is a body. */
function response(stream: number, block: Uint8Array, body: Uint8Array | undefined): Uint8Array {
  const bytes = new Uint8Array(18 + block.length + (body?.length ?? 0))
  const flags = FLAG.END_HEADERS | (body === undefined ? FLAG.END_STREAM : 0)
  let at = encodeFrameHeader(bytes, 0, block.length, FRAME.HEADERS, flags, stream)
  bytes.set(block, at)
  at += block.length
  if (body !== undefined) {
    at = encodeFrameHeader(bytes, at, body.length, FRAME.DATA, FLAG.END_STREAM, stream)
    bytes.set(body, at)
    at += body.length
  }
  return bytes.subarray(0, at)
}

function takeAt<T>(items: T[], which: number): T | undefined {
  return items.length === 0 ? undefined : items.splice(which % items.length, 1)[0]
}
