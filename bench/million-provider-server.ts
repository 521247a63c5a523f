// The provider API of million-provider.ts, in a process of its own: it reads the device token of each request, and what
// it took is told by itself, not by who sent it.
import { encodeRstStream, HpackDecoder, HTTP2_ERROR } from '@lhspn/apns-protocol/http2'
import { renderHeaderBlock } from '@lhspn/apns-protocol/http2'

import { serveQuestions } from './child.ts'
import type { ServerFacts, ServerQuestion, Troubles } from './million-provider-job.ts'
import { type Answer, type Handler, type Http2Counts, type RawConnection, renderAnswer } from './raw-http2.ts'
import { renderUnregistered, serveHttp2, STREAM_AT } from './raw-http2.ts'

const ACCEPTED = renderAnswer(renderHeaderBlock([[':status', '200']]))
const UNREGISTERED = renderUnregistered()
const REFUSAL = renderRefusal()
/** Digits at the end of a token that are the notification's index. */
const INDEX_DIGITS = 8

const http2: Http2Counts = { connections: 0, requests: 0, bytes: 0, violations: 0, firstViolation: undefined }
const counts = { accepted: 0, unregistered: 0, refused: 0, goaways: 0 }
let port = 0
let times = new Uint8Array(0)
let dead = new Set<number>()
let toRefuse = new Set<number>()
let last = new Set<number>()

serveQuestions(async (question: ServerQuestion): Promise<ServerFacts> => {
  if (question.kind === 'start') {
    prepare(question.notifications, question.troubles)
    const { certificate } = question
    port = await serveHttp2({ certificate, counts: () => http2, delayMs: () => 0, handler: () => new Ledger() })
  }
  const takenOtherwise: [number, number][] = []
  for (const [index, taken] of times.entries())
    if (counts.accepted > 0 && taken !== 1) takenOtherwise.push([index, taken])
  const { connections, violations } = http2
  return { ...counts, port, takenOtherwise, connections, violations }
})

function prepare(notifications: number, troubles: Troubles): void {
  times = new Uint8Array(notifications)
  dead = new Set(troubles.dead)
  toRefuse = new Set(troubles.refused)
  last = new Set(troubles.last)
}

/** What comes on one connection. */
class Ledger implements Handler {
  readonly #headers = new HpackDecoder()
  /** The notifications of the streams whose request is not whole. */
  readonly #indexes = new Map<number, number>()
  #index = -1

  headers(stream: number, bytes: Uint8Array, start: number, end: number): void {
    this.#headers.decode(bytes, start, end, this)
    this.#indexes.set(stream, this.#index)
  }

  field(name: string, bytes: Uint8Array, _start: number, end: number): void {
    if (name === ':path')
      this.#index = Number.parseInt(Buffer.from(bytes).toString('latin1', end - INDEX_DIGITS, end), 16)
  }

  request(stream: number, connection: RawConnection): void {
    const index = this.#indexes.get(stream) ?? -1
    this.#indexes.delete(stream)
    if (toRefuse.delete(index)) {
      counts.refused++
      return connection.answer(stream, REFUSAL)
    }
    if (dead.has(index)) {
      counts.unregistered++
      return connection.answer(stream, UNREGISTERED)
    }
    counts.accepted++
    times[index]!++
    connection.answer(stream, ACCEPTED)
    if (last.has(index)) {
      counts.goaways++
      connection.shutDown(stream)
    }
  }
}

function renderRefusal(): Answer {
  const bytes = new Uint8Array(13)
  encodeRstStream(bytes, 0, 0, HTTP2_ERROR.REFUSED_STREAM)
  return { bytes, streamAt: [STREAM_AT] }
}
