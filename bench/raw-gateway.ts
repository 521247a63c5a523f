// The gateway of gateway.ts: it counts, and rejects only tokens that start with `dead`.
import type { Certificates } from '@lhspn/apns-simulator'

import { serveQuestions } from './child.ts'
import { type FrameHandler, serveFrames } from './raw-frames.ts'

export type GatewayQuestion =
  | { readonly kind: 'listen'; readonly certificates: Pick<Certificates, 'ca' | 'server'> }
  /** Counts since the last `reset`. */
  | { readonly kind: 'count' }
  | { readonly kind: 'reset' }

export interface GatewayCounts {
  readonly port: number
  readonly accepted: number
  readonly rejected: number
  /** Arrived after the answer that ended their connection. */
  readonly discarded: number
  readonly barriers: number
  readonly connections: number
  /** Bytes of the notifications accepted. */
  readonly bytes: number
  /** When the last notification was taken, milliseconds since 1970. */
  readonly lastAt: number
  /** Of this process, user and system, microseconds. */
  readonly cpu: number
}

const HANDLER: FrameHandler = {
  take(bytes, token, _tokenEnd, frameBytes) {
    if (bytes[token] === 0xde && bytes[token + 1] === 0xad) {
      counts.rejected++
      return false
    }
    counts.accepted++
    counts.bytes += frameBytes
    return true
  },
  barrier: () => void counts.barriers++,
  discard: () => void counts.discarded++,
  connect: () => void counts.connections++,
  read: () => void (counts.lastAt = Date.now()),
}

let port = 0
let counts = noCounts()
let cpuAtReset = process.cpuUsage()

serveQuestions(async (question: GatewayQuestion): Promise<GatewayCounts> => {
  if (question.kind === 'listen') port = await serveFrames(question.certificates, HANDLER)
  if (question.kind === 'reset') {
    counts = noCounts()
    cpuAtReset = process.cpuUsage()
  }
  const { user, system } = process.cpuUsage(cpuAtReset)
  return { ...counts, port, cpu: user + system }
})

function noCounts() {
  return { accepted: 0, rejected: 0, discarded: 0, barriers: 0, connections: 0, bytes: 0, lastAt: 0 }
}
