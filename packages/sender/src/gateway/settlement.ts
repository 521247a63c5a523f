import { backoff } from '../backoff.ts'
import type { CallRing } from '../call-ring.ts'
import type { Call, Ending } from '../call.ts'
import type { Notification } from '../notification.ts'
import { type Outcome, type OwnReason, reasonOfStatus } from '../outcome.ts'
import { gatewayVerdict, isAboutService } from '../verdict.ts'
import type { ResendQueue, Returned } from './resend-queue.ts'
import { ATTEMPTS, DOUBTFUL, type Window } from './window.ts'

export interface SettlementOptions {
  /** Times that a notification may be written. */
  readonly attempts: number
  /** Whether silence counts as acceptance where the gateway answers no barriers. */
  readonly assumeAccepted: boolean
  readonly quietTimeMs: number
  /** 0 ≤ n < 1, for jitter. */
  readonly random: () => number
}

/** Turns what is known about a window into outcomes, and into what goes again. */
export class Settlement {
  readonly #calls: CallRing
  readonly #queue: ResendQueue
  readonly #options: SettlementOptions

  constructor(calls: CallRing, queue: ResendQueue, options: SettlementOptions) {
    this.#calls = calls
    this.#queue = queue
    this.#options = options
  }

  /** Those before the identifier `end` were taken. */
  accept(window: Window, end: number): void {
    window.leave(end, this.#accepted)
  }

  readonly #accepted = (notification: Notification, call: Call, history: number): void =>
    this.#settle(call, { notification, kind: 'accepted', attempts: history & ATTEMPTS })

  /** An error response names the oldest. */
  named(window: Window, status: number, now: number): void {
    window.leave(window.oldest + 1, (notification, call, history) => {
      const returned = { notification, call, history }
      const attempts = history & ATTEMPTS
      const verdict = gatewayVerdict(status, attempts, this.#options.attempts)
      switch (verdict) {
        case 'accepted':
          return this.#settle(call, { notification, kind: 'accepted', attempts })
        case 'again':
          if (call.ending !== undefined) return this.giveUp(returned, call.ending)
          return this.#queue.putWaiting(returned, now + backoff(attempts, this.#options.random))
        case 'stop':
          return this.giveUp({ ...returned, history: history - 1 }, 'Stopped', status)
        case 'rejected':
        case 'unknown':
          // A refusal by the service says nothing about an earlier writing of it, which may have been taken.
          if (history & DOUBTFUL && isAboutService(status)) return this.#doubt(returned, 'PositionUnknown')
          return this.#settle(call, {
            notification,
            kind: 'rejected',
            reason: reasonOfStatus(status),
            status,
            attempts,
          })
      }
    })
  }

  /** All that is left was provably not processed: it goes again, first of all. Answers how many. */
  giveBack(window: Window): number {
    const part: Returned[] = []
    window.leave(window.next, (notification, call, history) => {
      const returned = { notification, call, history: history - 1 }
      if (call.ending === undefined) part.push(returned)
      else this.giveUp(returned, call.ending)
    })
    this.#queue.putFront(part)
    return part.length
  }

  /** Nothing is known about what is left: it is unconfirmed, or goes again where its call wants that. Answers how many go. */
  lose(window: Window, reason: OwnReason): number {
    const part: Returned[] = []
    window.leave(window.next, (notification, call, history) => {
      const returned = { notification, call, history: history | DOUBTFUL }
      const again = call.onUnconfirmed === 'resend' && call.ending === undefined
      if (again && (history & ATTEMPTS) < this.#options.attempts) part.push(returned)
      else this.#doubt(returned, reason)
    })
    this.#queue.putFront(part)
    return part.length
  }

  /** Those leave that were written a quiet time ago, since this gateway answers no barriers. */
  leaveQuiet(window: Window, now: number): void {
    window.leave(window.writtenBefore(now, this.#options.quietTimeMs), (notification, call, history) => {
      const attempts = history & ATTEMPTS
      if (this.#options.assumeAccepted)
        this.#settle(call, { notification, kind: 'accepted', reason: 'Assumed', attempts })
      else this.#doubt({ notification, call, history }, 'Quiet')
    })
  }

  /** It cannot be written. */
  refuse(returned: Returned, reason: OwnReason): void {
    const { notification, call, history } = returned
    if (history & DOUBTFUL) this.#doubt(returned, 'PositionUnknown')
    else this.#settle(call, { notification, kind: 'rejected', reason, attempts: history & ATTEMPTS })
  }

  /** It will not be written any more; `status` is that of the response which named it, where that is why. */
  giveUp(returned: Returned, reason: Ending, status?: number): void {
    const { notification, call, history } = returned
    if (history & DOUBTFUL) return this.#doubt(returned, 'PositionUnknown')
    const attempts = history & ATTEMPTS
    this.#settle(call, { notification, kind: 'unsent', reason, attempts, ...(status !== undefined && { status }) })
  }

  #doubt({ notification, call, history }: Returned, reason: OwnReason): void {
    this.#settle(call, { notification, kind: 'unconfirmed', reason, attempts: history & ATTEMPTS })
  }

  #settle(call: Call, outcome: Outcome): void {
    call.settle(outcome)
    this.#calls.touch(call)
  }
}
