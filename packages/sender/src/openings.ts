import { backoff } from './backoff.ts'

/** So many connections in a row that came to nothing mean: nothing can be reached. */
const FRUITLESS_LIMIT = 10

/**
 * When connections may be opened. An opening that replaces a connection which ended as it should is free; all others
 * are limited per second, since fast reconnecting counts as an attack, and wait longer the more of them were fruitless.
 */
export class Openings {
  readonly #perSecond: number
  readonly #random: () => number
  /** Times of the last limited openings, oldest first, at most `perSecond`. */
  readonly #times: number[] = []
  readonly #mostFree: number
  #free = 0
  #fruitless = 0
  #notBefore = -Infinity

  constructor(perSecond: number, mostFree: number, random: () => number) {
    this.#perSecond = perSecond
    this.#mostFree = mostFree
    this.#random = random
  }

  /** When the next connection may be opened; `now` or earlier: at once. */
  get nextAt(): number {
    if (this.#free > 0 || this.#times.length < this.#perSecond) return this.#notBefore
    return Math.max(this.#notBefore, (this.#times[0] as number) + 1000)
  }

  /** A connection is opened. */
  open(now: number): void {
    if (this.#free > 0) {
      this.#free--
      return
    }
    if (this.#perSecond === Infinity) return
    this.#times.push(now)
    if (this.#times.length > this.#perSecond) this.#times.shift()
  }

  /** A connection ended by an error response to a notification, or to a full window's barrier. */
  replace(): void {
    this.#free = Math.min(this.#mostFree, this.#free + 1)
  }

  /** A connection settled something. */
  succeed(): void {
    this.#fruitless = 0
    this.#notBefore = -Infinity
  }

  /** A connection failed to open, or settled nothing of what it had. Whether that makes the gateway unreachable. */
  fail(now: number): boolean {
    this.#fruitless++
    this.#notBefore = now + backoff(this.#fruitless, this.#random)
    if (this.#fruitless < FRUITLESS_LIMIT) return false
    this.#fruitless = 0
    return true
  }
}
