import type { Notification, Outcome, Sender } from '@lhspn/sender'

import { peakRss } from './memory.ts'
import { type SenderFacts, tokenOf } from './million-job.ts'

interface Numbered extends Notification {
  readonly index: number
}

const BATCH = 1000
const content = { payload: { aps: { alert: 'A million of these', sound: 'default' } } }

/** The notifications of both benches of a million, with a token and a badge of their own. */
export function* numberedBatches(notifications: number): Generator<Numbered[]> {
  for (let start = 0; start < notifications; start += BATCH) {
    const size = Math.min(BATCH, notifications - start)
    yield Array.from({ length: size }, (_, at) => numbered(start + at))
  }
}

function numbered(index: number): Numbered {
  return { token: tokenOf(index), content, badge: index & 15, index }
}

/** Streams them through a sender, which is closed then, and notes what it said of each. */
export async function streamThrough(
  open: () => Sender,
  batches: Iterable<Numbered[]> | AsyncIterable<Numbered[]>,
  notifications: number,
): Promise<SenderFacts> {
  const outcomesOf = new Uint8Array(notifications)
  const notAccepted: SenderFacts['notAccepted'][number][] = []
  let accepted = 0
  // A function of its own: it is optimized, while a loop in this one would make an object at each step.
  const tally = (outcomes: readonly Outcome<Numbered>[]): void => {
    for (const { notification, kind, reason } of outcomes) {
      outcomesOf[notification.index]!++
      if (kind === 'accepted') accepted++
      else notAccepted.push({ index: notification.index, kind, ...(reason !== undefined && { reason }) })
    }
  }
  const rssBefore = process.memoryUsage.rss()
  const [cpuBefore, startedAt] = [process.cpuUsage(), performance.now()]
  const sender = open()
  for await (const outcomes of sender.send(batches)) tally(outcomes)
  const seconds = (performance.now() - startedAt) / 1000
  await sender.close()
  const { user, system } = process.cpuUsage(cpuBefore)
  const notOnce: number[] = []
  for (let index = 0; index < notifications; index++) if (outcomesOf[index] !== 1) notOnce.push(index)
  return { notAccepted, accepted, notOnce, seconds, cpuSeconds: (user + system) / 1e6, rssBefore, rssPeak: peakRss() }
}
