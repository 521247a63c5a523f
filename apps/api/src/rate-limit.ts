import type { RateLimit } from '@lhspn/service'

/** What became of a request under a policy. */
export interface Admission {
  readonly admitted: boolean
  /** For `RateLimit-Policy` and `RateLimit` (IETF draft "RateLimit header fields for HTTP"). */
  readonly policy: string
  readonly state: string
  /** Whole seconds until the quota is there again. */
  readonly resetSeconds: number
}

interface Window {
  readonly beganAt: number
  used: number
}

/** Windows that are kept; beyond, the oldest are forgotten, so that addresses made up cannot fill the memory. */
const MOST_WINDOWS = 100_000

/**
 * Counts the requests of each address or API key in windows of fixed length, which begin with the first request. In
 * memory: each process counts for itself.
 */
export class RateLimiter {
  readonly #name: string
  readonly #limit: RateLimit
  /** In the order of their ends, since all are equally long. */
  readonly #windows = new Map<string, Window>()

  /** @param name of the policy, as clients see it */
  constructor(name: string, limit: RateLimit) {
    this.#name = name
    this.#limit = limit
  }

  /** Counts a request of `who` at `now` (ms, of any clock that never goes back). */
  admit(who: string, now: number): Admission {
    const { quota, windowMs } = this.#limit
    this.#forget(now)
    let window = this.#windows.get(who)
    if (window === undefined) this.#windows.set(who, (window = { beganAt: now, used: 0 }))
    const admitted = window.used < quota
    if (admitted) window.used++
    const resetSeconds = Math.max(1, Math.ceil((windowMs - (now - window.beganAt)) / 1000))
    return {
      admitted,
      policy: `"${this.#name}";q=${quota};w=${windowMs / 1000}`,
      state: `"${this.#name}";r=${quota - window.used};t=${resetSeconds}`,
      resetSeconds,
    }
  }

  #forget(now: number): void {
    for (const [who, { beganAt }] of this.#windows) {
      if (now - beganAt < this.#limit.windowMs && this.#windows.size < MOST_WINDOWS) return
      this.#windows.delete(who)
    }
  }
}
