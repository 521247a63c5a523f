import { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'

import type { StreamWatch } from './stream-watch.ts'

/**
 * What lies between TLS and HTTP/2. It can be cut, because the HTTP/2 above answers pings and says goodbye by itself,
 * which a connection that plays dead must not; and it takes last words, which then need not be what that HTTP/2 would say.
 */
export class Wire extends Duplex {
  readonly #tls: TLSSocket
  readonly #watch: StreamWatch
  #cut = false

  constructor(tls: TLSSocket, watch: StreamWatch) {
    super()
    this.#tls = tls
    this.#watch = watch
    tls.on('data', (chunk: Uint8Array) => {
      if (this.#cut) return
      watch.received(chunk)
      if (!this.push(chunk)) tls.pause()
    })
    tls.on('end', () => {
      if (!this.#cut) this.push(null)
    })
    tls.on('close', () => this.destroy())
  }

  /** From now on reads and throws away what comes from either side. */
  cut(): void {
    this.#cut = true
    this.#tls.resume()
  }

  /** The same once all that was written is with the kernel. */
  cutWhenWritten(): void {
    this.write(NOTHING, () => this.cut())
  }

  /**
   * Writes `frames` behind all that was written, then closes. What the client still sends is read until it closes too, so
   * that these words are not lost to a TCP reset for bytes unread.
   */
  close(frames: Uint8Array): void {
    this.write(frames, () => {
      this.cut()
      this.#tls.on('end', () => this.#tls.destroy())
      this.#tls.end()
    })
  }

  override _read(): void {
    this.#tls.resume()
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: () => void): void {
    if (this.#cut || chunk.length === 0) {
      done()
      return
    }
    this.#watch.sent(chunk)
    this.#tls.write(chunk, done)
  }

  override _final(done: () => void): void {
    if (!this.#cut) this.#tls.end()
    done()
  }
}

const NOTHING = new Uint8Array(0)
