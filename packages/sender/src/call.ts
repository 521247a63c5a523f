import type { SenderError } from './errors.ts'
import type { Notification } from './notification.ts'
import type { OwnReason, Outcome } from './outcome.ts'

/** What to do with notifications at an unknown position: report them as unconfirmed, or send them again. */
export type OnUnconfirmed = 'report' | 'resend'

/** Why a call takes no more input, and how what it has left leaves. */
export type Ending = Extract<OwnReason, 'Aborted' | 'Deadline' | 'Draining' | 'Unreachable' | 'RetryLater' | 'Stopped'>

/**
 * Below so many notifications waiting to be written, more input is pulled: as many as one turn of the event loop writes
 * where they are short. More would only grow old in memory.
 */
const LOW_WATER = 3072
/** Outcomes leave in arrays of at most so many: those that the caller has looked at are garbage while others wait. */
const MOST_AT_ONCE = 1024

/**
 * One `send`: its input that is not written yet, its outcomes that are not taken yet, and the room between both.
 * Its room is its own: who does not take outcomes stops only itself.
 */
export class Call {
  readonly onUnconfirmed: OnUnconfirmed
  readonly deadline: (() => number) | undefined
  readonly #room: number
  /** Outcomes that the caller has not taken, oldest first: full arrays, and the one that is being filled. */
  readonly #full: Outcome[][] = []
  #filling: Outcome[] = []
  #filled = 0
  /** Input, oldest first. The first array is read from `#cursor`. */
  readonly #batches: (readonly Notification[])[] = []
  #cursor = 0
  /** Notifications of the input that were not taken out of it. */
  queued = 0
  /** Notifications that were taken out of the input and have no outcome. */
  unsettled = 0
  inputEnded = false
  ending: Ending | undefined
  /** With it the call ends, once all outcomes are out. */
  error: SenderError | undefined
  /** With the ending `RetryLater`: when to try again, in milliseconds since 1970. */
  retryAt: number | undefined

  /** @param room notifications without an outcome, and outcomes not taken, that this call may hold beside its input */
  constructor(room: number, onUnconfirmed: OnUnconfirmed, deadline: (() => number) | undefined) {
    this.#room = room
    this.onUnconfirmed = onUnconfirmed
    this.deadline = deadline
  }

  /** Whether a notification may be taken out of the input now. */
  get hasWork(): boolean {
    return this.queued > 0 && this.unsettled + this.#untaken < this.#room
  }

  /** Whether more input should be pulled. */
  get wantsInput(): boolean {
    return this.queued < LOW_WATER && this.unsettled + this.#untaken < this.#room
  }

  /** Whether every notification that went in has its outcome, and none will come. */
  get finished(): boolean {
    return (this.inputEnded || this.ending !== undefined) && this.queued === 0 && this.unsettled === 0
  }

  /** Adds input; the array is kept and read later, not copied. */
  enqueue(batch: readonly Notification[]): void {
    if (batch.length === 0) return
    this.#batches.push(batch)
    this.queued += batch.length
  }

  /** Takes the next notification out of the input; there must be one. */
  take(): Notification {
    const batch = this.#batches[0] as readonly Notification[]
    const notification = batch[this.#cursor++] as Notification
    if (this.#cursor === batch.length) {
      this.#batches.shift()
      this.#cursor = 0
    }
    this.queued--
    this.unsettled++
    return notification
  }

  /** Gives a notification that was taken out of the input its outcome. */
  settle(outcome: Outcome): void {
    this.unsettled--
    if (this.#filled === MOST_AT_ONCE) {
      this.#full.push(this.#filling)
      // Who filled one array fills another. It has its size at once: growing would leave twice as much again behind.
      this.#filling = []
      this.#filling.length = MOST_AT_ONCE
      this.#filled = 0
    }
    this.#filling[this.#filled++] = outcome
  }

  /** The oldest outcomes that the caller has not taken, at most 1,024; an empty array if there are none. */
  takeOutcomes(): Outcome[] {
    const full = this.#full.shift()
    if (full !== undefined) return full
    const outcomes = this.#filling
    if (this.#filled === 0) return outcomes
    outcomes.length = this.#filled
    this.#filling = []
    this.#filled = 0
    return outcomes
  }

  get #untaken(): number {
    return this.#full.length * MOST_AT_ONCE + this.#filled
  }
}
