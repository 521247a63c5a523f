import { createPrivateKey, sign } from 'node:crypto'
import { once } from 'node:events'
import { connect, type ClientHttp2Session, type ClientHttp2Stream, type SecureClientSessionOptions } from 'node:http2'

import type { Simulator, SimulatorSigningKey } from '../src/index.ts'

export const TOKEN = '740f4707bebcf74f9b7c25d48e3358945f6aa01da5ddb387462c7eaf61bb78ad'

/** What came back on one stream. */
export interface Received {
  /** Undefined when the stream ended without an answer. */
  readonly status: number | undefined
  readonly headers: Readonly<Record<string, unknown>>
  readonly body: string
  /** HTTP/2 error code of the stream. */
  readonly code: number | undefined
}

/** A client of the provider API on node:http2, which nobody of this project wrote; provider tokens are signed here too. */
export class ProviderClient {
  readonly session: ClientHttp2Session
  readonly #authorization: string
  /** GOAWAYs that came: error code, last stream, debug data. */
  readonly goaways: (readonly [number, number, string])[] = []
  /** Limits of open streams as they were announced. */
  readonly limits: (number | undefined)[] = []
  readonly closed: Promise<unknown>

  constructor(simulator: Simulator, options: SecureClientSessionOptions = {}) {
    this.#authorization = `bearer ${providerToken(simulator.signingKey)}`
    this.session = connect(`https://${simulator.provider}`, {
      ca: simulator.certificates.ca,
      peerMaxConcurrentStreams: 1,
      ...options,
    })
    this.session.on('error', () => {})
    this.session.on('remoteSettings', ({ maxConcurrentStreams }) => this.limits.push(maxConcurrentStreams))
    this.session.on('goaway', (code: number, last: number, debug?: Uint8Array) =>
      this.goaways.push([code, last, Buffer.from(debug ?? []).toString()]),
    )
    this.closed = new Promise((resolve) => this.session.on('close', () => resolve(undefined)))
  }

  /** Resolves when the simulator allows so many streams. */
  async allowed(limit: number): Promise<void> {
    while (this.limits.at(-1) !== limit) await once(this.session, 'remoteSettings')
  }

  /** Sends one request; headers given as undefined are left out. */
  async send(
    headers: Readonly<Record<string, string | string[] | undefined>> = {},
    payload: string | Uint8Array = '{"aps":{"alert":"Hello"}}',
  ): Promise<Received> {
    return received(this.open(headers, payload))
  }

  /** The same without waiting for what comes back. @param payload null: whoever gets the stream will end it */
  open(
    headers: Readonly<Record<string, string | string[] | undefined>> = {},
    payload: string | Uint8Array | null = '{"aps":{"alert":"Hello"}}',
  ): ClientHttp2Stream {
    const all = {
      ':method': 'POST',
      ':path': `/3/device/${TOKEN}`,
      'apns-topic': 'com.example.app',
      'apns-push-type': 'alert',
      authorization: this.#authorization,
      ...headers,
    }
    const given = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
    const stream = this.session.request(given)
    stream.on('error', () => {})
    if (payload !== null) stream.end(payload)
    return stream
  }
}

export async function received(stream: ClientHttp2Stream): Promise<Received> {
  let headers: Record<string, unknown> = {}
  let body = ''
  stream.on('response', (got) => (headers = { ...got }))
  stream.on('data', (chunk: Uint8Array) => (body += Buffer.from(chunk).toString()))
  await new Promise((resolve) => stream.on('close', resolve))
  const status = headers[':status']
  return { status: typeof status === 'number' ? status : undefined, headers, body, code: stream.rstCode }
}

/** What may differ from a provider token that is in order. */
export interface TokenParts {
  readonly keyId?: string
  readonly teamId?: string
  /** UNIX seconds. */
  readonly issuedAt?: unknown
  readonly alg?: string
  readonly dsaEncoding?: 'der' | 'ieee-p1363'
}

/** A JWT, made as RFC 7515 says and without the project's own code. */
export function providerToken(key: SimulatorSigningKey, parts: TokenParts = {}): string {
  const { keyId = key.keyId, teamId = key.teamId, alg = 'ES256', dsaEncoding = 'ieee-p1363' } = parts
  const issuedAt = parts.issuedAt ?? Math.floor(Date.now() / 1000)
  const signed = `${encode({ alg, kid: keyId })}.${encode({ iss: teamId, iat: issuedAt })}`
  const signature = sign('sha256', Buffer.from(signed), { key: createPrivateKey(key.key), dsaEncoding })
  return `${signed}.${signature.toString('base64url')}`
}

function encode(value: object): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
