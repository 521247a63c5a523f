// A gateway that is as cheap as Node allows, so that the client is what is measured: it walks over frames without
// decoding them, counts, and answers only tokens that start with `dead` (status 8) and empty ones (status 2).
import type { AddressInfo } from 'node:net'
import { createServer, type TLSSocket } from 'node:tls'

import type { Certificates } from '@lhspn/apns-simulator'

import { serveQuestions } from './child.ts'

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

const HEADER_BYTES = 5
const IDENTIFIER_ITEM = 3
const ITEM_BYTES = 3
const NOTHING = Buffer.alloc(0)

let port = 0
let counts = noCounts()
let cpuAtReset = process.cpuUsage()

serveQuestions(async (question: GatewayQuestion): Promise<GatewayCounts> => {
  if (question.kind === 'listen') port = await listen(question.certificates)
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

async function listen({ ca, server }: Pick<Certificates, 'ca' | 'server'>): Promise<number> {
  const listener = createServer({ ...server, ca, requestCert: true, rejectUnauthorized: true }, serve)
  await new Promise<void>((resolve) => {
    listener.listen(0, '127.0.0.1', resolve)
  })
  return (listener.address() as AddressInfo).port
}

function serve(socket: TLSSocket): void {
  counts.connections++
  let rest: Buffer = NOTHING
  let over = false
  socket.setNoDelay(true)
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk: Buffer) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let start = 0
    while (bytes.length - start >= HEADER_BYTES) {
      const end = start + HEADER_BYTES + bytes.readUInt32BE(start + 1)
      if (end > bytes.length) break
      if (over) counts.discarded++
      else over = take(socket, bytes, start, end)
      start = end
    }
    rest = start === bytes.length ? NOTHING : bytes.subarray(start)
    counts.lastAt = Date.now()
  })
}

/** Takes the frame from `start` to `end`; true when it ends the connection. */
function take(socket: TLSSocket, bytes: Buffer, start: number, end: number): boolean {
  // We write the identifier's item before the token's, apn behind the payload's.
  const first = start + HEADER_BYTES
  const token = bytes[first] === IDENTIFIER_ITEM ? first + ITEM_BYTES + 4 : first
  const empty = bytes.readUInt16BE(token + 1) === 0
  if (!empty && !(bytes[token + ITEM_BYTES] === 0xde && bytes[token + ITEM_BYTES + 1] === 0xad)) {
    counts.accepted++
    counts.bytes += end - start
    return false
  }
  if (empty) counts.barriers++
  else counts.rejected++
  const response = Buffer.from([8, empty ? 2 : 8, 0, 0, 0, 0])
  response.writeUInt32BE(identifierOf(bytes, first, end), 2)
  socket.end(response)
  return true
}

function identifierOf(bytes: Buffer, first: number, end: number): number {
  for (let item = first; item < end; item += ITEM_BYTES + bytes.readUInt16BE(item + 1)) {
    if (bytes[item] === IDENTIFIER_ITEM) return bytes.readUInt32BE(item + ITEM_BYTES)
  }
  return 0
}
