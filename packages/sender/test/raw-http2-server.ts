import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { createServer, type TLSSocket } from 'node:tls'

import { FrameDecoder, type FrameSink, HpackDecoder, HTTP2_ERROR, SETTING } from '@lhspn/apns-protocol/http2'
import { createCertificates } from '@lhspn/apns-simulator'
import type { TestContext } from 'vitest'

import { Signal } from '../src/signal.ts'
import { answerFrames, make } from './raw-frames.ts'

export const certificates = createCertificates()

/** A request that has arrived whole. */
export interface RawRequest {
  readonly stream: number
  readonly token: string
  readonly headers: Readonly<Record<string, string>>
  readonly payload: Buffer
}

/** What a server does. Left out, it takes every request. */
export interface RawBehaviour {
  /** Settings that it begins with. */
  readonly settings?: readonly (readonly [id: number, value: number])[]
  /** Instead of its settings. */
  readonly greeting?: Uint8Array
  /** Bytes that a window, of the connection or of a stream, is widened to when nothing is left of it; 0: it is not. Default 65,535. */
  readonly widenTo?: number
  readonly request?: (connection: RawConnection, request: RawRequest) => void
  readonly headers?: (connection: RawConnection, stream: number, token: string) => void
  readonly acknowledged?: (connection: RawConnection) => void
}

interface Stream {
  readonly headers: Record<string, string>
  readonly parts: Buffer[]
  window: number
}

/**
 * One connection of a server whose frames are made by hand, so that it can do what node:http2 lets no server do. It
 * keeps books of what its client may do, and notes where that does something else.
 */
export class RawConnection implements FrameSink {
  readonly #socket: TLSSocket
  readonly #behaviour: RawBehaviour
  readonly #frames = new FrameDecoder({ role: 'server' })
  readonly #headers = new HpackDecoder()
  readonly #open = new Map<number, Stream>()
  /** Of the open streams those whose request is whole. */
  readonly #whole = new Set<number>()
  /** Settings that were sent and not acknowledged. */
  readonly #pending: (readonly (readonly [number, number])[])[] = []
  /** What the client has acknowledged. */
  readonly #settings = new Map<number, number>([[SETTING.INITIAL_WINDOW_SIZE, 65_535]])
  #window = 65_535
  #fields: Record<string, string> = {}
  readonly complaints: string[] = []
  readonly requests: RawRequest[] = []
  /** Streams in the order in which their headers came. */
  readonly streams: number[] = []
  readonly resets: { readonly stream: number; readonly code: number }[] = []
  readonly goaways: number[] = []
  readonly pongs: string[] = []
  readonly dataFrames: { readonly stream: number; readonly bytes: number }[] = []
  settingsAcks = 0
  pings = 0
  /** Bytes by which the client widened the connection's window. */
  widened = 0
  /** False: its PINGs get no answer. */
  answersPings = true
  closed = false

  constructor(socket: TLSSocket, behaviour: RawBehaviour, changed: Signal) {
    this.#socket = socket
    this.#behaviour = behaviour
    const { greeting, settings = [] } = behaviour
    if (greeting !== undefined) this.write(greeting)
    else this.settings(settings)
    socket.on('data', (bytes) => {
      try {
        this.#frames.push(bytes, this)
      } catch (error) {
        this.complaints.push(String(error))
        socket.destroy()
      }
      changed.fire()
    })
    socket.on('close', () => {
      this.closed = true
      changed.fire()
    })
  }

  write(bytes: Uint8Array): void {
    if (!this.#socket.destroyed) this.#socket.write(bytes)
  }

  /** One byte at a time, each in a record of its own. */
  trickle(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; at++) this.write(bytes.subarray(at, at + 1))
  }

  settings(settings: readonly (readonly [id: number, value: number])[]): void {
    this.#pending.push(settings)
    this.write(make.settings(settings))
  }

  /** What the client knows of a setting; undefined if it was told nothing. */
  allows(id: number): number | undefined {
    return this.#settings.get(id)
  }

  sendPing(opaque: Uint8Array): void {
    this.write(make.ping(false, opaque))
  }

  widen(stream: number, bytes: number): void {
    if (stream === 0) this.#window += bytes
    const open = this.#open.get(stream)
    if (open !== undefined) open.window += bytes
    this.write(make.windowUpdate(stream, bytes))
  }

  answer(stream: number, status: number, options: Parameters<typeof answerFrames>[2] = {}): void {
    this.write(answerFrames(stream, status, options))
    this.end(stream)
  }

  reset(stream: number, code: number): void {
    this.write(make.rstStream(stream, code))
    this.end(stream)
  }

  get openStreams(): number {
    return this.#open.size
  }

  /** The stream counts as closed from now on. */
  end(stream: number): void {
    this.#open.delete(stream)
    this.#whole.delete(stream)
  }

