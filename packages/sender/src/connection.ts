import type { ConnectOpts } from 'node:net'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'

import { fromSocketError, type SenderError } from './errors.ts'

/** What a connection reports; `closed` is the last, and comes exactly once. */
export interface ConnectionListener {
  opened(): void
  /** The bytes are only valid during the call. */
  received(bytes: Uint8Array): void
  /** The socket takes more again, after `full`. */
  drained(): void
  /** @param error what ended it, where that is known */
  closed(error: SenderError | undefined): void
}

/** With so many bytes not yet taken by the kernel a connection is full. */
const HIGH_WATER_BYTES = 256 * 1024
/** A TLS record's content. */
const READ_BYTES = 16 * 1024
const KEEP_ALIVE_MS = 60_000
/** How long to read on after a failed write. */
const LAST_WORDS_MS = 1000

/** One TLS socket: bytes out, bytes and facts in. It decides nothing. */
export class Connection {
  readonly #socket: TLSSocket
  #error: Error | undefined
  #lastWords: NodeJS.Timeout | undefined

  /** @param address host and port for error messages */
  constructor(options: ConnectionOptions, address: string, listener: ConnectionListener) {
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES)
    const callback = (length: number): boolean => {
      listener.received(buffer.subarray(0, length))
      return true
    }
    const withBuffer: ConnectionOptions & ConnectOpts = { ...options, onread: { buffer, callback } }
    const socket = connect(withBuffer)
    this.#socket = socket
    this.#outliveFailedWrites()
    socket.setNoDelay(true)
    socket.setKeepAlive(true, KEEP_ALIVE_MS)
    socket.on('secureConnect', () => listener.opened())
    socket.on('drain', () => listener.drained())
    socket.on('end', () => socket.destroy())
    // It may come after a failed write and say more: a TLS alert does.
    socket.on('error', (error) => (this.#error = error))
    socket.on('close', () => {
      clearTimeout(this.#lastWords)
      listener.closed(this.#error === undefined ? undefined : fromSocketError(this.#error, address))
    })
  }

  /** Whether it should be given nothing more for now; for good after a failed write. */
  get full(): boolean {
    return this.#lastWords !== undefined || this.#socket.writableLength >= HIGH_WATER_BYTES
  }

  /** Writes bytes that stay untouched until `written` is called. */
  write(bytes: Uint8Array, written: () => void): void {
    this.#socket.write(bytes, written)
  }

  /** Stops reading: what comes stays in the kernel's buffer, and nothing is reported but `closed`. */
  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  close(): void {
    this.#socket.destroy()
  }

  /**
   * When the peer has answered and closed, the next write fails, while its answer may stand unread in the kernel's
   * buffer. Node destroys a socket at the first failed write, and the answer with it; so that first destruction is put
   * off until reading has come to its end.
   */
  #outliveFailedWrites(): void {
    const socket = this.#socket
    const destroy = socket.destroy.bind(socket)
    socket.destroy = (error?: Error & { syscall?: string }) => {
      if (error?.syscall !== 'write' || this.#lastWords !== undefined) return destroy(error)
      this.#error ??= error
      this.#lastWords = setTimeout(destroy, LAST_WORDS_MS)
      return socket
    }
  }
}
