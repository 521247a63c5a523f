// The provider API of provider-api.ts and goaways.ts: every request is taken but each so many-th, which is told that its
// device token is dead. It never looks into a request.
import { encodeString, huffmanEncode, renderHeaderBlock } from '@lhspn/apns-protocol/http2'
import type { Certificates } from '@lhspn/apns-simulator'

import { serveQuestions } from './child.ts'
import { type Answer, type Http2Counts, type RawConnection, renderAnswer, renderUnregistered } from './raw-http2.ts'
import { serveHttp2 } from './raw-http2.ts'

export type ProviderQuestion =
  | { readonly kind: 'listen'; readonly certificate: Certificates['server'] }
  /** Counts begin anew; connections stay. */
  | { readonly kind: 'reset'; readonly behaviour: ProviderBehaviour }
  | { readonly kind: 'count' }

export interface ProviderBehaviour {
  /** Every so many-th request gets a 410; 0: none. */
  readonly rejectEvery: number
  /** How the `apns-id` of answers is written: as it stands, or in Huffman and put into the table, each time anew. */
  readonly ids: 'literal' | 'huffman'
  /** Milliseconds that an answer takes. */
  readonly delayMs: number
  /** Requests of a connection, the last of which is answered with a GOAWAY behind; 0: none is ended. */
  readonly goawayEvery: number
}

export interface ProviderCounts extends Readonly<Http2Counts> {
  readonly port: number
  /** Requests answered with 410. */
  readonly rejected: number
  /** Of this process, user and system, microseconds. */
  readonly cpu: number
}

const PLAIN: ProviderBehaviour = { rejectEvery: 0, ids: 'literal', delayMs: 0, goawayEvery: 0 }
/** Far more than a table of 4,096 bytes holds: an id is never there when it comes again. */
const IDS = 1024
const ACCEPTED = { literal: renderAccepted(literalId), huffman: renderAccepted(huffmanId) }
const UNREGISTERED = renderUnregistered([['apns-id', idAt(0)]])

let port = 0
let behaviour = PLAIN
let counts = noCounts()
let cpuAtReset = process.cpuUsage()

serveQuestions(async (question: ProviderQuestion): Promise<ProviderCounts> => {
  if (question.kind === 'listen') {
    const { certificate } = question
    port = await serveHttp2({ certificate, counts: () => counts, delayMs: () => behaviour.delayMs, handler })
  }
  if (question.kind === 'reset') {
    behaviour = question.behaviour
    counts = noCounts()
    cpuAtReset = process.cpuUsage()
  }
  const { user, system } = process.cpuUsage(cpuAtReset)
  return { ...counts, port, cpu: user + system }
})

function noCounts(): Http2Counts & { rejected: number } {
  return { connections: 0, requests: 0, bytes: 0, violations: 0, firstViolation: undefined, rejected: 0 }
}

function handler() {
  let taken = 0
  return {
    request(stream: number, connection: RawConnection): void {
      const { rejectEvery, ids, goawayEvery } = behaviour
      const nth = counts.requests
      if (rejectEvery > 0 && nth % rejectEvery === 0) {
        counts.rejected++
        connection.answer(stream, UNREGISTERED)
      } else connection.answer(stream, ACCEPTED[ids][nth % IDS] as Answer)
      if (++taken === goawayEvery) connection.shutDown(stream)
    },
  }
}

function renderAccepted(renderId: (id: string) => Uint8Array): readonly Answer[] {
  const status = renderHeaderBlock([[':status', '200']])
  return Array.from({ length: IDS }, (_, index) => renderAnswer(Buffer.concat([status, renderId(idAt(index))])))
}

function literalId(id: string): Uint8Array {
  return renderHeaderBlock([['apns-id', id]])
}

/** A literal with incremental indexing and a new name (RFC 7541, 6.2.1), its value in Huffman. */
function huffmanId(id: string): Uint8Array {
  const field = Buffer.alloc(64)
  field[0] = 0x40
  const start = encodeString(field, 1, 'apns-id')
  const value = huffmanEncode(Buffer.from(id))
  field[start] = 0x80 | value.length
  field.set(value, start + 1)
  return field.subarray(0, start + 1 + value.length)
}

function idAt(index: number): string {
  const digits = (Math.imul(index + 1, 0x9e37_79b1) >>> 0).toString(16).padStart(8, '0').toUpperCase()
  return `${digits}-${digits.slice(0, 4)}-4${digits.slice(1, 4)}-8${digits.slice(2, 5)}-${digits}${digits.slice(4)}`
}