  close(): void {
    this.#socket.end()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  headers(stream: number, endStream: boolean, bytes: Uint8Array, start: number, end: number): void {
    this.#fields = {}
    this.#headers.decode(bytes, start, end, this)
    const limit = this.#settings.get(SETTING.MAX_CONCURRENT_STREAMS) ?? Infinity
    if (this.#open.size >= limit) this.complaints.push(`stream ${stream} is one more than ${limit}`)
    if (stream <= (this.streams.at(-1) ?? 0)) this.complaints.push(`stream ${stream} comes too late`)
    if (endStream) this.complaints.push(`stream ${stream} has no body`)
    this.streams.push(stream)
    const window = this.#settings.get(SETTING.INITIAL_WINDOW_SIZE) as number
    this.#open.set(stream, { headers: this.#fields, parts: [], window })
    this.#keepOpen()
    this.#behaviour.headers?.(this, stream, tokenOf(this.#fields))
  }

  field(name: string, bytes: Uint8Array, start: number, end: number): void {
    this.#fields[name] = Buffer.from(bytes.subarray(start, end)).toString()
  }

  data(stream: number, endStream: boolean, bytes: Uint8Array, start: number, end: number, flowBytes: number): void {
    this.dataFrames.push({ stream, bytes: flowBytes })
    this.#window -= flowBytes
    if (this.#window < 0) this.complaints.push(`the connection's window is passed by ${-this.#window}`)
    const open = this.#open.get(stream)
    if (open === undefined) return
    open.window -= flowBytes
    if (open.window < 0 && flowBytes > 0) this.complaints.push(`stream ${stream}'s window is passed by ${-open.window}`)
    open.parts.push(Buffer.from(bytes.subarray(start, end)))
    if (!endStream) return this.#keepOpen()
    const { headers, parts } = open
    const request = { stream, token: tokenOf(headers), headers, payload: Buffer.concat(parts) }
    this.requests.push(request)
    this.#whole.add(stream)
    this.#keepOpen()
    if (this.#behaviour.request === undefined) this.answer(stream, 200)
    else this.#behaviour.request(this, request)
  }

  rstStream(stream: number, code: number): void {
    this.resets.push({ stream, code })
    this.end(stream)
  }

  setting(id: number, value: number): void {
    if (id === SETTING.ENABLE_PUSH && value !== 0) this.complaints.push('push is allowed')
  }

  settingsEnd(): void {
    this.write(make.settingsAck())
  }

  settingsAck(): void {
    this.settingsAcks++
    for (const [id, value] of this.#pending.shift() ?? []) {
      if (id === SETTING.HEADER_TABLE_SIZE) this.#headers.setMaxTableBytes(value)
      if (id === SETTING.INITIAL_WINDOW_SIZE) {
        const wider = value - (this.#settings.get(id) as number)
        for (const stream of this.#open.values()) stream.window += wider
      }
      this.#settings.set(id, value)
    }
    this.#keepOpen()
    this.#behaviour.acknowledged?.(this)
  }

  ping(ack: boolean, bytes: Uint8Array, start: number): void {
    const opaque = Buffer.from(bytes.subarray(start, start + 8))
    if (ack) this.pongs.push(opaque.toString('hex'))
    else {
      this.pings++
      if (this.answersPings) this.write(make.ping(true, opaque))
    }
  }

  goaway(_lastStream: number, code: number): void {
    this.goaways.push(code)
  }

  windowUpdate(stream: number, increment: number): void {
    if (stream === 0) this.widened += increment
  }

  /** Lets something come on every stream that is not whole. */
  #keepOpen(): void {
    const { widenTo = 65_535 } = this.#behaviour
    if (widenTo === 0) return
    if (this.#window <= 0) this.widen(0, widenTo - this.#window)
    for (const [stream, { window }] of this.#open) {
      if (window <= 0 && !this.#whole.has(stream)) this.widen(stream, widenTo - window)
    }
  }

  streamError(stream: number, _code: number, message: string): void {
    this.complaints.push(`stream ${stream}: ${message}`)
    this.write(make.rstStream(stream, HTTP2_ERROR.PROTOCOL_ERROR))
  }
}

/** A server, and all the connections that it had. */
export class RawServer {
  readonly connections: RawConnection[] = []
  readonly changed = new Signal()
  address = ''

  /** Resolves when it holds; it is asked again after everything that arrives. */
  async until(holds: (server: RawServer) => boolean): Promise<void> {
    while (!holds(this)) await this.changed.wait()
  }

  /** Of a connection that has done its part nothing is kept. */
  forget(connection: RawConnection): void {
    this.connections.splice(this.connections.indexOf(connection), 1)
  }

  get requests(): readonly RawRequest[] {
    return this.connections.flatMap(({ requests }) => requests)
  }

  get complaints(): readonly string[] {
    return this.connections.flatMap(({ complaints }) => complaints)
  }
}

/** Opened for a test, and closed with it. Behaves on each connection as `behaviour` says, given its number from 1. */
export async function openRawServer(
  context: TestContext,
  behaviour: RawBehaviour | ((nth: number) => RawBehaviour) = {},
): Promise<RawServer> {
  const raw = new RawServer()
  const { server: identity } = await certificates
  const server = createServer({ ...identity, ALPNProtocols: ['h2'] }, (socket) => {
    socket.on('error', () => {})
    const nth = raw.connections.length + 1
    raw.connections.push(
      new RawConnection(socket, typeof behaviour === 'function' ? behaviour(nth) : behaviour, raw.changed),
    )
  })
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    socket.on('error', () => {})
    socket.setNoDelay(true)
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  context.onTestFinished(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  raw.address = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return raw
}

function tokenOf(headers: Readonly<Record<string, string>>): string {
  return (headers[':path'] ?? '').replace('/3/device/', '')
}
