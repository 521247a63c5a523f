// The sender of goaways.ts, in a process of its own: its memory is what is measured.
import { type Notification, Sender, type SigningKey } from '@lhspn/sender'

import { serveQuestions } from './child.ts'
import { peakRss } from './memory.ts'
import { PAYLOAD, TOPIC } from './provider-workload.ts'
import { tokenAt } from './workload.ts'

export interface GoawaysQuestion {
  readonly port: number
  readonly ca: string
  readonly signingKey: SigningKey
  readonly notifications: number
  /** The memory is told as of this connection. */
  readonly earlyConnections: number
}

export interface GoawaysFacts {
  readonly accepted: number
  readonly others: number
  readonly connections: number
  readonly goaways: number
  /** Highest so far, bytes: when the early connections were over, and at the end. */
  readonly rssEarly: number
  readonly rssAtEnd: number
  readonly seconds: number
}

const BATCH = 1000
const content = { payload: PAYLOAD }

serveQuestions(async (question: GoawaysQuestion): Promise<GoawaysFacts> => {
  const { port, ca, signingKey: credentials, notifications, earlyConnections } = question
  const startedAt = performance.now()
  const counts = { accepted: 0, others: 0, connections: 0, goaways: 0, rssEarly: NaN }
  const sender = new Sender({
    app: TOPIC,
    provider: `127.0.0.1:${port}`,
    ca,
    credentials,
    connections: 1,
    connectionsPerSecond: Infinity,
    onEvent({ kind }) {
      if (kind === 'goaway' && ++counts.goaways === earlyConnections) counts.rssEarly = peakRss()
      if (kind === 'connected') counts.connections++
    },
  })
  for await (const outcomes of sender.send(batches(notifications))) {
    for (const { kind } of outcomes) counts[kind === 'accepted' ? 'accepted' : 'others']++
  }
  await sender.close()
  return { ...counts, rssAtEnd: peakRss(), seconds: (performance.now() - startedAt) / 1000 }
})

function* batches(notifications: number): Generator<Notification[]> {
  for (let start = 0; start < notifications; start += BATCH) {
    const length = Math.min(BATCH, notifications - start)
    yield Array.from({ length }, (_, offset) => ({ token: tokenAt(start + offset, 0), content, badge: offset & 15 }))
  }
}
