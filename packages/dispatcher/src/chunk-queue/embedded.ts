import type { Database, Transaction } from '@lhspn/database'

import type { OnEvent } from '../events.ts'
import type { ChunkQueue, Lease, LeaseWish, Release, Renewal } from './chunk-queue.ts'
import { ChunkLeases } from './leases.ts'

export interface EmbeddedQueueOptions {
  readonly database: Database
  /** How long a lease lasts. */
  readonly leaseMs: number
  /** Told of pushes that are paused since a chunk ends its processes. */
  readonly onEvent?: OnEvent | undefined
}

/** How soon what another process has stored is found. */
const POLL_MS = 250

/** The database is the queue: whoever wants a chunk looks for one. No server besides it is needed. */
export class EmbeddedQueue implements ChunkQueue {
  readonly #leases: ChunkLeases
  readonly #reclaimMs: number
  readonly #closing = new AbortController()
  #reclaimedAt = -Infinity
  /** Wakes who waits; each waits by itself. */
  readonly #waiting = new Set<() => void>()

  constructor({ database, leaseMs, onEvent }: EmbeddedQueueOptions) {
    this.#leases = new ChunkLeases(database, leaseMs, onEvent)
    this.#reclaimMs = leaseMs / 4
  }

  async offer(): Promise<void> {
    for (const wake of this.#waiting) wake()
  }

  async lease(wish: LeaseWish, signal: AbortSignal): Promise<Lease | undefined> {
    const ended = (): boolean => signal.aborted || this.#closing.signal.aborted
    while (!ended()) {
      // What is offered while the database answers must not be missed.
      const pause = this.#pause(signal)
      try {
        const found = await this.#leases.leaseAny(wish)
        if (found !== undefined || ended()) return found
        await this.#reclaim()
        await pause.over
      } finally {
        pause.end()
      }
    }
    return undefined
  }

  renew(lease: Lease): Promise<Renewal | undefined> {
    return this.#leases.renew(lease)
  }

  complete(lease: Lease, transaction: Transaction): Promise<boolean> {
    return this.#leases.complete(lease, transaction)
  }

  async release(lease: Lease, release: Release): Promise<void> {
    await this.#leases.release(lease, release)
    if (release.afterMs === 0) await this.offer()
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await this.offer()
  }

  async #reclaim(): Promise<void> {
    if (performance.now() - this.#reclaimedAt < this.#reclaimMs) return
    this.#reclaimedAt = performance.now()
    const pushes = await this.#leases.reclaim()
    if (pushes.length > 0) await this.offer()
  }

  /** Is over after a while, when something is offered, or when `signal` is aborted. */
  #pause(signal: AbortSignal): { readonly over: Promise<void>; readonly end: () => void } {
    let end!: () => void
    const over = new Promise<void>((resolve) => {
      end = () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', end)
        this.#waiting.delete(end)
        resolve()
      }
      const timer = setTimeout(end, POLL_MS)
      signal.addEventListener('abort', end)
      this.#waiting.add(end)
    })
    return { over, end }
  }
}
