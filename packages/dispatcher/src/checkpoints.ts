import type { Database } from '@lhspn/database'
import type { DeviceStore } from '@lhspn/device-store'

import type { ChunkOutcomes, Part } from './chunk-outcomes.ts'
import { MOST_REMOVALS } from './chunk-outcomes.ts'
import type { ChunkQueue, Lease, Orders } from './chunk-queue/chunk-queue.ts'
import { ordersOf } from './chunk-queue/leases.ts'
import { wasClosedBy, writeOutcomes, writeReasons } from './statements/checkpoint.ts'
import { untilDone } from './until-done.ts'

/** Newly settled, and ms since the first of them, after which a checkpoint is due. */
const DUE = { settled: 1000, ms: 250 }
/** Outcomes that may be taken from the sender while a checkpoint is written. */
const MOST_AHEAD = 1000

export interface CheckpointsOptions {
  readonly database: Database
  readonly store: DeviceStore
  readonly queue: ChunkQueue
  readonly lease: Lease
  readonly outcomes: ChunkOutcomes
  /** Aborted: gives up what the database does not take. */
  readonly signal: AbortSignal
  readonly onOrders: (orders: Orders) => void
  /** The lease is lost, or the database refuses for good: nothing more will be written. */
  readonly onEnd: (error: unknown) => void
  readonly onError: (error: unknown) => void
  readonly onRemoved: (tokens: readonly string[]) => void
}

/** Somebody else has the chunk. */
export class LeaseLost extends Error {}

/**
 * Writes down what became of a chunk's members, one transaction at a time: outcomes, removed devices and reasons
 * together, or nothing where the lease is lost. Each is whole and absolute, so that one whose COMMIT was not answered is
 * written again.
 */
export class Checkpoints {
  readonly #options: CheckpointsOptions
  #writing: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #failed = false
  #failure: unknown

  constructor(options: CheckpointsOptions) {
    this.#options = options
  }

  /** Something was settled: whatever is due begins. */
  note(): void {
    const { outcomes } = this.#options
    if (this.#failed || this.#writing !== undefined || outcomes.pending === 0) return
    if (outcomes.pending >= DUE.settled || outcomes.removals >= MOST_REMOVALS) void this.#begin()
    else this.#timer ??= setTimeout(() => void this.#begin(), DUE.ms)
  }

  /** Waits while too much is settled and not written. @throws what ended the writing */
  async keepUp(): Promise<void> {
    while (this.#writing !== undefined && this.#options.outcomes.pending > MOST_AHEAD) await this.#writing
    if (this.#failed) throw this.#failure
  }

  /** Writes all that is settled. @throws LeaseLost, DatabaseError */
  async flush(): Promise<void> {
    while (!this.#failed && (this.#writing !== undefined || this.#options.outcomes.pending > 0)) {
      await (this.#writing ?? this.#begin())
    }
    if (this.#failed) throw this.#failure
  }

  /** Writes all that is settled, and closes the chunk with the last of it. @throws LeaseLost, DatabaseError */
  async close(): Promise<void> {
    const { outcomes } = this.#options
    while (!this.#failed && (this.#writing !== undefined || outcomes.removals > MOST_REMOVALS))
      await (this.#writing ?? this.#begin())
    if (this.#failed) throw this.#failure
    this.stop()
    await this.#write(true)
  }

  /** Nothing more is written by itself. */
  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #begin(): Promise<void> {
    this.stop()
    this.#writing ??= this.#attempt()
    return this.#writing
  }

  async #attempt(): Promise<void> {
    try {
      await this.#write(false)
    } catch (error) {
      this.#failed = true
      this.#failure = error
      this.#options.onEnd(error)
    } finally {
      this.#writing = undefined
    }
    this.note()
  }

  async #write(closing: boolean): Promise<void> {
    const { database, outcomes, onOrders, onRemoved } = this.#options
    const part = outcomes.take()
    const written = await untilDone(() => this.#transaction(database, part, closing), this.#options)
    if (written === undefined) throw new LeaseLost()
    if (written.removed.length > 0) onRemoved(written.removed)
    onOrders(written.orders)
  }

  /** undefined: the lease is lost. */
  #transaction(database: Database, part: Part, closing: boolean) {
    const { store, queue, lease } = this.#options
    const { app, environment, id, number } = lease.push
    return database.transaction(async (transaction) => {
      if (!(await writeOutcomes(transaction, lease, part))) {
        // Closed by a transaction whose COMMIT was not answered.
        if (!closing || !(await wasClosedBy(transaction, lease))) return undefined
        return { removed: [], orders: await ordersOf(transaction, number) }
      }
      const removed =
        part.removals.length === 0
          ? []
          : await store.removeUnregistered(app, environment, part.removals, { in: transaction, push: id })
      await writeReasons(transaction, lease, part.reasons)
      if (closing && !(await queue.complete(lease, transaction))) throw new LeaseLost()
      return { removed, orders: await ordersOf(transaction, number) }
    })
  }
}
