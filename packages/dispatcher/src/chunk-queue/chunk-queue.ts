import type { Transaction } from '@lhspn/database'

import type { ActivePush } from '../active-push.ts'
import type { Environment } from '../push.ts'

/** A push that may have chunks to be delivered. */
export interface Offer {
  /** The push's number. */
  readonly push: number
  /** Whether its chunks are small or paced: whoever is busy with large ones takes such all the same. */
  readonly light: boolean
  /** So long there is nothing to take; 0 = now. */
  readonly afterMs: number
}

/** What somebody who leases will take. */
export interface LeaseWish {
  /** True: only small chunks and those that pace a rate. */
  readonly lightOnly: boolean
  /** Whether nothing of this app and environment should be taken now. */
  readonly held: (app: string, environment: Environment) => boolean
}

/** When a chunk of a rated push is to be written: steady times (`performance.now()`) of this process. */
export interface Slot {
  readonly start: number
  readonly end: number
  /** The same by the database's clock; `push.next_at` was moved on to the end. */
  readonly startsAt: number
  readonly endsAt: number
}

/** A chunk that is ours until its lease runs out. */
export interface Lease {
  /** The chunk's id. */
  readonly chunk: number
  /** Random, for this claim: every write to the chunk names it. */
  readonly owner: bigint
  readonly push: ActivePush
  /** Notifications a second; null: as fast as it goes. */
  readonly rate: number | null
  /** False: many rejected tokens do not make this push pause. */
  readonly checksMismatch: boolean
  readonly seq: number
  readonly size: number
  readonly members: Uint8Array
  /** A code for each member, 0 where it is not settled. */
  readonly outcomes: Uint8Array
  /** Members, from the first, whose badge was counted. */
  readonly counted: number
  /** Times in a row that nothing but TooManyRequests came back, or unconfirmed ones that go again. */
  readonly waits: number
  /** UNIX ms of the database when the chunk was leased for the first time. */
  readonly startedAt: number
  readonly slot: Slot | undefined
  /** Steady time at which the lease ends at the earliest. */
  readonly until: number
}

/** What a push's row asks of those who deliver its chunks. */
export interface Orders {
  /** False: paused or canceled meanwhile. */
  readonly running: boolean
  readonly rate: number | null
}

/** What a renewal finds. */
export interface Renewal extends Orders {
  /** Steady time at which the lease now ends at the earliest. */
  readonly until: number
}

export interface Release {
  /** The chunk may be leased again after so long; 0 = at once. */
  readonly afterMs: number
  /** As in the lease; 0 where it made progress. */
  readonly waits: number
}

/**
 * Who delivers which chunk: fair turns between pushes. What is to be done stands in the database, and every chunk's row
 * holds its fence, whatever the queue: one that forgets, repeats or delays an offer loses nothing and doubles nothing.
 */
export interface ChunkQueue {
  /** Tells that a push has chunks to be delivered; telling it again changes nothing. */
  offer(offer: Offer): Promise<void>
  /**
   * Leases the next chunk of the push that was served longest ago; undefined if there is none to take now. It waits a
   * while for one, until `signal` is aborted.
   */
  lease(wish: LeaseWish, signal: AbortSignal): Promise<Lease | undefined>
  /** Makes the lease last as long as a new one; undefined: it is lost. */
  renew(lease: Lease): Promise<Renewal | undefined>
  /** Closes the chunk, in the transaction of its last checkpoint. False: the lease is lost, and nothing may be written. */
  complete(lease: Lease, transaction: Transaction): Promise<boolean>
  /** Gives the chunk back, with the rest of its slot; it is no fruitless lease then. No harm where the lease is lost. */
  release(lease: Lease, release: Release): Promise<void>
  /** What waits ends, and connections of its own are closed. */
  close(): Promise<void>
}
