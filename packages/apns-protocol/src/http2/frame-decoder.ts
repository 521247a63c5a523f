/** HTTP/2 frames, bytes → calls (RFC 9113, sections 4 to 6). Their table is in frame.ts. */
import { readU16, readU32 } from '../big-endian.ts'
import { connectionError } from './connection-error.ts'
import {
  CONNECTION_PREFACE,
  DEFAULT_MAX_FRAME_BYTES,
  FLAG,
  FRAME,
  FRAME_HEADER_BYTES,
  HTTP2_ERROR,
  MAX_U31,
  SETTING,
} from './frame.ts'

/** Who hears of the frames, in their order. `bytes` are valid during the call alone: copy what is to be kept. */
export interface FrameSink {
  /** A whole header block: padding and priority are off, CONTINUATIONs joined. */
  headers(stream: number, endStream: boolean, bytes: Uint8Array, start: number, end: number): void
  /** @param flowBytes what the frame takes of the flow-control windows: its data with its padding */
  data(stream: number, endStream: boolean, bytes: Uint8Array, start: number, end: number, flowBytes: number): void
  rstStream(stream: number, code: number): void
  /** One of a SETTINGS frame. Its value is within its bounds; ids that nobody knows come as well. */
  setting(id: number, value: number): void
  /** Behind the last one of a SETTINGS frame, which may have none: the moment for the acknowledgement. */
  settingsEnd(): void
  settingsAck(): void
  /** Eight bytes from `start` on. */
  ping(ack: boolean, bytes: Uint8Array, start: number): void
  /** Debug data from `start` up to `end`. */
  goaway(lastStream: number, code: number, bytes: Uint8Array, start: number, end: number): void
  /** @param increment 1 to 2^31 - 1 */
  windowUpdate(stream: number, increment: number): void
  /** A fault of one stream alone: reset it with `code`; the connection goes on. */
  streamError(stream: number, code: number, message: string): void
}

export interface FrameDecoderOptions {
  /** Whose eyes read: a `server` first expects the client's preface. Default `client`. */
  readonly role?: 'client' | 'server'
  /** SETTINGS_MAX_FRAME_SIZE as told to the peer, in bytes. Default 16,384. */
  readonly maxFrameBytes?: number
  /** Bound of a header block, joined and without padding, in bytes. Default 16,384. */
  readonly maxHeaderBlockBytes?: number
}

/** Frames that may carry on one header block: more than this is a flood of crumbs. */
const MAX_CONTINUATIONS = 256
/**
 * Frames in a row that bring nothing (empty ones, PRIORITY, unknown types) or only ask for an answer (PING, SETTINGS).
 * High, since an idle connection is pinged for days; low enough that the answers stay below 200 kB.
 */
const MAX_IDLE_FRAMES = 10_000
const FIRST_REST_BYTES = 256
const NO_BYTES = new Uint8Array(0)

/**
 * Frames out of a byte stream. Holds one unfinished frame and one unfinished header block at most; a frame that lies
 * whole in its chunk is not copied. Neither is PUSH_PROMISE known (our SETTINGS switch it off), nor are streams of even
 * number, which would need it.
 */
export class FrameDecoder {
  readonly #maxFrameBytes: number
  readonly #maxHeaderBlockBytes: number
  readonly #isClient: boolean
  /** Bytes of the client's preface still to come. */
  #prefaceLeft: number
  #seenSettings = false
  #rest = NO_BYTES
  #held = 0
  /** Stream of the header block that CONTINUATIONs carry on; 0 outside of one. */
  #blockStream = 0
  #blockEndsStream = false
  #block = NO_BYTES
  #blockLength = 0
  #continuations = 0
  #idleFrames = 0
  #broken: { readonly error: unknown } | undefined

  constructor({
    role = 'client',
    maxFrameBytes = DEFAULT_MAX_FRAME_BYTES,
    maxHeaderBlockBytes = 16_384,
  }: FrameDecoderOptions = {}) {
    this.#isClient = role === 'client'
    this.#prefaceLeft = this.#isClient ? 0 : CONNECTION_PREFACE.length
    this.#maxFrameBytes = maxFrameBytes
    this.#maxHeaderBlockBytes = maxHeaderBlockBytes
  }

  /** Bytes kept: of a frame that is not whole yet, and of a header block that is not. */
  get held(): number {
    return this.#held + this.#blockLength
  }

