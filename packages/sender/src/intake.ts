import { CallRing } from './call-ring.ts'
import { Call, type Ending, type OnUnconfirmed } from './call.ts'
import type { SenderError } from './errors.ts'
import type { Notification } from './notification.ts'
import { ResendQueue } from './resend-queue.ts'
import { Settlement, type SettlementOptions } from './settlement.ts'

export interface IntakeOptions extends SettlementOptions {
  /** Notifications without an outcome, and outcomes not taken, that one call may hold beside its input. */
  readonly room: number
}

/** The calls on one sender, what goes again ahead of their input, and how they end: alike on both interfaces. */
export class Intake {
  readonly calls = new CallRing()
  readonly queue = new ResendQueue()
  readonly settlement: Settlement
  readonly #room: number
  readonly #onEnded: (() => void) | undefined
  #draining = false
  #stopped: SenderError | undefined

  /** @param onEnded told that a call takes no more input */
  constructor(options: IntakeOptions, onEnded?: () => void) {
    this.#room = options.room
    this.#onEnded = onEnded
    this.settlement = new Settlement(this.calls, this.queue, options)
  }

  openCall(onUnconfirmed: OnUnconfirmed, deadline: (() => number) | undefined): Call {
    const call = new Call(this.#room, onUnconfirmed, deadline)
    this.calls.add(call)
    if (this.#stopped !== undefined) this.end(call, 'Stopped', this.#stopped)
    else if (this.#draining) this.end(call, 'Draining')
    return call
  }

  /** What was not written leaves as unsent. @param retryAt when to try again, in milliseconds since 1970 */
  end(call: Call, ending: Ending, error?: SenderError, retryAt?: number): void {
    if (call.ending !== undefined || call.finished) return
    call.ending = ending
    call.error = error
    call.retryAt = retryAt
    while (call.queued > 0) this.settlement.giveUp({ notification: call.take(), call, history: 0 }, ending)
    for (const returned of this.queue.takeAllOf(call)) this.settlement.giveUp(returned, ending)
    this.calls.touch(call)
    this.#onEnded?.()
  }

  drain(): void {
    this.#draining = true
    for (const call of this.calls) this.end(call, 'Draining')
  }

  /** Ends every call, and each that will be opened, with the same error. */
  stop(error: SenderError): void {
    if (this.#stopped !== undefined) return
    this.#stopped = error
    for (const call of this.calls) this.end(call, 'Stopped', error)
  }

  /** Ends the calls that have anything left to write. */
  endUnwritten(ending: Ending, error: SenderError, retryAt?: number): void {
    for (const call of this.calls) {
      const written = call.inputEnded && call.queued === 0 && !this.queue.holds(call)
      if (!written) this.end(call, ending, error, retryAt)
    }
  }

  get stopped(): boolean {
    return this.#stopped !== undefined
  }

  /** Whether no call will ever bring work again. */
  get ended(): boolean {
    return this.#draining || this.#stopped !== undefined
  }

  /** Whether there is anything that could be written now. */
  get hasWork(): boolean {
    return this.queue.hasWork || this.calls.hasWork
  }

  /** Gives `write` the next notification, first what goes again, then each call's in its turn; undefined if there is none. */
  next<T>(write: (notification: Notification, call: Call, history: number) => T): T | undefined {
    const { queue, calls } = this
    if (queue.hasWork) {
      const { notification, call, history } = queue.take()
      return write(notification, call, history)
    }
    const call = calls.next()
    if (call === undefined) return undefined
    calls.touch(call)
    return write(call.take(), call, 0)
  }

  /** Deadlines pass, and waits are over. */
  advance(now: number): void {
    for (const call of this.calls) if (deadlineOf(call) <= now) this.end(call, 'Deadline')
    this.queue.release(now)
    this.calls.prune()
  }

  /** When `advance` will have something to do; Infinity if never. */
  wakeAt(): number {
    let at = this.queue.dueAt
    for (const call of this.calls) at = Math.min(at, deadlineOf(call))
    return at
  }
}

function deadlineOf(call: Call): number {
  if (call.ending !== undefined || call.deadline === undefined) return Infinity
  const deadline = call.deadline()
  // What is no number would make every comparison false, and the call endless.
  return Number.isNaN(deadline) ? -Infinity : deadline
}
