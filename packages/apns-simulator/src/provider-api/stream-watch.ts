import { ProtocolError } from '@lhspn/apns-protocol'
import { FrameDecoder, type FrameSink, SETTING } from '@lhspn/apns-protocol/http2'

/** What a watch tells. `stream` is 0 where a fault is the connection's. */
export type Tell = (stream: number, rule: 'TooManyStreams' | 'ProtocolError', detail: string) => void

/**
 * Reads along on a connection and tells of each stream that was opened beyond the limit. node:http2 refuses such streams
 * without a word to its user, and only then knows of a client that may not have heard of the limit; Apple's rule of one
 * stream until a provider token was good binds it from the first byte on.
 */
export class StreamWatch {
  readonly #tell: Tell
  readonly #received = new FrameDecoder({ role: 'server' })
  readonly #sent = new FrameDecoder({ maxFrameBytes: LARGEST_FRAME_BYTES })
  readonly #receivedSink: FrameSink
  readonly #sentSink: FrameSink
  /** Open streams, each with the sides that have ended. */
  readonly #open = new Map<number, number>()
  #lastOpened = 0
  /** In force. */
  #limit: number
  /** Limits told in SETTINGS that are not acknowledged; undefined for SETTINGS without one. */
  readonly #told: (number | undefined)[] = []
  #telling: number | undefined
  #isBroken = false

  /** `limit`: how many streams the client may open before it knows our SETTINGS. */
  constructor(limit: number, tell: Tell) {
    this.#limit = limit
    this.#tell = tell
    this.#receivedSink = {
      ...DEAF,
      headers: (stream, endStream) => this.#opened(stream, endStream),
      data: (stream, endStream) => endStream && this.#ended(stream, CLIENT),
      rstStream: (stream) => this.#open.delete(stream),
      settingsAck: () => {
        this.#limit = this.#told.shift() ?? this.#limit
      },
    }
    this.#sentSink = {
      ...DEAF,
      headers: (stream, endStream) => endStream && this.#ended(stream, SERVER),
      data: (stream, endStream) => endStream && this.#ended(stream, SERVER),
      rstStream: (stream) => this.#open.delete(stream),
      setting: (id, value) => {
        if (id === SETTING.MAX_CONCURRENT_STREAMS) this.#telling = value
      },
      settingsEnd: () => {
        this.#told.push(this.#telling)
        this.#telling = undefined
      },
    }
  }

  /** What came from the client, before anybody else reads it. */
  received(chunk: Uint8Array): void {
    this.#watch(this.#received, chunk, this.#receivedSink)
  }

  /** What goes to the client, before it goes. */
  sent(chunk: Uint8Array): void {
    this.#watch(this.#sent, chunk, this.#sentSink)
  }

  #watch(decoder: FrameDecoder, chunk: Uint8Array, sink: FrameSink): void {
    if (this.#isBroken) return
    try {
      decoder.push(chunk, sink)
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.#isBroken = true
      this.#tell(0, 'ProtocolError', error.message)
    }
  }

  #opened(stream: number, endStream: boolean): void {
    if (stream > this.#lastOpened) {
      this.#lastOpened = stream
      // a limit that was told and not acknowledged may be known to the client already
      const limit = Math.max(this.#limit, ...this.#told.map((told) => told ?? 0))
      if (this.#open.size >= limit) {
        this.#tell(stream, 'TooManyStreams', `${this.#open.size} were open, and ${limit} is the limit`)
      }
      this.#open.set(stream, 0)
    }
    if (endStream) this.#ended(stream, CLIENT)
  }

  #ended(stream: number, side: number): void {
    const ended = (this.#open.get(stream) ?? 0) | side
    if (ended === (CLIENT | SERVER)) this.#open.delete(stream)
    else if (this.#open.has(stream)) this.#open.set(stream, ended)
  }
}

const CLIENT = 1
const SERVER = 2
/** The client's SETTINGS say how large frames to it may be, up to this. */
const LARGEST_FRAME_BYTES = 0xff_ffff
const DEAF: FrameSink = {
  headers() {},
  data() {},
  rstStream() {},
  setting() {},
  settingsEnd() {},
  settingsAck() {},
  ping() {},
  goaway() {},
  windowUpdate() {},
  streamError() {},
}
