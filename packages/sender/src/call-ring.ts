import type { Call } from './call.ts'

/** So many notifications are taken from one call before it is the next one's turn. */
const TURN = 64

/** The calls on one sender: each has its turn, so that a single notification never waits behind a broadcast. */
export class CallRing {
  #calls: Call[] = []
  #turn = 0
  #turnLeft = TURN
  readonly #changed = new Set<Call>()
  #lastChanged: Call | undefined

  get hasWork(): boolean {
    return this.#calls.some((call) => call.hasWork)
  }

  [Symbol.iterator](): IterableIterator<Call> {
    return this.#calls.values()
  }

  add(call: Call): void {
    this.#calls.push(call)
  }

  /** Forgets the calls that are finished. */
  prune(): void {
    if (this.#calls.some((call) => call.finished)) this.#calls = this.#calls.filter((call) => !call.finished)
  }

  /** The call whose turn it is to have a notification taken from its input; undefined if none has any. */
  next(): Call | undefined {
    const calls = this.#calls
    const current = calls[this.#turn]
    if (this.#turnLeft > 0 && current?.hasWork === true) {
      this.#turnLeft--
      return current
    }
    for (let i = 1; i <= calls.length; i++) {
      const turn = (this.#turn + i) % calls.length
      const call = calls[turn] as Call
      if (!call.hasWork) continue
      this.#turn = turn
      this.#turnLeft = TURN - 1
      return call
    }
    return undefined
  }

  /** Notes that a call has new outcomes or new room. */
  touch(call: Call): void {
    if (call === this.#lastChanged) return
    this.#lastChanged = call
    this.#changed.add(call)
  }

  /** The calls that were touched since the last time this was asked. */
  takeChanged(): Call[] {
    if (this.#changed.size === 0) return []
    const calls = [...this.#changed]
    this.#changed.clear()
    this.#lastChanged = undefined
    return calls
  }
}
