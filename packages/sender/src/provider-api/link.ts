import {
  copyPayload,
  encodeRequest,
  encodeRequestHeaders,
  MAX_ERROR_BODY_BYTES,
  MAX_PROVIDER_PAYLOAD_BYTES,
  parseGoawayReason,
  payloadLength,
  ProtocolError,
} from '@lhspn/apns-protocol'
import {
  CONNECTION_PREFACE,
  DEFAULT_WINDOW_BYTES,
  encodeGoaway,
  encodePing,
  encodeRstStream,
  encodeSettings,
  encodeSettingsAck,
  encodeWindowUpdate,
  FrameDecoder,
  type FrameSink,
  type HeaderSink,
  HpackDecoder,
  HTTP2_ERROR,
  MAX_U31,
  SETTING,
} from '@lhspn/apns-protocol/http2'

import type { Call } from '../call.ts'
import type * as engine from '../engine.ts'
import type { Notification } from '../notification.ts'
import type { ProviderToken } from '../provider-tokens.ts'
import { ControlFrames } from './control-frames.ts'
import type { RenderedRequest } from './rendered-request.ts'
import { MOST_STREAMS, Streams } from './streams.ts'
import { UnsentBodies } from './unsent-bodies.ts'

/** What a connection tells the engine. A slot is valid during the call, which has to close its stream. */
export interface LinkListener {
  /** A whole answer, or what came of its body before the connection ended. */
  answered(link: Link, slot: number, status: number, body: Uint8Array, retryAfter: string | undefined): void
  /** The stream ended without an answer. */
  reset(link: Link, slot: number, code: number): void
  goaway(link: Link, lastStream: number, code: number, reason: string | undefined): void
}

/** The answer of a stream whose headers came without its end. */
interface Answer {
  readonly bytes: Uint8Array
  length: number
  /** Bytes that came, also those that were not kept. */
  received: number
  readonly retryAfter: string | undefined
}

/** Table of headers (RFC 7541, 4.2) before a peer says anything. */
const DEFAULT_TABLE_BYTES = 4096
/** What the peer may send on a connection before we widen its window. */
const RECEIVE_WINDOW_BYTES = 1024 * 1024
const MAX_HEADER_LIST_BYTES = 16 * 1024
/** A body of more bytes is not waited for. */
const LONGEST_BODY_BYTES = 16 * 1024
/** Frames in a second that bring no answer further; more are an attack. */
const MOST_USELESS_FRAMES = 10_000
/** Bytes of answers to PING and SETTINGS that a peer may have us keep. */
const MOST_CONTROL_BYTES = 64 * 1024
/** The last stream that a connection opens: numbers have 31 bits. */
const LAST_STREAM = 2 ** 31 - 2 * MOST_STREAMS
const NO_BODY = new Uint8Array(0)
/** Of the largest frame but DATA and HEADERS that we write: PING, or GOAWAY without a word. */
const FRAME_BYTES = 17
const PING_BYTES = Uint8Array.from('LHSPNlhs', (character) => character.charCodeAt(0))

/** One HTTP/2 connection (RFC 9113): what the peer allows, the open streams, and frames both ways. It decides nothing. */
export class Link implements engine.Link, FrameSink, HeaderSink {
  readonly openingSince: number
  readonly streams = new Streams()
  readonly #listener: LinkListener
  readonly #frames = new FrameDecoder({ maxHeaderBlockBytes: MAX_HEADER_LIST_BYTES })
  readonly #headers = new HpackDecoder({ maxHeaderListBytes: MAX_HEADER_LIST_BYTES })
  readonly #control = new ControlFrames()
  readonly #unsent = new UnsentBodies()
  readonly #answers = new Map<number, Answer>()
  /** When its socket was up; undefined while it is being opened. */
  openedAt: number | undefined
  /** Whether the peer's SETTINGS have come: before that it is not known what it allows. */
  ready = false
  /** Whether the peer has taken our credentials, by any answer that is not about them. */
  proven = false
  /** Whether it takes no further requests; it is closed when the last of its streams has ended. */
  retired = false
  /** Whether any answer came on it. */
  useful = false
  /** When the last one did. */
  answeredAt = -Infinity
  blocked = false
  lastWords: Uint8Array | undefined
  /** When something last came, or the connection opened. */
  heardAt = 0
  /** When a PING was written that is not answered; undefined if there is none. */
  pingedAt: number | undefined
  /** What requests are authorized with, and since when; undefined with a certificate. */
  token: ProviderToken | undefined
  tokenSince = -Infinity
  /** Since when the peer lets nothing be written although there is something; undefined while it does. */
  starvedAt: number | undefined
  /** Streams that the peer allows. */
  limit = Infinity
  #sendWindow = DEFAULT_WINDOW_BYTES
  #initialWindow = DEFAULT_WINDOW_BYTES
  #receiveWindow = RECEIVE_WINDOW_BYTES
  /** The peer lowered its table of headers: the next block has to say that ours, which is empty, fits. */
  #tableUpdateDue = false
  #tableBytes = DEFAULT_TABLE_BYTES
  #now = 0
  #useless = 0
  #uselessSince = -Infinity
  // Of the header block that is being read.
  #status = 0
  #retryAfter: string | undefined

