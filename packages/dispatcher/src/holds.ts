import type { Environment } from './push.ts'

/** The first pause; each later one is twice as long, up to the longest. */
const FIRST_MS = 5_000
const LONGEST_MS = 300_000

interface Hold {
  /** Steady time. */
  until: number
  ms: number
}

/** Apps and environments of which nothing could be reached: nothing is tried for a while, longer each time. */
export class Holds {
  readonly #holds = new Map<string, Hold>()
  readonly #now: () => number

  /** @param now any steady clock, in ms */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  has(app: string, environment: Environment): boolean {
    const hold = this.#holds.get(nameOf(app, environment))
    return hold !== undefined && hold.until > this.#now()
  }

  /** Nothing was reached: answers how long to wait from now on. What fails while a hold lasts does not lengthen it. */
  begin(app: string, environment: Environment): { readonly ms: number; readonly isNew: boolean } {
    const name = nameOf(app, environment)
    const now = this.#now()
    const last = this.#holds.get(name)
    if (last !== undefined && last.until > now) return { ms: last.until - now, isNew: false }
    const ms = last === undefined ? FIRST_MS : Math.min(last.ms * 2, LONGEST_MS)
    this.#holds.set(name, { until: now + ms, ms })
    return { ms, isNew: true }
  }

  /** Something was reached. */
  end(app: string, environment: Environment): void {
    this.#holds.delete(nameOf(app, environment))
  }
}

function nameOf(app: string, environment: Environment): string {
  return `${environment} ${app}`
}