  /**
   * Tells `sink` of the frames that `chunk` completes.
   *
   * @throws ProtocolError `http2-connection-error`, with the code for a GOAWAY. Frames before the broken one are out.
   *   After this, and after an error that the sink itself throws, every later call throws the same one.
   */
  push(chunk: Uint8Array, sink: FrameSink): void {
    if (this.#broken !== undefined) throw this.#broken.error
    try {
      this.#read(chunk, sink)
    } catch (error) {
      this.#broken = { error }
      this.#rest = this.#block = NO_BYTES
      this.#held = this.#blockLength = 0
      throw error
    }
  }

  #read(chunk: Uint8Array, sink: FrameSink): void {
    let at = this.#prefaceLeft === 0 ? 0 : this.#readPreface(chunk)
    if (this.#held > 0) at = this.#finishRest(chunk, at, sink)
    const length = chunk.length
    while (length - at >= FRAME_HEADER_BYTES) {
      const end = at + this.#frameBytes(chunk, at)
      if (end > length) break
      this.#readFrame(chunk, at, end, sink)
      at = end
    }
    if (at < length) this.#hold(chunk, at, length)
  }

  #readPreface(chunk: Uint8Array): number {
    let at = 0
    for (; at < chunk.length && this.#prefaceLeft > 0; at++, this.#prefaceLeft--)
      if (chunk[at] !== CONNECTION_PREFACE[CONNECTION_PREFACE.length - this.#prefaceLeft])
        throw connectionError(HTTP2_ERROR.PROTOCOL_ERROR, 'the connection does not begin with the preface of HTTP/2')
    return at
  }

  /** Completes the frame in the rest, if the chunk does. Answers where the chunk goes on. */
  #finishRest(chunk: Uint8Array, start: number, sink: FrameSink): number {
    let at = start
    if (this.#held < FRAME_HEADER_BYTES) {
      const end = Math.min(chunk.length, at + FRAME_HEADER_BYTES - this.#held)
      this.#hold(chunk, at, end)
      at = end
      if (this.#held < FRAME_HEADER_BYTES) return at
    }
    const needed = this.#frameBytes(this.#rest, 0)
    const end = Math.min(chunk.length, at + needed - this.#held)
    this.#hold(chunk, at, end)
    if (this.#held === needed) {
      this.#held = 0
      this.#readFrame(this.#rest, 0, needed, sink)
    }
    return end
  }

  #hold(chunk: Uint8Array, start: number, end: number): void {
    const held = this.#held + end - start
    if (this.#rest.length < held) {
      const grown = new Uint8Array(Math.max(2 * held, FIRST_REST_BYTES))
      grown.set(this.#rest.subarray(0, this.#held))
      this.#rest = grown
    }
    this.#rest.set(chunk.subarray(start, end), this.#held)
    this.#held = held
  }

  /** Bytes of the frame whose header is at `at`, with the header. */
  #frameBytes(bytes: Uint8Array, at: number): number {
    if (!this.#seenSettings) this.#expectSettings(bytes, at)
    const length = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!
    if (length > this.#maxFrameBytes)
      throw connectionError(
        HTTP2_ERROR.FRAME_SIZE_ERROR,
        `a frame of ${length} bytes came, at most ${this.#maxFrameBytes} are allowed`,
      )
    return FRAME_HEADER_BYTES + length
  }

  /** Before its length is believed: a peer that speaks something else is told apart from one that sends too much. */
  #expectSettings(bytes: Uint8Array, at: number): void {
    const type = bytes[at + 3]!
    if (type !== FRAME.SETTINGS || (bytes[at + 4]! & FLAG.ACK) !== 0)
      throw connectionError(
        HTTP2_ERROR.PROTOCOL_ERROR,
        `the first frame has type ${type} and is not SETTINGS; perhaps the peer does not speak HTTP/2`,
      )
    this.#seenSettings = true
  }

  #readFrame(bytes: Uint8Array, at: number, end: number, sink: FrameSink): void {
    const type = bytes[at + 3]!
    const flags = bytes[at + 4]!
    const stream = readU32(bytes, at + 5) & MAX_U31
    const start = at + FRAME_HEADER_BYTES
    if (this.#blockStream !== 0 && (type !== FRAME.CONTINUATION || stream !== this.#blockStream))
      throw connectionError(
        HTTP2_ERROR.PROTOCOL_ERROR,
        `a frame of type ${type} on stream ${stream} interrupts the header block of stream ${this.#blockStream}`,
      )
    switch (type) {
      case FRAME.HEADERS:
        return this.#readHeaders(bytes, start, end, flags, stream, sink)
      case FRAME.DATA:
        return this.#readData(bytes, start, end, flags, stream, sink)
      case FRAME.WINDOW_UPDATE:
        return readWindowUpdate(bytes, start, end, stream, sink)
      case FRAME.RST_STREAM:
        expectStream(stream, 'RST_STREAM')
        expectLength(end - start === 4, 'RST_STREAM', end - start)
        this.#idleFrames = 0
        return sink.rstStream(stream, readU32(bytes, start))
      case FRAME.SETTINGS:
        return this.#readSettings(bytes, start, end, flags, stream, sink)
      case FRAME.PING: {
        expectConnection(stream, 'PING')
        expectLength(end - start === 8, 'PING', end - start)
        const ack = (flags & FLAG.ACK) !== 0
        if (ack) this.#idleFrames = 0
        else this.#countIdle()
        return sink.ping(ack, bytes, start)
      }
      case FRAME.GOAWAY:
        expectConnection(stream, 'GOAWAY')
        expectLength(end - start >= 8, 'GOAWAY', end - start)
        return sink.goaway(readU32(bytes, start) & MAX_U31, readU32(bytes, start + 4), bytes, start + 8, end)
      case FRAME.CONTINUATION:
        return this.#readContinuation(bytes, start, end, flags, stream, sink)
      case FRAME.PUSH_PROMISE:
        throw connectionError(HTTP2_ERROR.PROTOCOL_ERROR, 'PUSH_PROMISE came, which was never allowed')
      case FRAME.PRIORITY:
        if (stream === 0) throw onConnection('PRIORITY')
        this.#countIdle()
        if (end - start !== 5)
          sink.streamError(stream, HTTP2_ERROR.FRAME_SIZE_ERROR, `a PRIORITY frame of ${end - start} bytes came`)
        return
      default:
        // Extensions: to be ignored (RFC 9113, section 5.5).
        this.#countIdle()
    }
  }

  #readHeaders(
    bytes: Uint8Array,
    afterHeader: number,
    afterFrame: number,
    flags: number,
    stream: number,
    sink: FrameSink,
  ): void {
    expectStream(stream, 'HEADERS')
    let start = afterHeader
    let end = afterFrame
    if ((flags & (FLAG.PADDED | FLAG.PRIORITY)) !== 0) {
      if ((flags & FLAG.PADDED) !== 0) {
        if (start === end) throw padding('HEADERS')
        end -= bytes[start++]!
      }
      if ((flags & FLAG.PRIORITY) !== 0) start += 5
      if (start > end) throw padding('HEADERS')
    }
    const endStream = (flags & FLAG.END_STREAM) !== 0
    if (start < end || endStream) this.#idleFrames = 0
    else this.#countIdle()
    if ((flags & FLAG.END_HEADERS) === 0) {
      this.#blockStream = stream
      this.#blockEndsStream = endStream
      this.#continuations = 0
      this.#appendToBlock(bytes, start, end)
      return
    }
    if (end - start > this.#maxHeaderBlockBytes) throw this.#blockTooLarge()
    sink.headers(stream, endStream, bytes, start, end)
  }

  #readContinuation(
    bytes: Uint8Array,
    start: number,
    end: number,
    flags: number,
    stream: number,
    sink: FrameSink,
  ): void {
    if (this.#blockStream === 0)
      throw connectionError(HTTP2_ERROR.PROTOCOL_ERROR, `CONTINUATION on stream ${stream} carries on no header block`)
    if (++this.#continuations > MAX_CONTINUATIONS)
      throw connectionError(
        HTTP2_ERROR.ENHANCE_YOUR_CALM,
        `a header block is cut into more than ${MAX_CONTINUATIONS} frames`,
      )
    this.#appendToBlock(bytes, start, end)
    if ((flags & FLAG.END_HEADERS) === 0) return
    const length = this.#blockLength
    this.#blockStream = this.#blockLength = 0
    sink.headers(stream, this.#blockEndsStream, this.#block, 0, length)
  }

  #appendToBlock(bytes: Uint8Array, start: number, end: number): void {
    const length = this.#blockLength + end - start
    if (length > this.#maxHeaderBlockBytes) throw this.#blockTooLarge()
    if (this.#block.length < length) {
      const grown = new Uint8Array(Math.max(2 * length, FIRST_REST_BYTES))
      grown.set(this.#block.subarray(0, this.#blockLength))
      this.#block = grown
    }
    this.#block.set(bytes.subarray(start, end), this.#blockLength)
    this.#blockLength = length
  }

  #blockTooLarge(): Error {
    return connectionError(
      HTTP2_ERROR.ENHANCE_YOUR_CALM,
      `a header block has more than ${this.#maxHeaderBlockBytes} bytes`,
    )
  }

  #readData(
    bytes: Uint8Array,
    afterHeader: number,
    afterFrame: number,
    flags: number,
    stream: number,
    sink: FrameSink,
  ): void {
    expectStream(stream, 'DATA')
    let start = afterHeader
    let end = afterFrame
    if ((flags & FLAG.PADDED) !== 0) {
      if (start === end) throw padding('DATA')
      end -= bytes[start++]!
      if (start > end) throw padding('DATA')
    }
    const endStream = (flags & FLAG.END_STREAM) !== 0
    if (start < end || endStream) this.#idleFrames = 0
    else this.#countIdle()
    sink.data(stream, endStream, bytes, start, end, afterFrame - afterHeader)
  }

  #readSettings(bytes: Uint8Array, start: number, end: number, flags: number, stream: number, sink: FrameSink): void {
    expectConnection(stream, 'SETTINGS')
    if ((flags & FLAG.ACK) !== 0) {
      expectLength(end === start, 'SETTINGS acknowledgement', end - start)
      this.#idleFrames = 0
      return sink.settingsAck()
    }
    expectLength((end - start) % 6 === 0, 'SETTINGS', end - start)
    this.#countIdle()
    for (let at = start; at < end; at += 6) {
      const id = readU16(bytes, at)
      const value = readU32(bytes, at + 2)
      this.#checkSetting(id, value)
      sink.setting(id, value)
    }
    sink.settingsEnd()
  }

  #checkSetting(id: number, value: number): void {
    if (id === SETTING.INITIAL_WINDOW_SIZE && value > MAX_U31)
      throw connectionError(HTTP2_ERROR.FLOW_CONTROL_ERROR, `SETTINGS_INITIAL_WINDOW_SIZE is ${value}`)
    // A server never allows itself to push; of a client 1 is the default.
    if (id === SETTING.ENABLE_PUSH && value > (this.#isClient ? 0 : 1))
      throw connectionError(HTTP2_ERROR.PROTOCOL_ERROR, `SETTINGS_ENABLE_PUSH is ${value}`)
    if (id === SETTING.MAX_FRAME_SIZE && (value < DEFAULT_MAX_FRAME_BYTES || value > 0xff_ffff))
      throw connectionError(HTTP2_ERROR.PROTOCOL_ERROR, `SETTINGS_MAX_FRAME_SIZE is ${value}`)
  }

  #countIdle(): void {
    if (++this.#idleFrames > MAX_IDLE_FRAMES)
      throw connectionError(
        HTTP2_ERROR.ENHANCE_YOUR_CALM,
        `more than ${MAX_IDLE_FRAMES} frames in a row brought neither an answer nor a part of one`,
      )
  }
}

function readWindowUpdate(bytes: Uint8Array, start: number, end: number, stream: number, sink: FrameSink): void {
  if (stream !== 0) expectStream(stream, 'WINDOW_UPDATE')
  expectLength(end - start === 4, 'WINDOW_UPDATE', end - start)
  const increment = readU32(bytes, start) & MAX_U31
  if (increment !== 0) sink.windowUpdate(stream, increment)
  else if (stream !== 0) sink.streamError(stream, HTTP2_ERROR.PROTOCOL_ERROR, 'a WINDOW_UPDATE adds nothing')
  else throw connectionError(HTTP2_ERROR.PROTOCOL_ERROR, 'a WINDOW_UPDATE of the connection adds nothing')
}

/** Only a client opens streams here, and its streams are odd. */
function expectStream(stream: number, type: string): void {
  if ((stream & 1) === 0)
    throw stream === 0
      ? onConnection(type)
      : connectionError(HTTP2_ERROR.PROTOCOL_ERROR, `${type} on stream ${stream}, which nobody opened`)
}

function onConnection(type: string): Error {
  return connectionError(HTTP2_ERROR.PROTOCOL_ERROR, `${type} on stream 0`)
}

function expectConnection(stream: number, type: string): void {
  if (stream !== 0) throw connectionError(HTTP2_ERROR.PROTOCOL_ERROR, `${type} on stream ${stream} instead of 0`)
}

function expectLength(isRight: boolean, type: string, length: number): void {
  if (!isRight) throw connectionError(HTTP2_ERROR.FRAME_SIZE_ERROR, `a ${type} frame of ${length} bytes came`)
}

function padding(type: string): Error {
  return connectionError(HTTP2_ERROR.PROTOCOL_ERROR, `the padding of a ${type} frame is longer than the frame`)
}
