import { backoff } from '../backoff.ts'

/** After so many answers in a row that say APNs is not available, the sender holds. */
const FAILURES_TO_HOLD = 20
/** Held for so long, everything is given back. */
const LONGEST_HOLD_MS = 60_000
/** A wait that Apple asks for and that is longer is not waited for. */
export const LONGEST_WAIT_MS = 60_000

/**
 * Whether APNs seems to be unavailable as a whole. Then nothing is written but one notification at a time, each after a
 * longer wait, until one is accepted.
 */
export class Hold {
  readonly #random: () => number
  #failures = 0
  #holding = false
  /** Failures since it holds. */
  #probes = 0
  #notBefore = -Infinity
  /** Since when something waited for its end; undefined while nothing does. */
  #since: number | undefined

  constructor(random: () => number) {
    this.#random = random
  }

  get holding(): boolean {
    return this.#holding
  }

  /** When the next notification may be tried while it holds. */
  get nextAt(): number {
    return this.#notBefore
  }

  /** When everything is to be given back; Infinity while it does not hold, or nothing waits. */
  get endsAt(): number {
    return this.#holding && this.#since !== undefined ? this.#since + LONGEST_HOLD_MS : Infinity
  }

  /** A notification was accepted. Answers whether that ended a hold. */
  accepted(): boolean {
    const ended = this.#holding
    this.#failures = 0
    this.#holding = false
    this.#since = undefined
    return ended
  }

  /** An answer said that APNs is not available. Answers whether a hold begins with it. */
  failed(now: number, retryAfterMs: number): boolean {
    this.#failures++
    const begins = !this.#holding
    if (begins && this.#failures < FAILURES_TO_HOLD) return false
    if (begins) {
      this.#holding = true
      this.#probes = 0
      this.#since = now
    }
    // What was under way when it began is no probe.
    const isProbe = begins || now >= this.#notBefore
    if (isProbe) this.#probes++
    const waitMs = isProbe ? Math.max(retryAfterMs, backoff(this.#probes, this.#random)) : retryAfterMs
    this.#notBefore = Math.max(this.#notBefore, now + waitMs)
    return begins
  }

  /** Notes whether anything waits for its end: only that time counts. */
  wait(anything: boolean, now: number): void {
    if (!this.#holding || !anything) this.#since = undefined
    else this.#since ??= now
  }
}
