import type { Call } from './call.ts'
import type { Notification } from './notification.ts'

/** In a notification's history: it was at an unknown position once, so that it may have been taken. */
export const DOUBTFUL = 0x80
/** In a notification's history: how often it was written. */
export const ATTEMPTS = 0x7f

/** A notification that was written and goes again. */
export interface Returned {
  readonly notification: Notification
  readonly call: Call
  /** Attempts so far, and whether it is doubtful (`ATTEMPTS`, `DOUBTFUL`). */
  readonly history: number
}

interface Waiting extends Returned {
  readonly dueAt: number
}

/**
 * What goes again, ahead of anything that was never written: what returned last comes first, each part in its order;
 * and what waits before it goes again. Bounded by what was in flight.
 */
export class ResendQueue {
  /** Parts in reversed order each, the first to go at the end of the last part. */
  #parts: Returned[][] = []
  #waiting: Waiting[] = []

  get hasWork(): boolean {
    return this.#parts.length > 0
  }

  /** When the next of those that wait is due; Infinity if none waits. */
  get dueAt(): number {
    return this.#waiting[0]?.dueAt ?? Infinity
  }

  /** Puts a part in front, in its order. Takes the array over. */
  putFront(part: Returned[]): void {
    if (part.length > 0) this.#parts.push(part.toReversed())
  }

  putWaiting(returned: Returned, dueAt: number): void {
    const before = this.#waiting.findLastIndex((other) => other.dueAt <= dueAt)
    this.#waiting.splice(before + 1, 0, { ...returned, dueAt })
  }

  /** Moves those to the front whose wait is over. */
  release(now: number): void {
    if (this.dueAt > now) return
    const due = this.#waiting.filter(({ dueAt }) => dueAt <= now)
    this.#waiting = this.#waiting.slice(due.length)
    this.putFront(due)
  }

  /** Takes the next one; there must be one. */
  take(): Returned {
    const part = this.#parts.at(-1) as Returned[]
    const returned = part.pop() as Returned
    if (part.length === 0) this.#parts.pop()
    return returned
  }

  holds(call: Call): boolean {
    return (
      this.#waiting.some((other) => other.call === call) ||
      this.#parts.some((part) => part.some((other) => other.call === call))
    )
  }

  /** Takes out all that belong to a call, in their order. */
  takeAllOf(call: Call): Returned[] {
    const taken = [...this.#parts.toReversed().flatMap((part) => part.toReversed()), ...this.#waiting].filter(
      (returned) => returned.call === call,
    )
    this.#parts = this.#parts
      .map((part) => part.filter((returned) => returned.call !== call))
      .filter((part) => part.length > 0)
    this.#waiting = this.#waiting.filter((returned) => returned.call !== call)
    return taken
  }
}
