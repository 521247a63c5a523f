import type { Database, DatabaseError } from '@lhspn/database'

import type { ChunkQueue } from './chunk-queue/chunk-queue.ts'
import { isLight, SLOT_MS } from './chunk-queue/leases.ts'
import type { OnEvent } from './events.ts'
import { appendChunks, type NewChunk, type Planning, type PlanRow, readPlan } from './statements/plan.ts'
import { pausePush, readAddress } from './statements/pushes.ts'

export interface PlanOptions {
  readonly database: Database
  readonly queue: Pick<ChunkQueue, 'offer'>
  /** Members a chunk, at most. */
  readonly chunkSize: number
  readonly leaseMs: number
  readonly onEvent: OnEvent
}

/** Members a chunk of a push with this rate: no more than a slot is long, so that a change of the rate is felt soon. */
export function chunkSizeOf(rate: number | null, chunkSize: number): number {
  return rate === null ? chunkSize : Math.max(1, Math.min(chunkSize, Math.floor((rate * SLOT_MS) / 1000)))
}

/** Members cut into chunks. */
export function chunksOf<M>(
  members: readonly M[],
  size: number,
  encode: (part: readonly M[]) => Uint8Array,
): readonly NewChunk[] {
  const chunks: NewChunk[] = []
  for (let at = 0; at < members.length; at += size) {
    const part = members.slice(at, at + size)
    chunks.push({ size: part.length, members: encode(part) })
  }
  return chunks
}

/** The chunks that a planner makes of one push, one transaction after the other. */
export class PlannedChunks {
  readonly #options: PlanOptions
  readonly #planning: Planning
  #row: PlanRow
  #seq: number
  #after: number
  #planned: number

  constructor(options: PlanOptions, planning: Planning, row: PlanRow) {
    this.#options = options
    this.#planning = planning
    this.#row = row
    this.#seq = row.plan_seq
    this.#after = row.plan_after
    this.#planned = row.planned
  }

  /** Members a chunk. */
  get size(): number {
    return chunkSizeOf(this.#row.rate, this.#options.chunkSize)
  }

  /** Members that one `append` may take: many small chunks go together. */
  get most(): number {
    return Math.max(this.size, this.#options.chunkSize - (this.#options.chunkSize % this.size))
  }

  /**
   * Stores members as chunks. `after`: the last id among them, where planning would go on. False: the push stands still,
   * perhaps because these are more than it may have, or the planning is another's; nothing was stored.
   */
  async append<M>(
    members: readonly M[],
    encode: (part: readonly M[]) => Uint8Array,
    { after = this.#after, isLast = false } = {},
  ): Promise<boolean> {
    const { leaseMs } = this.#options
    const chunks = chunksOf(members, this.size, encode)
    const limit = this.#row.max_audience
    if (limit !== null && this.#planned + members.length > limit) {
      await this.#pauseTooLarge()
      return false
    }
    const place = { seq: this.#seq, after, isLast, leaseMs }
    if (!(await this.#store(chunks, place))) return false
    this.#seq += chunks.length
    this.#after = after
    this.#planned += members.length
    const [first] = chunks
    // Whether it runs by now is seen by whoever takes its turn.
    if (first !== undefined) await this.#offer(first)
    return true
  }

  /** Sees how the push stands now. False: the planning is another's, or over. */
  async look(): Promise<boolean> {
    const row = await readPlan(this.#options.database, this.#planning)
    if (row !== undefined) this.#row = row
    return row !== undefined
  }

  async #store(chunks: readonly NewChunk[], place: Parameters<typeof appendChunks>[3]): Promise<boolean> {
    const { database } = this.#options
    let failure: unknown
    try {
      if (await database.transaction((transaction) => appendChunks(transaction, this.#planning, chunks, place)))
        return true
    } catch (error) {
      if ((error as DatabaseError).code !== 'connection-lost') throw error
      failure = error
    }
    // A COMMIT without an answer may have happened, this time or the last: nobody else moves the place on.
    const row = await readPlan(database, this.#planning)
    if (chunks.length > 0 && row?.plan_seq === place.seq + chunks.length) return true
    if (failure !== undefined) throw failure
    return false
  }

  async #pauseTooLarge(): Promise<void> {
    const { database, onEvent } = this.#options
    const because = 'audience-too-large'
    if (!(await pausePush(database, this.#planning.number, because))) return
    const address = await readAddress(database, this.#planning.number)
    if (address !== undefined) onEvent({ kind: 'paused', ...address, because })
  }

  #offer({ size }: NewChunk): Promise<void> {
    const light = isLight(size, this.#row.rate)
    return this.#options.queue.offer({ push: this.#planning.number, light, afterMs: 0 })
  }
}
