/** Commands of the binary gateway, bytes → values, for whoever plays the gateway. Their tables are in command.ts. */
import { readU16, readU32 } from '../big-endian.ts'
import { MAX_TOKEN_BYTES } from '../device-token.ts'
import { ProtocolError } from '../errors.ts'
import { toHex } from '../hex.ts'
import { ITEM, MAX_GATEWAY_PAYLOAD_BYTES } from './command.ts'
import type { ErrorStatus } from './error-response.ts'

/** Largest frame that the decoder waits for, in bytes: far more than a valid one has, so that oversize gets its status. */
export const MAX_DECODED_FRAME_BYTES = 16_384

/** One frame as it came. */
export interface Command {
  readonly command: 0 | 1 | 2
  /** Lowercase hex; `''` if missing or empty. */
  readonly token: string
  /** The payload's bytes, empty if missing. A view: valid until the callback returns; copy what is to be kept. */
  readonly payload: Uint8Array
  /** u32; undefined in command 0 and where item 3 is missing. */
  readonly identifier: number | undefined
  /** UNIX seconds, u32. */
  readonly expiration: number | undefined
  /** u8. */
  readonly priority: number | undefined
  /**
   * The status with which a gateway answers, undefined for a sound frame: 128 items that overrun the frame, come twice
   * or have a wrong length · 2 no token · 5 a token over 100 bytes · 4 no payload · 7 a payload over 2048 bytes. Where
   * several hold, the first in this order. Apple documents the statuses; which one broken items get is our reading.
   */
  readonly fault: ErrorStatus | undefined
  /** The whole frame. A view: valid until the callback returns. */
  readonly bytes: Uint8Array
}

const NO_BYTES = new Uint8Array(0)
const FIRST_REST_BYTES = 512

/**
 * Commands out of a byte stream. Holds one unfinished frame at most, 16,384 bytes; a byte is copied once, and only
 * those of a frame that a chunk cuts.
 */
export class CommandDecoder {
  #rest = NO_BYTES
  #held = 0
  /** Offset in the stream of the next byte that comes. */
  #position = 0
  #broken: ProtocolError | undefined

  /** Bytes kept of a frame that is not whole yet. */
  get held(): number {
    return this.#held
  }

