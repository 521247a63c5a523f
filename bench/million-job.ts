import type { Certificates } from '@lhspn/apns-simulator'
import type { OutcomeKind, Reason } from '@lhspn/sender'

/** What both processes of `million.ts` are told. */
export interface MillionJob {
  readonly notifications: number
  /** Indexes of the notifications that the simulator rejects, ascending. */
  readonly rejected: readonly number[]
  /** Index of the one at which it shuts down, after taking it. */
  readonly shutdown: number
}

export type SimulatorQuestion = { readonly kind: 'start'; readonly job: MillionJob } | { readonly kind: 'tell' }

export interface SimulatorFacts {
  readonly gateway: string
  readonly certificates: Pick<Certificates, 'ca' | 'client'>
  /** Notifications taken, whatever their token. */
  readonly accepted: number
  /** Index and times of every token of the job that was taken other than exactly once. */
  readonly takenOtherwise: readonly (readonly [index: number, times: number])[]
  readonly counts: Readonly<Record<string, number>>
  /** Error responses by status. */
  readonly answers: readonly (readonly [status: number, times: number])[]
  readonly connections: number
}

export interface SenderQuestion {
  readonly gateway: string
  readonly certificates: Pick<Certificates, 'ca' | 'client'>
  readonly notifications: number
}

export interface SenderFacts {
  /** Every outcome but `accepted`. */
  readonly notAccepted: readonly { readonly index: number; readonly kind: OutcomeKind; readonly reason?: Reason }[]
  readonly accepted: number
  /** Indexes with no outcome, or with more than one. */
  readonly notOnce: readonly number[]
  readonly seconds: number
  /** Of the process during the sending, user and system. */
  readonly cpuSeconds: number
  /** Bytes: before the first notification, and at the highest. */
  readonly rssBefore: number
  readonly rssPeak: number
}

const TOKEN = Buffer.alloc(32)

/** The device token of the notification number `index`, from 0: 32 bytes that no other has. */
export function tokenOf(index: number): string {
  TOKEN.writeUInt32BE(index, TOKEN.length - 4)
  return TOKEN.toString('hex')
}

/** Different notifications by index, in random order; the same for the same seed. */
export function randomIndexes(count: number, notifications: number, seed: number): number[] {
  if (!(Number.isInteger(notifications) && notifications >= 1000)) throw new Error('--notifications: 1,000 or more')
  const indexes = new Set<number>()
  for (let state = seed >>> 0; indexes.size < count;) {
    // a linear congruential generator, whose high bits are random enough here
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    indexes.add(Math.floor((state / 0x1_0000_0000) * notifications))
  }
  return [...indexes]
}
