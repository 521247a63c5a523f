// The provider API of million-provider.ts, in a process of its own: it reads the device token of each request, and what
// it took is told by itself, not by who sent it.
import { encodeRstStream, HTTP2_ERROR, renderHeaderBlock } from '@lhspn/apns-protocol/http2'

import { serveQuestions } from './child.ts'
import type { ServerFacts, ServerQuestion, Troubles } from './million-provider-job.ts'
import { NumberedRequests } from './numbered-requests.ts'
import { type Answer, type Http2Counts, type RawConnection, renderAnswer } from './raw-http2.ts'
import { renderUnregistered, serveHttp2, STREAM_AT } from './raw-http2.ts'

const ACCEPTED = renderAnswer(renderHeaderBlock([[':status', '200']]))
const UNREGISTERED = renderUnregistered()
const REFUSAL = renderRefusal()

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
    port = await serveHttp2({
      certificate,
      counts: () => http2,
      delayMs: () => 0,
      handler: () => new NumberedRequests(answer),
    })
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

function answer(index: number, stream: number, connection: RawConnection): void {
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

function renderRefusal(): Answer {
  const bytes = new Uint8Array(13)
  encodeRstStream(bytes, 0, 0, HTTP2_ERROR.REFUSED_STREAM)
  return { bytes, streamAt: [STREAM_AT] }
}
