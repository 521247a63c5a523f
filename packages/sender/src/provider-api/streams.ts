import type { Call } from '../call.ts'
import type { Notification } from '../notification.ts'

/** Streams that one connection may have open, whatever its peer allows; a power of two. */
export const MOST_STREAMS = 4096
const MASK = MOST_STREAMS - 1

/**
 * The open streams of one connection, each with the notification that it carries. A stream's slot is the low bits of
 * its number; one that is still open when another needs its slot moves to a slot behind. Arrays side by side instead of
 * an object each: nothing is made for a notification while it is in flight.
 */
export class Streams {
  /** The stream in each slot; 0 = none. */
  readonly #numbers = new Uint32Array(2 * MOST_STREAMS)
  readonly #notifications: (Notification | undefined)[] = Array.from({ length: 2 * MOST_STREAMS })
  readonly #calls: (Call | undefined)[] = Array.from({ length: 2 * MOST_STREAMS })
  readonly #histories = new Uint8Array(2 * MOST_STREAMS)
  readonly #writtenAt = new Float64Array(2 * MOST_STREAMS)
  /** Generation of the provider token that each was written with. */
  readonly #generations = new Uint32Array(2 * MOST_STREAMS)
  /** The final `:status` of each, once its headers came; 0 before. */
  readonly #statuses = new Uint16Array(2 * MOST_STREAMS)
  /** Slots of the streams that were moved, oldest first. */
  readonly #moved = new Map<number, number>()
  readonly #spare: number[] = []
  #used = MOST_STREAMS
  /** No open stream below this number, those that were moved left out. */
  #oldest = 1
  /** The next stream to be opened: odd, since a client opens it. */
  next = 1
  size = 0

  /** Opens the stream `next`. There must be fewer than `MOST_STREAMS`. */
  open(notification: Notification, call: Call, history: number, generation: number, now: number): number {
    const stream = this.next
    this.next += 2
    const slot = (stream >>> 1) & MASK
    if (this.#numbers[slot] !== 0) this.#move(slot)
    this.#numbers[slot] = stream
    this.#notifications[slot] = notification
    this.#calls[slot] = call
    this.#histories[slot] = history
    this.#generations[slot] = generation
    this.#writtenAt[slot] = now
    this.#statuses[slot] = 0
    this.size++
    return stream
  }

  /** The slot of an open stream; -1 if it is not open. A slot is valid until something is opened or closed. */
  find(stream: number): number {
    const slot = (stream >>> 1) & MASK
    if (this.#numbers[slot] === stream) return slot
    return this.#moved.size === 0 ? -1 : (this.#moved.get(stream) ?? -1)
  }

  /** The slot of the oldest open stream; -1 if there is none. */
  oldest(): number {
    if (this.size === 0) return -1
    for (const slot of this.#moved.values()) return slot
    for (; this.#oldest < this.next; this.#oldest += 2) {
      const slot = (this.#oldest >>> 1) & MASK
      if (this.#numbers[slot] === this.#oldest) return slot
    }
    return -1
  }

  /** All open streams above `last`, oldest first. */
  above(last: number): number[] {
    const found = [...this.#moved.keys()].filter((stream) => stream > last)
    // `last` may be 2^31 - 1, which no bitwise operator takes one further.
    const from = Math.max(this.#oldest, last + 1 + (last % 2))
    for (let stream = from; stream < this.next; stream += 2) {
      if (this.#numbers[(stream >>> 1) & MASK] === stream) found.push(stream)
    }
    return found
  }

  number(slot: number): number {
    return this.#numbers[slot] as number
  }

  notification(slot: number): Notification {
    return this.#notifications[slot] as Notification
  }

  call(slot: number): Call {
    return this.#calls[slot] as Call
  }

  history(slot: number): number {
    return this.#histories[slot] as number
  }

  generation(slot: number): number {
    return this.#generations[slot] as number
  }

  writtenAt(slot: number): number {
    return this.#writtenAt[slot] as number
  }

  status(slot: number): number {
    return this.#statuses[slot] as number
  }

  setStatus(slot: number, status: number): void {
    this.#statuses[slot] = status
  }

  /** Forgets a stream. */
  close(slot: number): void {
    if (slot >= MOST_STREAMS) {
      this.#moved.delete(this.#numbers[slot] as number)
      this.#spare.push(slot)
    }
    this.#numbers[slot] = 0
    this.#notifications[slot] = undefined
    this.#calls[slot] = undefined
    this.size--
  }

  /** A silent stream makes room for a younger one. */
  #move(from: number): void {
    const to = this.#spare.pop() ?? this.#used++
    const stream = this.#numbers[from] as number
    this.#numbers[to] = stream
    this.#notifications[to] = this.#notifications[from]
    this.#calls[to] = this.#calls[from]
    this.#histories[to] = this.#histories[from] as number
    this.#generations[to] = this.#generations[from] as number
    this.#writtenAt[to] = this.#writtenAt[from] as number
    this.#statuses[to] = this.#statuses[from] as number
    this.#moved.set(stream, to)
  }
}
