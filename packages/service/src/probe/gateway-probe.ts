import { BARRIER_BYTES, encodeBarrier, type ErrorResponse, ErrorResponseDecoder } from '@lhspn/apns-protocol'
import type { Certificate } from '@lhspn/sender'

import {
  type Connected,
  reach,
  type Reached,
  type ReachOptions,
  type Refused,
  refusalOf,
  type Unreached,
} from './reach.ts'

export interface GatewayProbeOptions extends ReachOptions {
  readonly certificate: Certificate
  /** For an answer to come. */
  readonly quietTimeMs: number
}

/** How far it came. */
export type GatewayProbe =
  | Unreached
  | Refused
  | { readonly kind: 'answered'; readonly response: ErrorResponse; readonly ms: number; readonly over: Connected }
  /** It stayed open and said nothing. */
  | { readonly kind: 'silent'; readonly over: Connected }
  /** It ended the connection and said nothing. */
  | { readonly kind: 'closed'; readonly over: Connected }

const IDENTIFIER = 1

/**
 * Opens a connection to a binary gateway and writes a lone confirmation barrier: a notification to a token of no bytes,
 * which no device can receive. A gateway that answers it has taken the certificate. One that does not know barriers may
 * end the connection instead, as a refused certificate does in any case: then another connection is left alone for a
 * while, to see whether it stays.
 */
export async function probeGateway(options: GatewayProbeOptions): Promise<GatewayProbe> {
  const probe = await ask(options, false)
  if (probe.kind !== 'closed') return probe
  const { kind } = await ask(options, true)
  return kind === 'silent' ? { kind, over: probe.over } : probe
}

/** @param silently writes nothing, and only sees whether the connection stays */
async function ask(options: GatewayProbeOptions, silently: boolean): Promise<GatewayProbe> {
  const reached = await reach(options)
  if (reached.kind !== 'reached') return reached
  try {
    return await listen(reached, options, silently)
  } finally {
    reached.socket.destroy()
  }
}

async function listen(
  { socket, over }: Reached,
  { host, port, quietTimeMs, signal }: GatewayProbeOptions,
  silently: boolean,
): Promise<GatewayProbe> {
  const decoder = new ErrorResponseDecoder()
  const startedAt = performance.now()
  let timer: NodeJS.Timeout | undefined
  let stop: (() => void) | undefined
  try {
    return await new Promise<GatewayProbe>((resolve, reject) => {
      stop = () => reject(signal?.reason as Error)
      signal?.addEventListener('abort', stop)
      timer = setTimeout(() => resolve({ kind: 'silent', over }), quietTimeMs)
      socket.on('data', (chunk) => {
        try {
          const response = decoder.push(chunk)
          if (response !== undefined) {
            resolve({ kind: 'answered', response, ms: performance.now() - startedAt, over })
          }
        } catch {
          resolve({ kind: 'no-tls', detail: `${host}:${port} answers something that no gateway says` })
        }
      })
      // a reset is a close of somebody in a hurry
      socket.on('error', (error) => resolve(refusalOf(error, over) ?? { kind: 'closed', over }))
      socket.on('close', () => resolve({ kind: 'closed', over }))
      if (silently) return
      const frame = new Uint8Array(BARRIER_BYTES)
      socket.write(frame.subarray(0, encodeBarrier(frame, 0, IDENTIFIER)))
    })
  } finally {
    clearTimeout(timer)
    if (stop !== undefined) signal?.removeEventListener('abort', stop)
  }
}
