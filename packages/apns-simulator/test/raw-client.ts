import { once } from 'node:events'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'

import vectors from '@lhspn/apns-protocol/vectors/gateway.json' with { type: 'json' }

import type { Simulator } from '../src/index.ts'

/** Node knows `allowHalfOpen` here, its types do not. */
type RawOptions = ConnectionOptions & { readonly allowHalfOpen?: boolean }

/** A client of bytes: it knows nothing of the protocol, so it cannot share a mistake with the simulator. */
export class RawClient {
  readonly tls: TLSSocket
  /** What came, in hex, an element for each piece as it came. */
  readonly pieces: string[] = []
  ended = false
  error: string | undefined
  /** Resolves at the end of the handshake; fails if there is none. */
  readonly secured: Promise<unknown>
  /** Resolves when the connection is gone. */
  readonly closed: Promise<void>

  constructor(address: string, options: RawOptions) {
    const [host, port] = address.split(':')
    this.tls = connect({ host, port: Number(port), ...options })
    this.secured = once(this.tls, 'secureConnect')
    this.secured.catch(() => {})
    this.tls.on('data', (bytes: Buffer) => this.pieces.push(bytes.toString('hex')))
    this.tls.on('end', () => (this.ended = true))
    this.tls.on('error', (error: NodeJS.ErrnoException) => (this.error = error.code ?? error.message))
    this.closed = new Promise((resolve) => this.tls.on('close', () => resolve()))
  }

  get received(): string {
    return this.pieces.join('')
  }

  write(...frames: readonly string[]): void {
    this.tls.write(Buffer.from(frames.join(''), 'hex'))
  }
}

/** Connects to the gateway with the right certificate. */
export function connectTo(simulator: Simulator, options: RawOptions = {}): RawClient {
  return new RawClient(simulator.gateway, { ...trusted(simulator), ...options })
}

export function trusted({ certificates: { ca, client } }: Simulator): ConnectionOptions {
  return { ca, cert: client, key: client }
}

/** One connection's whole story: what is written, what comes back until it closes. */
export async function converse(simulator: Simulator, ...frames: readonly string[]): Promise<RawClient> {
  const client = connectTo(simulator)
  await client.secured
  client.write(...frames)
  await client.closed
  return client
}

/** A golden vector's bytes in hex. */
export function vector(name: string): string {
  const found = vectors.find((each) => each.name === name)
  if (found === undefined) throw new TypeError(`no such vector: ${name}`)
  return found.hex
}

/** Identifiers 1, 2 and 3 to three tokens. */
export const THREE = vector('stream-cmd1-x3')
export const SECOND_TOKEN = '690882560def1e5c13e642671bebd7716b6a0d01a72be57a90934ee0bac4cd06'
/** Identifier 9. */
export const BARRIER = vector('cmd2-barrier-zero-token')
