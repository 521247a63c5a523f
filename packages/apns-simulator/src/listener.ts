import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { TLSSocket, createSecureContext, type SecureContext } from 'node:tls'

import type { Certificates } from './certificates.ts'
import { SimulatorError } from './errors.ts'

/** A connection after its handshake. */
export interface Guest {
  readonly tls: TLSSocket
  /** What the client showed; where certificates are required it is one of ours, and valid. */
  readonly certificate: X509Certificate | undefined
  /** Whether it is of our authority, and valid. */
  readonly trusted: boolean
  /** The TCP socket below, for resets. Do not read from it. */
  readonly raw: Socket
}

/** What is done with a connection before TLS; `proceed` starts the handshake. */
export type Reception = (raw: Socket, proceed: (welcome: (guest: Guest) => void) => void) => void

/** `certificate-required`: the handshake is for clients with a certificate of ours. `h2`: for clients that speak HTTP/2, with any certificate or none. */
export type Admission = 'certificate-required' | 'h2'

/** A TCP port on loopback, the TLS on it, and everything that is open on it. */
export class Listener {
  readonly #context: SecureContext
  readonly #authority: X509Certificate
  readonly #admission: Admission
  readonly #server: Server
  readonly #open = new Set<Socket>()

  constructor(certificates: Certificates, admission: Admission, receive: Reception) {
    this.#admission = admission
    this.#authority = new X509Certificate(certificates.ca)
    this.#context = createSecureContext({
      ...certificates.server,
      ca: certificates.ca,
      minVersion: 'TLSv1.2',
      sessionIdContext: 'lhspn-simulator',
    })
    // both directions close on their own: an answer followed by our FIN is read while the client still writes
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (raw) => {
      this.#open.add(raw)
      raw.on('close', () => this.#open.delete(raw))
      // a peer that resets is one of the things that happen here
      raw.on('error', () => {})
      receive(raw, (welcome) => this.#handshake(raw, welcome))
    })
  }

  /** Resolves to the address, `127.0.0.1:port`. @throws SimulatorError `cannot-listen` */
  async listen(port: number): Promise<string> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (cause) => reject(cannotListen(port, cause)))
      this.#server.listen(port, '127.0.0.1', resolve)
    })
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw cannotListen(port, undefined)
    return `127.0.0.1:${address.port}`
  }

  /** Ends every connection at once. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    const ended = Array.from(this.#open, (raw) => once(raw, 'close'))
    for (const raw of this.#open) raw.destroy()
    await Promise.all([closed, ...ended])
  }

  #handshake(raw: Socket, welcome: (guest: Guest) => void): void {
    const required = this.#admission === 'certificate-required'
    const tls = new TLSSocket(raw, {
      isServer: true,
      secureContext: this.#context,
      requestCert: true,
      // where one is required, the handshake fails by itself without any; one of another authority is found below
      rejectUnauthorized: required,
      ...(required ? {} : { ALPNProtocols: ['h2'] }),
    })
    const leave = () => tls.destroy()
    tls.on('error', leave)
    tls.on('end', leave)
    tls.once('secure', () => {
      const certificate = tls.getPeerX509Certificate()
      const trusted = this.#isOurs(certificate)
      if (required ? !trusted : tls.alpnProtocol !== 'h2') return leave()
      tls.off('end', leave)
      return welcome({ tls, raw, certificate, trusted })
    })
  }

  #isOurs(certificate: X509Certificate | undefined): boolean {
    if (certificate === undefined) return false
    const now = Date.now()
    return (
      certificate.checkIssued(this.#authority) &&
      certificate.verify(this.#authority.publicKey) &&
      now >= Date.parse(certificate.validFrom) &&
      now < Date.parse(certificate.validTo)
    )
  }
}

function cannotListen(port: number, cause: unknown): SimulatorError {
  const why = cause instanceof Error ? `: ${cause.message}` : ''
  return new SimulatorError(
    'cannot-listen',
    `cannot listen on port ${port} of 127.0.0.1${why}`,
    'Choose another port, or 0 for a free one.',
    { cause },
  )
}
