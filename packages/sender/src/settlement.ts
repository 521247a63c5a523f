import { backoff } from './backoff.ts'
import type { CallRing } from './call-ring.ts'
import type { Call, Ending } from './call.ts'
import type { Notification } from './notification.ts'
import type { Outcome, OwnReason, Reason } from './outcome.ts'
import { ATTEMPTS, DOUBTFUL, type ResendQueue, type Returned } from './resend-queue.ts'

export interface SettlementOptions {
  /** Times that a notification may be written. */
  readonly attempts: number
  /** 0 ≤ n < 1, for jitter. */
  readonly random: () => number
}

/** Turns what is known about a notification that was written into its outcome, or puts it where it waits to go again. */
export class Settlement {
  readonly #calls: CallRing
  readonly #queue: ResendQueue
  readonly #options: SettlementOptions

  constructor(calls: CallRing, queue: ResendQueue, options: SettlementOptions) {
    this.#calls = calls
    this.#queue = queue
    this.#options = options
  }

  accept(notification: Notification, call: Call, history: number): void {
    this.settle(call, { notification, kind: 'accepted', attempts: history & ATTEMPTS })
  }

  /**
   * APNs refused it. A refusal by the service says nothing about an earlier writing of it, which may have been taken.
   * @param status of the answer
   */
  reject({ notification, call, history }: Returned, reason: Reason, status: number, byService: boolean): void {
    if (byService && history & DOUBTFUL) return this.doubt({ notification, call, history }, 'PositionUnknown', status)
    this.settle(call, { notification, kind: 'rejected', reason, status, attempts: history & ATTEMPTS })
  }

  /** It waits, and goes again: `afterMs` or a backoff, whichever is longer. */
  wait(returned: Returned, now: number, afterMs = 0): void {
    const { call, history } = returned
    if (call.ending !== undefined) return this.giveUp(returned, call.ending)
    const ms = Math.max(afterMs, backoff(history & ATTEMPTS, this.#options.random))
    this.#queue.putWaiting(returned, now + ms)
  }

  /** They were provably not processed, and go again first of all, in this order. Takes the array over. Answers how many. */
  giveBack(part: Returned[]): number {
    const going = part.some(({ call }) => call.ending !== undefined) ? this.#withoutEnded(part) : part
    this.#queue.putFront(going)
    return going.length
  }

  /** Nothing is known about them: unconfirmed, or they go again where their call wants that. Answers how many go. */
  lose(part: readonly Returned[], reason: OwnReason): number {
    const going: Returned[] = []
    for (const { notification, call, history } of part) {
      const returned = { notification, call, history: history | DOUBTFUL }
      const again = call.onUnconfirmed === 'resend' && call.ending === undefined
      if (again && (history & ATTEMPTS) < this.#options.attempts) going.push(returned)
      else this.doubt(returned, reason)
    }
    this.#queue.putFront(going)
    return going.length
  }

  /** It cannot be written. */
  refuse(returned: Returned, reason: OwnReason): void {
    const { notification, call, history } = returned
    if (history & DOUBTFUL) this.doubt(returned, 'PositionUnknown')
    else this.settle(call, { notification, kind: 'rejected', reason, attempts: history & ATTEMPTS })
  }

  /**
   * It will not be written any more.
   * @param status of the answer to it, where that is why
   * @param retryAt when to try again, in milliseconds since 1970, where Apple asked to wait
   */
  giveUp(returned: Returned, reason: Ending, status?: number, retryAt = returned.call.retryAt): void {
    const { notification, call, history } = returned
    if (history & DOUBTFUL) return this.doubt(returned, 'PositionUnknown', status)
    const attempts = history & ATTEMPTS
    this.settle(call, {
      notification,
      kind: 'unsent',
      reason,
      attempts,
      ...(status !== undefined && { status }),
      ...(reason === 'RetryLater' && retryAt !== undefined && { retryAt }),
    })
  }

  /** Whether it was taken cannot be known. */
  doubt({ notification, call, history }: Returned, reason: OwnReason, status?: number): void {
    const attempts = history & ATTEMPTS
    this.settle(call, { notification, kind: 'unconfirmed', reason, attempts, ...(status !== undefined && { status }) })
  }

  settle(call: Call, outcome: Outcome): void {
    call.settle(outcome)
    this.#calls.touch(call)
  }

  #withoutEnded(part: readonly Returned[]): Returned[] {
    return part.filter((returned) => {
      const { ending } = returned.call
      if (ending !== undefined) this.giveUp(returned, ending)
      return ending === undefined
    })
  }
}
