// Sends a workload through the public `send`, over the provider API: arrays of 1,000, every outcome looked at.
import { type Notification, type OutcomeKind, Sender } from '@lhspn/sender'

import { serveQuestions } from './child.ts'
import { peakRss } from './memory.ts'
import {
  PAYLOAD,
  type ProviderClientFigures,
  type ProviderClientQuestion,
  type ProviderWorkload,
  TOPIC,
} from './provider-workload.ts'
import { badgeAt, EXPIRATION, tokenAt } from './workload.ts'

const BATCH = 1000
const content = { payload: PAYLOAD, expiration: EXPIRATION }

serveQuestions(async ({ workload }: ProviderClientQuestion): Promise<ProviderClientFigures> => {
  const { port, ca, signingKey: credentials, connections } = workload
  const startedAt = Date.now()
  const cpuBefore = process.cpuUsage()
  const counts: Record<OutcomeKind, number> = { accepted: 0, rejected: 0, unregistered: 0, unconfirmed: 0, unsent: 0 }
  const sender = new Sender({ app: TOPIC, provider: `127.0.0.1:${port}`, ca, credentials, connections })
  for await (const outcomes of sender.send(batches(workload))) {
    for (const { kind } of outcomes) counts[kind]++
  }
  const endedAt = Date.now()
  await sender.close()
  const { user, system } = process.cpuUsage(cpuBefore)
  const { accepted, rejected, unregistered, unconfirmed, unsent } = counts
  return {
    cpu: user + system,
    startedAt,
    endedAt,
    peakRss: peakRss(),
    accepted,
    rejected: unregistered,
    others: rejected + unconfirmed + unsent,
  }
})

function* batches({ notifications, badges }: ProviderWorkload): Generator<Notification[]> {
  for (let start = 0; start < notifications; start += BATCH) {
    const batch: Notification[] = []
    for (let index = start; index < Math.min(start + BATCH, notifications); index++) {
      const token = tokenAt(index, 0)
      batch.push(badges ? { token, content, badge: badgeAt(index) } : { token, content })
    }
    yield batch
  }
}
