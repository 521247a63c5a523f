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
  #isDeaf = false
  #isCut = false

  constructor(tls: TLSSocket, watch: StreamWatch) {
    super()
    this.#tls = tls
    this.#watch = watch
    tls.on('data', (chunk: Uint8Array) => {
      if (this.#isDeaf) return
      watch.received(chunk)
      if (!this.push(chunk)) tls.pause()
    })
    tls.on('end', () => {
      if (!this.#isDeaf) this.push(null)
    })
    tls.on('close', () => this.destroy())
  }

  /** Whether anything that is written from now on is thrown away. */
  get isCut(): boolean {
    return this.#isCut
  }

  /** From now on reads what comes, and throws it away. */
  deafen(): void {
    this.#isDeaf = true
    this.#tls.resume()
  }

  /** From now on throws away what comes from either side. */
  cut(): void {
    this.deafen()
    this.#isCut = true
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
    if (this.#isCut || chunk.length === 0) {
      done()
      return
    }
    this.#watch.sent(chunk)
    // what cannot be written any more is the end of the connection, which is told by `close`
    this.#tls.write(chunk, () => done())
  }

  override _final(done: () => void): void {
    if (!this.#isCut) this.#tls.end()
    done()
  }
}

const NOTHING = new Uint8Array(0)
