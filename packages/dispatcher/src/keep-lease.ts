import type { ChunkQueue, Lease, Renewal } from './chunk-queue/chunk-queue.ts'
import { pauseFor } from './until-done.ts'

export interface KeepLeaseOptions {
  readonly queue: ChunkQueue
  readonly lease: Lease
  readonly leaseMs: number
  /** Aborted: it is not kept any longer. */
  readonly signal: AbortSignal
  readonly onRenewal: (renewal: Renewal) => void
  readonly onLost: () => void
  readonly onError: (error: unknown) => void
}

/** Renewals in the length of a lease: two may fail. */
const RENEWALS = 3
const LONGEST_PAUSE_MS = 250

/** Renews a lease until `signal` is aborted, or it is lost. Never rejects. */
export async function keepLease(options: KeepLeaseOptions): Promise<void> {
  const { queue, lease, leaseMs, signal, onRenewal, onLost, onError } = options
  const usual = leaseMs / RENEWALS
  for (let pause = usual; ;) {
    await pauseFor(pause, signal)
    if (signal.aborted) return
    try {
      const renewal = await queue.renew(lease)
      // Closed or given back meanwhile, it is not ours any more.
      if (signal.aborted) return
      if (renewal === undefined) return onLost()
      onRenewal(renewal)
      pause = usual
    } catch (error) {
      onError(error)
      pause = Math.min(usual, LONGEST_PAUSE_MS)
    }
  }
}
