import type { Outcome } from '@lhspn/sender'

import { DispatcherError } from './errors.ts'

/** Reasons that a token sent to the wrong environment has as well as a dead one. */
const MISMATCHED: ReadonlySet<string> = new Set(['InvalidToken', 'BadDeviceToken', 'DeviceTokenNotForTopic'])
/** Below so many outcomes a share says nothing. */
const FEWEST_JUDGED = 100

/** A device whose token was rejected for good. */
export interface Refusal {
  readonly token: string
  readonly reason: string
}

/**
 * Watches the outcomes of a push for rejected tokens, part by part. A part with too many of them is not a part with dead
 * devices: the whole push goes to the wrong environment, and no device of the part may be marked.
 */
export class Refusals {
  readonly #partSize: number
  readonly #mismatchShare: number
  #refusals: Refusal[] = []
  #settled = 0
  #settledInAll = 0

  /** @param mismatchShare 0 to 1; 1 switches the check off */
  constructor(partSize: number, mismatchShare: number) {
    this.#partSize = partSize
    this.#mismatchShare = mismatchShare
  }

  add(outcomes: readonly Outcome[]): void {
    for (const { notification, kind, reason, status } of outcomes) {
      if (kind === 'unsent') continue
      this.#settled++
      this.#settledInAll++
      // Reasons of ours have no status: nothing was written, so Apple did not judge the token.
      if (kind === 'rejected' && status !== undefined && reason !== undefined && MISMATCHED.has(reason)) {
        this.#refusals.push({ token: notification.token, reason })
      }
    }
  }

  /** Whether the part is complete, so that it can be taken. */
  get complete(): boolean {
    return this.#settled >= this.#partSize
  }

  /** Whether the part looks like a push to the wrong environment. */
  get mismatched(): boolean {
    return (
      this.#mismatchShare < 1 &&
      this.#settled >= FEWEST_JUDGED &&
      this.#refusals.length >= this.#mismatchShare * this.#settled
    )
  }

  /** The tokens rejected in this part; begins the next one. */
  take(): readonly Refusal[] {
    const refusals = this.#refusals
    this.#refusals = []
    this.#settled = 0
    return refusals
  }

  /** What to tell the caller when it is mismatched. */
  mismatch(app: string, environment: string): DispatcherError {
    return new DispatcherError(
      'environment-mismatch',
      `${this.#refusals.length} of ${this.#settled} tokens of ${app} were rejected in ${environment}; ${this.#settledInAll} were settled, no device was marked`,
      'Look whether these devices belong to the other environment, or to another app. If they are really dead, send again with a mismatchShare of 1.',
    )
  }
}
