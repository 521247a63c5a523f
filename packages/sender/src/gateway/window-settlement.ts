import type { Call } from '../call.ts'
import type { Notification } from '../notification.ts'
import { type OwnReason, reasonOfStatus } from '../outcome.ts'
import { ATTEMPTS, type Returned } from '../resend-queue.ts'
import type { Settlement } from '../settlement.ts'
import { gatewayVerdict, isAboutService } from '../verdict.ts'
import type { Window } from './window.ts'

export interface WindowSettlementOptions {
  /** Times that a notification may be written. */
  readonly attempts: number
  /** Whether silence counts as acceptance where the gateway answers no barriers. */
  readonly assumeAccepted: boolean
  readonly quietTimeMs: number
}

/** Turns what is known about a window into outcomes, and into what goes again. */
export class WindowSettlement {
  readonly #settlement: Settlement
  readonly #options: WindowSettlementOptions

  constructor(settlement: Settlement, options: WindowSettlementOptions) {
    this.#settlement = settlement
    this.#options = options
  }

  /** Those before the identifier `end` were taken. */
  accept(window: Window, end: number): void {
    window.leave(end, this.#accepted)
  }

  readonly #accepted = (notification: Notification, call: Call, history: number): void =>
    this.#settlement.accept(notification, call, history)

  /** An error response names the oldest. */
  named(window: Window, status: number, now: number): void {
    const settlement = this.#settlement
    window.leave(window.oldest + 1, (notification, call, history) => {
      const returned = { notification, call, history }
      switch (gatewayVerdict(status, history & ATTEMPTS, this.#options.attempts)) {
        case 'accepted':
          return settlement.accept(notification, call, history)
        case 'again':
          return settlement.wait(returned, now)
        case 'stop':
          return settlement.giveUp({ ...returned, history: history - 1 }, 'Stopped', status)
        case 'rejected':
        case 'unknown':
          return settlement.reject(returned, reasonOfStatus(status), status, isAboutService(status))
      }
    })
  }

  /** All that is left was provably not processed: it goes again, first of all. Answers how many. */
  giveBack(window: Window): number {
    const part: Returned[] = []
    part.length = window.size
    let at = 0
    window.leave(window.next, (notification, call, history) => {
      part[at++] = { notification, call, history: history - 1 }
    })
    return this.#settlement.giveBack(part)
  }

  /** Nothing is known about what is left. Answers how many go again. */
  lose(window: Window, reason: OwnReason): number {
    const part: Returned[] = []
    window.leave(window.next, (notification, call, history) => part.push({ notification, call, history }))
    return this.#settlement.lose(part, reason)
  }

  /** Those leave that were written a quiet time ago, since this gateway answers no barriers. */
  leaveQuiet(window: Window, now: number): void {
    const { assumeAccepted, quietTimeMs } = this.#options
    window.leave(window.writtenBefore(now, quietTimeMs), (notification, call, history) => {
      const attempts = history & ATTEMPTS
      if (assumeAccepted) this.#settlement.settle(call, { notification, kind: 'accepted', reason: 'Assumed', attempts })
      else this.#settlement.doubt({ notification, call, history }, 'Quiet')
    })
  }
}
