import { lookup } from 'node:dns/promises'
import { connect } from 'node:tls'

import { BARRIER_BYTES, encodeBarrier, type ErrorResponse, ErrorResponseDecoder } from '@lhspn/apns-protocol'
import type { Certificate } from '@lhspn/sender'

/** Whom to ask, and as whom. */
export interface ProbeOptions {
  /** HOST:PORT */
  readonly address: string
  readonly credentials: Certificate
  /** PEM of the authority to trust instead of the system's. */
  readonly ca?: string | undefined
  /** For a connection to open. */
  readonly timeoutMs: number
  /** For an answer to come. */
  readonly quietTimeMs: number
  readonly signal?: AbortSignal | undefined
}

/** How far it came. `detail` says what stood in the way. */
export type Probe =
  | { readonly kind: 'unknown-host' | 'unreachable' | 'no-tls' | 'untrusted'; readonly detail: string }
  /** The client certificate was refused by a TLS alert. */
  | { readonly kind: 'refused'; readonly detail: string; readonly over: Connected }
  | { readonly kind: 'answered'; readonly response: ErrorResponse; readonly ms: number; readonly over: Connected }
  /** It stayed open and said nothing. */
  | { readonly kind: 'silent'; readonly over: Connected }
  /** It ended the connection and said nothing. */
  | { readonly kind: 'closed'; readonly over: Connected }

interface Connected {
  /** What the name stands for. */
  readonly address: string
  /** `TLSv1.3` */
  readonly protocol: string
}

const IDENTIFIER = 1

/**
 * Opens a connection to a binary gateway and writes a lone confirmation barrier: a notification to a token of no bytes,
 * which no device can receive. A gateway that answers it has taken the certificate.
 * @param silently writes nothing, and only sees whether the connection stays
 */
export async function probeGateway(options: ProbeOptions, silently = false): Promise<Probe> {
  const { address, credentials, ca, timeoutMs, quietTimeMs, signal } = options
  const { host, port } = parse(address)
  let resolved: string
  try {
    resolved = (await lookup(host)).address
  } catch (error) {
    return { kind: 'unknown-host', detail: `${host} is not known to DNS (${codeOf(error)})` }
  }
  signal?.throwIfAborted()
  // verified by hand, so that what is wrong with the certificate can be told
  const socket = connect({
    host,
    port,
    cert: credentials.certificate,
    key: credentials.key,
    rejectUnauthorized: false,
    ...(ca !== undefined && { ca }),
  })
  const decoder = new ErrorResponseDecoder()
  let stage: 'tcp' | 'tls' | 'open' = 'tcp'
  let timer: NodeJS.Timeout | undefined
  let startedAt = 0
  let stop: (() => void) | undefined
  try {
    return await new Promise<Probe>((resolve, reject) => {
      const over = (): Connected => ({ address: resolved, protocol: socket.getProtocol() ?? 'TLS' })
      let connected: Connected | undefined
      stop = () => reject(signal?.reason as Error)
      signal?.addEventListener('abort', stop)
      timer = setTimeout(() => {
        const kind = stage === 'tcp' ? 'unreachable' : 'no-tls'
        resolve({ kind, detail: `${address} did not answer within ${timeoutMs / 1000} s` })
      }, timeoutMs)
      socket.on('connect', () => (stage = 'tls'))
      socket.on('secureConnect', () => {
        stage = 'open'
        connected = over()
        clearTimeout(timer)
        if (!socket.authorized) {
          const why = socket.authorizationError as unknown as Error | string | undefined
          const reason = why instanceof Error ? why.message : String(why)
          resolve({ kind: 'untrusted', detail: `${address} showed a certificate that is not trusted (${reason})` })
          return
        }
        timer = setTimeout(() => resolve({ kind: 'silent', over: over() }), quietTimeMs)
        startedAt = performance.now()
        if (silently) return
        const frame = new Uint8Array(BARRIER_BYTES)
        socket.write(frame.subarray(0, encodeBarrier(frame, 0, IDENTIFIER)))
      })
      socket.on('data', (chunk) => {
        try {
          const response = decoder.push(chunk)
          const ms = performance.now() - startedAt
          if (response !== undefined) resolve({ kind: 'answered', response, ms, over: connected ?? over() })
        } catch {
          resolve({ kind: 'no-tls', detail: `${address} answers something that no gateway says` })
        }
      })
      socket.on('error', (error) => resolve(explain(error, address, stage, connected)))
      socket.on('close', () => {
        if (connected !== undefined) resolve({ kind: 'closed', over: connected })
        else resolve({ kind: 'no-tls', detail: `${address} closed the connection before TLS was there` })
      })
    })
  } finally {
    clearTimeout(timer)
    if (stop !== undefined) signal?.removeEventListener('abort', stop)
    socket.destroy()
  }
}

function explain(
  error: Error & { readonly reason?: string },
  address: string,
  stage: 'tcp' | 'tls' | 'open',
  over: Connected | undefined,
): Probe {
  const code = codeOf(error)
  if (/^ERR_SSL_.*ALERT/.test(code)) {
    const connected = over ?? { address, protocol: 'TLS' }
    return { kind: 'refused', detail: error.reason ?? code, over: connected }
  }
  // a reset is a close of somebody in a hurry
  if (stage === 'open' && over !== undefined) return { kind: 'closed', over }
  const detail = `${address}: ${error.message || code}`
  return { kind: stage === 'tcp' ? 'unreachable' : 'no-tls', detail }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}

/** The configuration has checked that it is one. */
function parse(address: string): { readonly host: string; readonly port: number } {
  const at = address.lastIndexOf(':')
  return { host: address.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(address.slice(at + 1)) }
}
