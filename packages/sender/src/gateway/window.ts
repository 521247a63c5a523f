import type { Call } from '../call.ts'
import type { Notification } from '../notification.ts'

/**
 * What was written on one connection and is not settled: the identifiers from `oldest` to before `next`, in order.
 * Arrays side by side instead of an object each: nothing is made for a notification while it is in flight.
 */
export class Window {
  readonly #capacity: number
  readonly #notifications: (Notification | undefined)[]
  readonly #calls: (Call | undefined)[]
  readonly #histories: Uint8Array
  /** When the notifications before an identifier were written: pairs of that identifier and milliseconds, oldest first. */
  #marks: number[] = []
  oldest = 1
  next = 1

  /** @param capacity a power of two, so that an identifier's low bits are its slot */
  constructor(capacity: number) {
    this.#capacity = capacity
    this.#notifications = Array.from({ length: capacity })
    this.#calls = Array.from({ length: capacity })
    this.#histories = new Uint8Array(capacity)
  }

  get size(): number {
    return this.next - this.oldest
  }

  get full(): boolean {
    return this.next - this.oldest === this.#capacity
  }

  /** When the oldest notification was written; Infinity if there is none. */
  get oldestAt(): number {
    return this.size === 0 ? Infinity : (this.#marks[1] ?? Infinity)
  }

  /** When the newest one was written; Infinity if there is none. */
  get newestAt(): number {
    return this.size === 0 ? Infinity : (this.#marks.at(-1) ?? Infinity)
  }

  holds(identifier: number): boolean {
    return identifier >= this.oldest && identifier < this.next
  }

  /** Adds what was written under the identifier `next`. */
  push(notification: Notification, call: Call, history: number): void {
    const slot = this.next++ & (this.#capacity - 1)
    this.#notifications[slot] = notification
    this.#calls[slot] = call
    this.#histories[slot] = history
  }

  /** Notes that all that was pushed since the last mark was written at `now`. */
  mark(now: number): void {
    const marks = this.#marks
    const length = marks.length
    if (this.next === (marks[length - 2] ?? this.oldest)) return
    if (length > 0 && marks[length - 1] === now) marks[length - 2] = this.next
    else marks.push(this.next, now)
  }

  /** The identifier before which everything was written at least `age` milliseconds ago. */
  writtenBefore(now: number, age: number): number {
    const marks = this.#marks
    let end = this.oldest
    for (let i = 0; i < marks.length && (marks[i + 1] as number) + age <= now; i += 2) end = marks[i] as number
    return end
  }

  /** Gives the notifications before `end` to `visit`, oldest first, and forgets them. */
  leave(end: number, visit: (notification: Notification, call: Call, history: number) => void): void {
    while (this.oldest < end) {
      const slot = this.oldest++ & (this.#capacity - 1)
      const notification = this.#notifications[slot] as Notification
      const call = this.#calls[slot] as Call
      this.#notifications[slot] = undefined
      this.#calls[slot] = undefined
      visit(notification, call, this.#histories[slot] as number)
    }
    let past = 0
    while (past < this.#marks.length && (this.#marks[past] as number) <= this.oldest) past += 2
    if (past > 0) this.#marks = this.#marks.slice(past)
  }

  /** Makes an empty window usable for another connection. */
  reset(): void {
    this.oldest = 1
    this.next = 1
    this.#marks = []
  }
}
