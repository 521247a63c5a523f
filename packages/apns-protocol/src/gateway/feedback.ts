/**
 * The feedback service sends, from the moment of connecting to its end, tuples without a separator (Apple, Binary
 * Provider API): at u32, UNIX seconds · token length n u16, 1–100 · token, n bytes. All big-endian. It gives each tuple
 * out once.
 */
import { readU16, readU32, writeU16, writeU32 } from '../big-endian.ts'
import { MAX_TOKEN_BYTES, shortenDeviceToken } from '../device-token.ts'
import { ProtocolError } from '../errors.ts'
import { toHex, writeHex } from '../hex.ts'

/** A device token that no longer has the app. */
export interface FeedbackTuple {
  /** When Apple decided so: UNIX seconds, u32. Remove the device only if it has not registered since. */
  readonly at: number
  /** Hex, 1–100 bytes; lowercase when read. */
  readonly token: string
}

const HEADER_BYTES = 6
const MAX_TUPLE_BYTES = HEADER_BYTES + MAX_TOKEN_BYTES

/**
 * The bytes of these tuples, in their order.
 *
 * @throws ProtocolError `invalid-device-token` if a token is not 1–100 bytes of hex
 */
export function encodeFeedback(tuples: Iterable<FeedbackTuple>): Uint8Array {
  const list = [...tuples]
  const bytes = new Uint8Array(list.reduce((sum, { token }) => sum + HEADER_BYTES + (token.length >>> 1), 0))
  let offset = 0
  for (const { at, token } of list) {
    const length = token.length >>> 1
    offset = writeU16(bytes, writeU32(bytes, offset, at), length)
    if (token.length % 2 !== 0 || length === 0 || length > MAX_TOKEN_BYTES || !writeHex(bytes, offset, token))
      throw new ProtocolError(
        'invalid-device-token',
        `${JSON.stringify(shortenDeviceToken(token))} is not 1 to ${MAX_TOKEN_BYTES} bytes of hex`,
        'Parse the token before it is written.',
      )
    offset += length
  }
  return bytes
}

/** Feedback tuples out of a byte stream. Holds one unfinished tuple at most, 105 bytes. */
export class FeedbackDecoder {
  readonly #rest = new Uint8Array(MAX_TUPLE_BYTES)
  #held = 0
  /** Offset in the stream of the next byte that comes. */
  #position = 0
  #broken: ProtocolError | undefined

  /** Bytes kept of a tuple that is not whole yet. */
  get held(): number {
    return this.#held
  }

  /**
   * Emits the tuples that `chunk` completes, in order. Those before a malformed one are out when this throws: the
   * service does not repeat them.
   *
   * @throws ProtocolError `malformed-frame` at a token of 0 or more than 100 bytes; every later call throws it again
   */
  push(chunk: Uint8Array, emit: (tuple: FeedbackTuple) => void): void {
    if (this.#broken !== undefined) throw this.#broken
    let start = 0
    while (start < chunk.length) {
      if (this.#held === 0) {
        const needed = this.#neededBytes(chunk, start, chunk.length - start, this.#position + start)
        const end = start + needed
        if (end <= chunk.length) {
          emit(readTuple(chunk, start, end))
          start = end
          continue
        }
      }
      start = this.#hold(chunk, start, emit)
    }
    this.#position += chunk.length
  }

  /**
   * Call at the end of the stream. Whole tuples are out by then.
   *
   * @throws ProtocolError `truncated-stream` if it ends inside a tuple; `malformed-frame` again if `push` threw it
   */
  end(): void {
    if (this.#broken !== undefined) throw this.#broken
    if (this.#held > 0)
      throw new ProtocolError(
        'truncated-stream',
        `the feedback ended inside a tuple, ${this.#held} bytes after its start`,
        'Keep the whole ones; the service does not repeat what was lost.',
      )
  }

  /** Moves bytes that the tuple in the rest lacks into it and emits it when whole. Answers where the chunk goes on. */
  #hold(chunk: Uint8Array, start: number, emit: (tuple: FeedbackTuple) => void): number {
    const origin = this.#position + start - this.#held
    let at = start
    while (at < chunk.length) {
      this.#rest[this.#held++] = chunk[at++]!
      if (this.#held < HEADER_BYTES) continue
      const needed = this.#neededBytes(this.#rest, 0, this.#held, origin)
      if (needed > this.#held) continue
      this.#held = 0
      emit(readTuple(this.#rest, 0, needed))
      break
    }
    return at
  }

  #neededBytes(bytes: Uint8Array, start: number, available: number, position: number): number {
    if (available < HEADER_BYTES) return HEADER_BYTES
    const length = readU16(bytes, start + 4)
    if (length > 0 && length <= MAX_TOKEN_BYTES) return HEADER_BYTES + length
    this.#held = 0
    this.#broken = new ProtocolError(
      'malformed-frame',
      `the feedback tuple at byte ${position} of the stream announces a token of ${length} bytes`,
      'Check that the address is that of a feedback service; keep the tuples before it.',
    )
    throw this.#broken
  }
}

function readTuple(bytes: Uint8Array, start: number, end: number): FeedbackTuple {
  return { at: readU32(bytes, start), token: toHex(bytes, start + HEADER_BYTES, end) }
}