  constructor(now: number, listener: LinkListener) {
    this.openingSince = now
    this.#listener = listener
    this.#control.add(128, (into, at) => {
      into.set(CONNECTION_PREFACE, at)
      const settings = [
        [SETTING.ENABLE_PUSH, 0],
        [SETTING.MAX_HEADER_LIST_SIZE, MAX_HEADER_LIST_BYTES],
      ] as const
      const end = encodeSettings(into, at + CONNECTION_PREFACE.length, settings)
      return encodeWindowUpdate(into, end, 0, RECEIVE_WINDOW_BYTES - DEFAULT_WINDOW_BYTES)
    })
  }

  // Bytes in.

  /** @throws ProtocolError if the peer broke HTTP/2: the connection has to be closed, with `lastWords` */
  received(bytes: Uint8Array, now: number): void {
    this.#now = now
    this.heardAt = now
    try {
      this.#frames.push(bytes, this)
    } catch (error) {
      const code = error instanceof ProtocolError ? (error.http2Code ?? HTTP2_ERROR.PROTOCOL_ERROR) : undefined
      if (code === undefined) throw error
      this.lastWords = new Uint8Array(FRAME_BYTES)
      encodeGoaway(this.lastWords, 0, 0, code, NO_BODY)
      throw error
    }
  }

  headers(stream: number, endStream: boolean, bytes: Uint8Array, start: number, end: number): void {
    this.#status = 0
    this.#retryAfter = undefined
    // Also for streams that are gone: the block may change the table.
    this.#headers.decode(bytes, start, end, this)
    const { streams } = this
    const slot = streams.find(stream)
    if (slot === -1) return this.#notOpen(stream)
    const before = streams.status(slot)
    if (before !== 0) {
      // Trailers end a message (RFC 9113, 8.1).
      if (endStream) this.#complete(slot)
      else this.#broken(slot)
      return
    }
    const status = this.#status
    if (status < 200) {
      if (status < 100 || endStream) this.#broken(slot)
      else this.#countUseless()
      return
    }
    streams.setStatus(slot, status)
    if (endStream) return this.#answered(slot, status, NO_BODY, this.#retryAfter)
    const kept = status === 200 ? 0 : MAX_ERROR_BODY_BYTES
    this.#answers.set(stream, { bytes: new Uint8Array(kept), length: 0, received: 0, retryAfter: this.#retryAfter })
  }

  field(name: string, bytes: Uint8Array, start: number, end: number): void {
    if (name === ':status') this.#status = end - start === 3 ? digits(bytes, start, end) : 0
    else if (name === 'retry-after' && end - start <= 40) this.#retryAfter = text(bytes, start, end)
  }

  data(stream: number, endStream: boolean, bytes: Uint8Array, start: number, end: number, flowBytes: number): void {
    this.#receiveWindow -= flowBytes
    if (this.#receiveWindow < 0) throw violation(HTTP2_ERROR.FLOW_CONTROL_ERROR, 'it sent more than its window allows')
    if (this.#receiveWindow < RECEIVE_WINDOW_BYTES / 2) {
      const widenBy = RECEIVE_WINDOW_BYTES - this.#receiveWindow
      this.#receiveWindow = RECEIVE_WINDOW_BYTES
      this.#answerPeer((into, at) => encodeWindowUpdate(into, at, 0, widenBy))
    }
    const slot = this.streams.find(stream)
    if (slot === -1) return this.#notOpen(stream)
    const answer = this.#answers.get(stream)
    if (answer === undefined) return this.#broken(slot)
    answer.received += flowBytes
    const kept = bytes.subarray(start, Math.min(end, start + answer.bytes.length - answer.length))
    answer.bytes.set(kept, answer.length)
    answer.length += kept.length
    if (endStream) this.#complete(slot)
    else if (answer.received > LONGEST_BODY_BYTES) {
      this.#resetStream(stream, HTTP2_ERROR.CANCEL)
      this.#complete(slot)
    } else this.#countUseless()
  }

  rstStream(stream: number, code: number): void {
    const slot = this.streams.find(stream)
    if (slot === -1) return this.#notOpen(stream)
    // A server that has answered may close its side of the request early (RFC 9113, 8.1).
    if (this.streams.status(slot) !== 0) this.#complete(slot)
    else this.#listener.reset(this, slot, code)
  }

  streamError(stream: number, code: number): void {
    const slot = this.streams.find(stream)
    if (slot === -1) return this.#notOpen(stream)
    this.#resetStream(stream, code)
    this.#listener.reset(this, slot, code)
  }

  /** The decoder has refused values that no peer may choose. */
  setting(id: number, value: number): void {
    switch (id) {
      case SETTING.HEADER_TABLE_SIZE:
        this.#tableUpdateDue ||= value < this.#tableBytes
        this.#tableBytes = Math.min(this.#tableBytes, value)
        break
      case SETTING.MAX_CONCURRENT_STREAMS:
        this.limit = value
        break
      case SETTING.INITIAL_WINDOW_SIZE:
        if (this.#unsent.shift(value - this.#initialWindow) > MAX_U31)
          throw violation(HTTP2_ERROR.FLOW_CONTROL_ERROR, 'its initial window makes that of a stream too large')
        this.#initialWindow = value
        break
    }
  }

  settingsEnd(): void {
    this.ready = true
    this.#answerPeer(encodeSettingsAck)
  }

  settingsAck(): void {
    this.#countUseless()
  }

  ping(ack: boolean, bytes: Uint8Array, start: number): void {
    if (ack) {
      this.pingedAt = undefined
      return this.#countUseless()
    }
    const opaque = bytes.slice(start, start + 8)
    this.#answerPeer((into, at) => encodePing(into, at, true, opaque))
  }

  goaway(lastStream: number, code: number, bytes: Uint8Array, start: number, end: number): void {
    this.retired = true
    this.#countUseless()
    this.#listener.goaway(this, lastStream, code, parseGoawayReason(bytes, start, end))
  }

  windowUpdate(stream: number, increment: number): void {
    this.#countUseless()
    if (stream === 0) {
      this.#sendWindow += increment
      if (this.#sendWindow > MAX_U31) throw violation(HTTP2_ERROR.FLOW_CONTROL_ERROR, 'it widened our window too far')
      return
    }
    const window = this.#unsent.widen(stream, increment)
    if (window === undefined) {
      if (this.streams.find(stream) === -1) this.#notOpen(stream)
    } else if (window > MAX_U31) this.streamError(stream, HTTP2_ERROR.FLOW_CONTROL_ERROR)
  }

  /** The answer that came of a stream is all that will come of it. */
  #complete(slot: number): void {
    const answer = this.#answers.get(this.streams.number(slot))
    const body = answer === undefined ? NO_BODY : answer.bytes.subarray(0, answer.length)
    this.#answered(slot, this.streams.status(slot), body, answer?.retryAfter)
  }

  #answered(slot: number, status: number, body: Uint8Array, retryAfter: string | undefined): void {
    this.useful = true
    this.answeredAt = this.#now
    this.#useless = 0
    this.#listener.answered(this, slot, status, body, retryAfter)
  }

  /** An answer that is no HTTP. */
  #broken(slot: number): void {
    this.#resetStream(this.streams.number(slot), HTTP2_ERROR.PROTOCOL_ERROR)
    this.#listener.reset(this, slot, HTTP2_ERROR.PROTOCOL_ERROR)
  }

  /** A frame on a stream that we closed may still be under way; one on a stream that never was is an error. */
  #notOpen(stream: number): void {
    if (stream % 2 === 0 || stream >= this.streams.next)
      throw violation(HTTP2_ERROR.PROTOCOL_ERROR, `a frame came on stream ${stream}, which was never opened`)
    this.#countUseless()
  }

  #countUseless(): void {
    if (this.#now - this.#uselessSince > 1000) {
      this.#uselessSince = this.#now
      this.#useless = 0
    }
    if (++this.#useless > MOST_USELESS_FRAMES)
      throw violation(HTTP2_ERROR.ENHANCE_YOUR_CALM, 'it sends frame after frame that brings nothing')
  }

  #answerPeer(encode: (into: Uint8Array, at: number) => number): void {
    this.#countUseless()
    if (this.#control.length > MOST_CONTROL_BYTES)
      throw violation(HTTP2_ERROR.ENHANCE_YOUR_CALM, 'it asks without reading our answers')
    this.#control.add(FRAME_BYTES, encode)
  }

  // Bytes out.

  /** Whether anything but new requests waits to be written and may be. */
  get hasFrames(): boolean {
    return this.#control.length > 0 || this.#unsent.writable(this.#sendWindow)
  }

  /** Whether windows allow another request. */
  get hasWindow(): boolean {
    // With less than a payload in the connection's window, requests are written one by one.
    return this.#sendWindow >= MAX_PROVIDER_PAYLOAD_BYTES || (this.#sendWindow > 0 && this.#unsent.size === 0)
  }

  /** Streams that may be open now. */
  get room(): number {
    return this.proven ? Math.min(this.limit, MOST_STREAMS) : Math.min(this.limit, 1)
  }

  /** Whether numbers for streams are left. */
  get hasNumbers(): boolean {
    return this.streams.next < LAST_STREAM
  }

  /** Writes what waits, from `at` to before `end`. Answers the offset behind. */
  writeFrames(into: Uint8Array, at: number, end: number): number {
    const offset = this.#control.take(into, at, end)
    if (this.#unsent.size === 0 || this.#control.length > 0) return offset
    const written = this.#unsent.write(into, offset, end, this.#sendWindow)
    this.#sendWindow -= written.bytes
    return written.at
  }

  /**
   * Opens a stream for a notification, with at least `MAX_REQUEST_BYTES` left in the buffer.
   * @returns the offset behind; -1 if the token cannot be written, -2 if the id cannot
   */
  writeRequest(
    into: Uint8Array,
    at: number,
    request: RenderedRequest,
    notification: Notification,
    call: Call,
    history: number,
    now: number,
  ): number {
    const { token, id, badge } = notification
    const { head, payload } = request
    const { streams } = this
    const stream = streams.next
    const length = payloadLength(payload, badge)
    const fits = length <= this.#sendWindow && length <= this.#initialWindow
    const authorization = this.token?.field
    const update = this.#tableUpdateDue
    const end = fits
      ? encodeRequest(into, at, stream, head, token, id, authorization, payload, badge, update)
      : encodeRequestHeaders(into, at, stream, head, token, id, authorization, update)
    if (end < 0) return end
    this.#tableUpdateDue = false
    streams.open(notification, call, history, this.token?.generation ?? 0, now)
    if (fits) {
      this.#sendWindow -= length
      return end
    }
    const body = new Uint8Array(length)
    copyPayload(body, 0, payload, badge)
    this.#unsent.add(stream, body, this.#initialWindow)
    return this.writeFrames(into, end, into.length)
  }

  /** Asks for a sign of life. */
  askForLife(now: number): void {
    this.pingedAt = now
    this.#control.add(FRAME_BYTES, (into, at) => encodePing(into, at, false, PING_BYTES))
  }

  #resetStream(stream: number, code: number): void {
    this.#control.add(FRAME_BYTES, (into, at) => encodeRstStream(into, at, stream, code))
  }

  // Streams that end.

  /** Ends a stream that is not waited for any longer. */
  cancel(slot: number): void {
    this.#resetStream(this.streams.number(slot), HTTP2_ERROR.CANCEL)
    this.close(slot)
  }

  /** Forgets a stream that has ended. */
  close(slot: number): void {
    const stream = this.streams.number(slot)
    if (this.#answers.size > 0) this.#answers.delete(stream)
    // It was answered before all of the request was written: the rest is of no use to anyone.
    if (this.#unsent.size > 0 && this.#unsent.delete(stream)) this.#resetStream(stream, HTTP2_ERROR.CANCEL)
    this.streams.close(slot)
  }

  /** Tells of an answer that has begun, and whose rest is not waited for any longer. Answers whether it has. */
  completeAnswer(slot: number): boolean {
    if (this.streams.status(slot) === 0) return false
    this.#resetStream(this.streams.number(slot), HTTP2_ERROR.CANCEL)
    this.#complete(slot)
    return true
  }

  /** Tells of the streams whose answer had begun when the connection ended. */
  completeAnswers(): void {
    for (const stream of this.#answers.keys()) this.#complete(this.streams.find(stream))
  }
}

function digits(bytes: Uint8Array, start: number, end: number): number {
  let value = 0
  for (let at = start; at < end; at++) {
    const digit = (bytes[at] as number) - 48
    if (digit < 0 || digit > 9) return 0
    value = value * 10 + digit
  }
  return value
}

function text(bytes: Uint8Array, start: number, end: number): string {
  return String.fromCharCode(...bytes.subarray(start, end))
}

function violation(http2Code: number, what: string): ProtocolError {
  return new ProtocolError(
    'http2-connection-error',
    `the peer broke HTTP/2: ${what}`,
    'Report it, with the peer’s name.',
    {
      http2Code,
    },
  )
}