  /**
   * Emits the commands that `chunk` completes, in order.
   *
   * @throws ProtocolError `malformed-frame` at a command byte other than 0, 1, 2 and at a frame longer than
   *   `MAX_DECODED_FRAME_BYTES`. Commands before it are out; every later call throws the same error.
   */
  push(chunk: Uint8Array, emit: (command: Command) => void): void {
    if (this.#broken !== undefined) throw this.#broken
    let start = this.#held === 0 ? 0 : this.#finishRest(chunk, emit)
    while (start < chunk.length) {
      const available = chunk.length - start
      const needed = this.#neededBytes(chunk, start, available, this.#position + start)
      if (needed > available) {
        this.#hold(chunk, start, chunk.length, needed)
        break
      }
      const frame = start
      start += needed
      emit(readCommand(chunk, frame, start))
    }
    this.#position += chunk.length
  }

  /**
   * Call at the end of the stream.
   *
   * @throws ProtocolError `truncated-stream` if it ends inside a frame; `malformed-frame` again if `push` threw it
   */
  end(): void {
    if (this.#broken !== undefined) throw this.#broken
    if (this.#held > 0)
      throw new ProtocolError(
        'truncated-stream',
        `the stream ended inside a command, ${this.#held} bytes after its start`,
        'Treat the last notification as not received.',
      )
  }

  /** Completes the frame in the rest, if the chunk does, and answers how many of the chunk's bytes it took. */
  #finishRest(chunk: Uint8Array, emit: (command: Command) => void): number {
    const origin = this.#position - this.#held
    let start = 0
    for (;;) {
      const needed = this.#neededBytes(this.#rest, 0, this.#held, origin)
      if (needed <= this.#held) break
      if (start === chunk.length) return start
      const end = Math.min(chunk.length, start + needed - this.#held)
      this.#hold(chunk, start, end, needed)
      start = end
    }
    const end = this.#held
    this.#held = 0
    emit(readCommand(this.#rest, 0, end))
    return start
  }

  #hold(chunk: Uint8Array, start: number, end: number, needed: number): void {
    if (this.#rest.length < needed) {
      const grown = new Uint8Array(Math.max(needed, FIRST_REST_BYTES))
      grown.set(this.#rest.subarray(0, this.#held))
      this.#rest = grown
    }
    this.#rest.set(chunk.subarray(start, end), this.#held)
    this.#held += end - start
  }

  /** Length of the frame at `start`, or, while its head is not all there, how many bytes tell more about it. */
  #neededBytes(bytes: Uint8Array, start: number, available: number, position: number): number {
    const command = bytes[start]!
    let needed: number
    if (command === 2) needed = available < 5 ? 5 : 5 + readU32(bytes, start + 1)
    else if (command < 2) {
      const head = command === 0 ? 1 : 9
      if (available < head + 2) return head + 2
      needed = head + 2 + readU16(bytes, start + head) + 2
      if (available >= needed) needed += readU16(bytes, start + needed - 2)
    } else throw this.#break(`command ${command} at byte ${position} of the stream; only 0, 1 and 2 exist`)
    if (needed > MAX_DECODED_FRAME_BYTES)
      throw this.#break(
        `the frame at byte ${position} of the stream has ${needed} bytes or more, at most ${MAX_DECODED_FRAME_BYTES} are read`,
      )
    return needed
  }

  #break(message: string): ProtocolError {
    this.#held = 0
    this.#rest = NO_BYTES
    this.#broken = new ProtocolError('malformed-frame', message, 'Close the connection: nothing after it can be read.')
    return this.#broken
  }
}

function readCommand(bytes: Uint8Array, start: number, end: number): Command {
  if (bytes[start] === 2) return readItems(bytes, start, end)
  const command = bytes[start] === 0 ? 0 : 1
  const tokenStart = start + (command === 0 ? 3 : 11)
  const tokenEnd = tokenStart + readU16(bytes, tokenStart - 2)
  const payload = bytes.subarray(tokenEnd + 2, end)
  return {
    command,
    token: toHex(bytes, tokenStart, tokenEnd),
    payload,
    identifier: command === 0 ? undefined : readU32(bytes, start + 1),
    expiration: command === 0 ? undefined : readU32(bytes, start + 5),
    priority: undefined,
    fault: faultOf(tokenEnd - tokenStart, payload.length),
    bytes: bytes.subarray(start, end),
  }
}

/** Items in any order; unknown ones are skipped by their length. Of one that comes twice the first counts. */
function readItems(bytes: Uint8Array, start: number, end: number): Command {
  let token: string | undefined
  let tokenBytes = 0
  let payload: Uint8Array | undefined
  let identifier: number | undefined
  let expiration: number | undefined
  let priority: number | undefined
  let broken = false
  let at = start + 5
  while (at < end) {
    const item = bytes[at]!
    const data = at + 3
    const length = readU16(bytes, at + 1)
    at = data + length
    if (at > end) broken = true
    else if (item === ITEM.token) {
      if (token !== undefined) broken = true
      else {
        token = toHex(bytes, data, at)
        tokenBytes = length
      }
    } else if (item === ITEM.payload) {
      if (payload !== undefined) broken = true
      else payload = bytes.subarray(data, at)
    } else if (item === ITEM.identifier) {
      if (identifier !== undefined || length !== 4) broken = true
      else identifier = readU32(bytes, data)
    } else if (item === ITEM.expiration) {
      if (expiration !== undefined || length !== 4) broken = true
      else expiration = readU32(bytes, data)
    } else if (item === ITEM.priority) {
      if (priority !== undefined || length !== 1) broken = true
      else priority = bytes[data]
    }
  }
  return {
    command: 2,
    token: token ?? '',
    payload: payload ?? NO_BYTES,
    identifier,
    expiration,
    priority,
    fault: broken ? 128 : faultOf(tokenBytes, payload === undefined ? 0 : payload.length),
    bytes: bytes.subarray(start, end),
  }
}

function faultOf(tokenBytes: number, payloadBytes: number): ErrorStatus | undefined {
  if (tokenBytes === 0) return 2
  if (tokenBytes > MAX_TOKEN_BYTES) return 5
  if (payloadBytes === 0) return 4
  if (payloadBytes > MAX_GATEWAY_PAYLOAD_BYTES) return 7
  return undefined
}
