import { DEFAULT_MAX_FRAME_BYTES, encodeFrameHeader, FLAG, FRAME, FRAME_HEADER_BYTES } from '@lhspn/apns-protocol/http2'

interface Body {
  readonly bytes: Uint8Array
  /** Bytes of it that were written. */
  written: number
  /** Bytes that the stream's window allows; negative after the peer lowered it (RFC 9113, 6.9.2). */
  window: number
}

/** Payloads, or what is left of them, that flow control holds back. Rarely any: a window is larger than a payload. */
export class UnsentBodies {
  readonly #bodies = new Map<number, Body>()

  get size(): number {
    return this.#bodies.size
  }

  add(stream: number, bytes: Uint8Array, window: number): void {
    this.#bodies.set(stream, { bytes, written: 0, window })
  }

  has(stream: number): boolean {
    return this.#bodies.has(stream)
  }

  delete(stream: number): boolean {
    return this.#bodies.delete(stream)
  }

  /** Widens one stream's window. Answers its new size; undefined if nothing of that stream is held back. */
  widen(stream: number, bytes: number): number | undefined {
    const body = this.#bodies.get(stream)
    return body && (body.window += bytes)
  }

  /** The peer changed the initial window, and with it that of every stream. Answers the largest there is then; 0 if none. */
  shift(bytes: number): number {
    let largest = 0
    for (const body of this.#bodies.values()) {
      body.window += bytes
      largest = Math.max(largest, body.window)
    }
    return largest
  }

  /** Whether anything could be written if the connection's window allows so many bytes. */
  writable(window: number): boolean {
    if (window <= 0) return false
    for (const body of this.#bodies.values()) if (body.window > 0) return true
    return false
  }

  /** Writes DATA frames from `at` to before `end`, of at most `window` bytes in all. */
  write(into: Uint8Array, at: number, end: number, window: number): { readonly at: number; readonly bytes: number } {
    let offset = at
    let left = window
    for (const [stream, body] of this.#bodies) {
      const space = end - offset - FRAME_HEADER_BYTES
      if (left <= 0 || space <= 0) break
      const rest = body.bytes.length - body.written
      const count = Math.min(rest, left, body.window, space, DEFAULT_MAX_FRAME_BYTES)
      if (count <= 0) continue
      const isLast = count === rest
      offset = encodeFrameHeader(into, offset, count, FRAME.DATA, isLast ? FLAG.END_STREAM : 0, stream)
      into.set(body.bytes.subarray(body.written, body.written + count), offset)
      offset += count
      body.written += count
      body.window -= count
      left -= count
      if (isLast) this.#bodies.delete(stream)
    }
    return { at: offset, bytes: window - left }
  }
}
