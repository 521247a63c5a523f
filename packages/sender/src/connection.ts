import { type ConnectOpts, isIP, type Socket } from 'node:net'
import { connect, type ConnectionOptions, type SecureContext, type TLSSocket } from 'node:tls'

import { type Address, formatAddress } from './address.ts'
import { fromSocketError, SenderError, withoutHttp2 } from './errors.ts'
import { openTunnel, type HttpProxy } from './proxy.ts'

/** Where to connect, and how. A host name is resolved anew for each connection. */
export interface ConnectionTarget extends Address {
  readonly secureContext: SecureContext
  /** What the server must agree to speak (ALPN). Left out, it is not asked. */
  readonly protocol?: 'h2'
  readonly proxy?: HttpProxy | undefined
}

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
/** How long to read on after a failed write, and how long our own last words may take. */
const LAST_WORDS_MS = 1000

/** One TLS socket, straight to the server or through a proxy: bytes out, bytes and facts in. It decides nothing. */
export class Connection {
  readonly #listener: ConnectionListener
  /** For error messages. */
  readonly #address: string
  /** Undefined until a proxy has opened the tunnel for it. */
  #socket: TLSSocket | undefined
  #giveUpTunnel: (() => void) | undefined
  #opened = false
  /** We closed it: nothing more is reported but that. */
  #left = false
  #error: Error | undefined
  /** Runs out when the time for last words, the server's or ours, is over. */
  #lastWords: NodeJS.Timeout | undefined

  /** @param address host and port for error messages */
  constructor(target: ConnectionTarget, address: string, listener: ConnectionListener) {
    const { host, port, secureContext, protocol, proxy } = target
    this.#listener = listener
    this.#address = proxy === undefined ? address : `${address} through the proxy ${formatAddress(proxy)}`
    const options: ConnectionOptions = {
      host,
      port,
      secureContext,
      // Node sends a name for SNI only if it is told to.
      ...(isIP(host) === 0 && { servername: host }),
      ...(protocol !== undefined && { ALPNProtocols: [protocol] }),
    }
    if (proxy === undefined) this.#socket = this.#connect(options, protocol)
    else
      this.#giveUpTunnel = openTunnel(proxy, target, {
        opened: (socket) => (this.#socket = this.#connectThrough(socket, options, protocol)),
        failed: (error) => listener.closed(this.#left ? undefined : error),
      })
  }

  /** Whether it should be given nothing more for now; for good after a failed write. */
  get full(): boolean {
    return this.#lastWords !== undefined || (this.#socket?.writableLength ?? Infinity) >= HIGH_WATER_BYTES
  }

  /** Writes bytes that stay untouched until `written` is called. Not before `opened`. */
  write(bytes: Uint8Array, written: () => void): void {
    this.#socket?.write(bytes, written)
  }

  /** Stops reading: what comes stays in the kernel's buffer, and nothing is reported but `closed`. */
  pause(): void {
    this.#socket?.pause()
  }

  resume(): void {
    this.#socket?.resume()
  }

  /**
   * Nothing is reported after it but `closed`.
   * @param lastWords what to write before, behind all that was written; the server has a second to take it and to close
   */
  close(lastWords?: Uint8Array): void {
    const socket = this.#socket
    const mute = lastWords === undefined || !this.#opened || this.#left || this.#lastWords !== undefined
    this.#left = true
    if (socket === undefined) {
      this.#giveUpTunnel?.()
    } else if (mute) {
      socket.destroy()
    } else {
      this.#lastWords = setTimeout(() => socket.destroy(), LAST_WORDS_MS)
      // What is read from now on is dropped, until the server closes, too: the kernel of a socket that is closed with
      // something unread resets the connection, and our words would be lost.
      socket.end(lastWords)
      socket.resume()
    }
  }

  /** Reads into one buffer, again and again. */
  #connect(options: ConnectionOptions, protocol: string | undefined): TLSSocket {
    const buffer = Buffer.allocUnsafeSlow(READ_BYTES)
    const callback = (length: number): boolean => {
      this.#received(buffer.subarray(0, length))
      return true
    }
    const withBuffer: ConnectionOptions & ConnectOpts = { ...options, onread: { buffer, callback } }
    return this.#listen(connect(withBuffer), protocol)
  }

  /** Over a socket that it did not make itself, Node knows no `onread`. */
  #connectThrough(tunnel: Socket, options: ConnectionOptions, protocol: string | undefined): TLSSocket {
    tunnel.on('error', (error) => (this.#error ??= error))
    const socket = this.#listen(connect({ ...options, socket: tunnel }), protocol)
    return socket.on('data', (bytes) => this.#received(bytes))
  }

  #received(bytes: Uint8Array): void {
    if (!this.#left) this.#listener.received(bytes)
  }

  #listen(socket: TLSSocket, protocol: string | undefined): TLSSocket {
    this.#outliveFailedWrites(socket)
    socket.setNoDelay(true)
    socket.setKeepAlive(true, KEEP_ALIVE_MS)
    socket.on('secureConnect', () => {
      if (protocol !== undefined && socket.alpnProtocol !== protocol) {
        socket.destroy(withoutHttp2(this.#address))
        return
      }
      this.#opened = true
      this.#listener.opened()
    })
    socket.on('drain', () => {
      if (!this.#left) this.#listener.drained()
    })
    socket.on('end', () => socket.destroy())
    // It may come after a failed write and say more: a TLS alert does.
    socket.on('error', (error) => {
      if (!this.#left) this.#error = error
    })
    socket.on('close', () => {
      clearTimeout(this.#lastWords)
      const error = this.#error
      const known = error === undefined || error instanceof SenderError
      this.#listener.closed(known ? error : fromSocketError(error, this.#address))
    })
    return socket
  }

  /**
   * When the peer has answered and closed, the next write fails, while its answer may stand unread in the kernel's
   * buffer. Node destroys a socket at the first failed write, and the answer with it; so that first destruction is put
   * off until reading has come to its end.
   */
  #outliveFailedWrites(socket: TLSSocket): void {
    const destroy = socket.destroy.bind(socket)
    socket.destroy = (error?: Error & { syscall?: string }) => {
      if (error?.syscall !== 'write' || this.#left || this.#lastWords !== undefined) return destroy(error)
      this.#error ??= error
      this.#lastWords = setTimeout(destroy, LAST_WORDS_MS)
      return socket
    }
  }
}
