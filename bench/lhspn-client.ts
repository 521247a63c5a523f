// Sends a workload through the public `send`: barriers on, arrays of 1,000, every outcome looked at.
import { type Notification, openCertificate, type OutcomeKind, Sender } from '@lhspn/sender'

import { serveQuestions } from './child.ts'
import { peakRss } from './memory.ts'
import { ALERT, badgeAt, CUSTOM_KEYS, EXPIRATION, tokenAt, type Workload } from './workload.ts'
import type { ClientFigures, ClientQuestion } from './workload.ts'

const BATCH = 1000
const content = { payload: { aps: { alert: ALERT, sound: 'default' }, ...CUSTOM_KEYS }, expiration: EXPIRATION }

let figures: ClientFigures | undefined

serveQuestions(async (question: ClientQuestion) => {
  if (question.kind === 'send') figures = await send(question.workload)
  return figures
})

async function send(workload: Workload): Promise<ClientFigures> {
  const { port, certificates } = workload
  const credentials = openCertificate(Buffer.from(certificates.client))
  const startedAt = Date.now()
  const cpuBefore = process.cpuUsage()
  const counts: Record<OutcomeKind, number> = { accepted: 0, rejected: 0, unregistered: 0, unconfirmed: 0, unsent: 0 }
  const sender = new Sender({ gateway: `127.0.0.1:${port}`, credentials, ca: certificates.ca })
  for await (const outcomes of sender.send(batches(workload))) {
    for (const { kind } of outcomes) counts[kind]++
  }
  const endedAt = Date.now()
  await sender.close()
  const { user, system } = process.cpuUsage(cpuBefore)
  const { accepted, rejected, unconfirmed, unsent } = counts
  return {
    cpu: user + system,
    startedAt,
    endedAt,
    peakRss: peakRss(),
    accepted,
    rejected,
    others: unconfirmed + unsent,
  }
}

function* batches({ notifications, rejectEvery }: Workload): Generator<Notification[]> {
  for (let start = 0; start < notifications; start += BATCH) {
    const batch: Notification[] = []
    for (let index = start; index < Math.min(start + BATCH, notifications); index++) {
      batch.push({ token: tokenAt(index, rejectEvery), content, badge: badgeAt(index) })
    }
    yield batch
  }
}
