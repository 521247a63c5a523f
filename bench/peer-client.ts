import { serveQuestions } from './child.ts'
import { peakRss } from './memory.ts'
import type { ProviderClientFigures, ProviderClientQuestion, ProviderWorkload } from './provider-workload.ts'
import { MOST_STREAMS } from './raw-http2.ts'

/** A library that sends. */
export interface Peer {
  /** How many it takes in one call. */
  readonly batch: number
  /** Sends the notifications from `start` to before `end`. Resolves with the statuses of the answers; 0: there was none. */
  send(start: number, end: number): Promise<readonly number[]>
}

/**
 * Sends workloads through a library: as many at once as the server allows streams, which it is fastest with. Its
 * connection is kept from one workload to the next, and proven with one notification first.
 */
export function servePeer(connect: (workload: ProviderWorkload) => Promise<Peer>): void {
  let peer: Peer | undefined
  serveQuestions(async ({ workload }: ProviderClientQuestion): Promise<ProviderClientFigures> => {
    const proof = peer === undefined ? 1 : 0
    peer ??= await connect(workload)
    const statuses = new Map<number, number>()
    const startedAt = Date.now()
    const cpuBefore = process.cpuUsage()
    await sendAll(peer, 0, proof, statuses)
    await sendAll(peer, proof, workload.notifications, statuses)
    const endedAt = Date.now()
    const { user, system } = process.cpuUsage(cpuBefore)
    const accepted = statuses.get(200) ?? 0
    const rejected = statuses.get(410) ?? 0
    const others = workload.notifications - accepted - rejected
    return { cpu: user + system, startedAt, endedAt, peakRss: peakRss(), accepted, rejected, others }
  })
}

async function sendAll(peer: Peer, from: number, to: number, statuses: Map<number, number>): Promise<void> {
  let next = from
  const sendOnAndOn = async () => {
    while (next < to) {
      const start = next
      next = Math.min(start + peer.batch, to)
      for (const status of await peer.send(start, next)) statuses.set(status, (statuses.get(status) ?? 0) + 1)
    }
  }
  await Promise.all(Array.from({ length: MOST_STREAMS / peer.batch }, sendOnAndOn))
}
