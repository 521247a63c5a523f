import type { Call, Ending } from './call.ts'
import { Connection, type ConnectionTarget } from './connection.ts'
import type { Deliverer, SendOptions } from './deliver.ts'
import type { Engine, EngineEvent, Link } from './engine.ts'
import { SenderError } from './errors.ts'
import { Signal } from './signal.ts'

/** A connection was opened, or ended (with the error, where one is known), or one of the engine's events. */
export type SenderEvent =
  | { readonly kind: 'connected' }
  | { readonly kind: 'disconnected'; readonly error: SenderError | undefined }
  | EngineEvent

/** Where to connect, with what, and what to call it in errors. */
export interface Target {
  readonly address: string
  readonly options: ConnectionTarget
}

const BUFFER_BYTES = 64 * 1024
const MOST_SPARE_BUFFERS = 16
/** Node fires timers that are longer at once. */
const MOST_TIMER_MS = 2 ** 31 - 1
/**
 * Bytes written in one turn of the event loop. The loop must come back to reading: a socket that takes all it is given
 * would otherwise starve it, and an error response would be read tens of thousands of notifications too late.
 */
const TURN_BYTES = 256 * 1024
/** What a write counts as at least: one that writes nothing costs time too. */
const LEAST_BYTES = 4096

/** The world around an engine: sockets, the clock and one timer. It decides nothing. */
export class Shell<L extends Link> implements Deliverer {
  readonly #engine: Engine<L>
  readonly #target: Target
  readonly #onEvent: (event: SenderEvent) => void
  readonly #connections = new Map<L, Connection>()
  readonly #signals = new WeakMap<Call, Signal>()
  readonly #buffers: Buffer[] = []
  #immediate: NodeJS.Immediate | undefined
  #timer: NodeJS.Timeout | undefined
  #closing: Promise<void> | undefined
  #closed: (() => void) | undefined

  constructor(engine: Engine<L>, target: Target, onEvent: (event: SenderEvent) => void) {
    this.#engine = engine
    this.#target = target
    this.#onEvent = onEvent
  }

  /** Ends all calls, and resolves when nothing is in flight and every socket is closed. */
  close(): Promise<void> {
    this.#closing ??= new Promise((resolve) => {
      this.#closed = resolve
      this.#engine.intake.drain()
      this.wake()
    })
    return this.#closing
  }

  /** @throws SenderError `closed` */
  openCall(options: SendOptions): Call {
    if (this.#closing !== undefined) throw new SenderError('closed', 'The sender is closed', 'Make a new one.')
    const call = this.#engine.intake.openCall(options.onUnconfirmed ?? 'report', options.deadline)
    this.#signals.set(call, new Signal())
    this.wake()
    return call
  }

  endCall(call: Call, ending: Ending): void {
    this.#engine.intake.end(call, ending)
    this.wake()
  }

  /** Wakes the engine, and both sides of the call: one may wait for what the other did. */
  notify(call: Call): void {
    this.#signals.get(call)?.fire()
    this.wake()
  }

  changed(call: Call): Promise<void> {
    return (this.#signals.get(call) as Signal).wait()
  }

  wake(): void {
    this.#immediate ??= setImmediate(() => {
      this.#immediate = undefined
      this.#turn()
    })
  }

  /** One turn: time passes, bytes are written, connections are opened and closed, and those who wait are told. */
  #turn(): void {
    const engine = this.#engine
    const now = performance.now()
    engine.advance(now, Date.now())
    if (this.#write(now)) this.wake()
    for (const link of engine.outbox.takeOpenings()) this.#open(link)
    for (const link of engine.outbox.takeClosings()) this.#connections.get(link)?.close(link.lastWords)
    for (const call of engine.intake.calls.takeChanged()) this.#signals.get(call)?.fire()
    for (const event of engine.outbox.takeEvents()) this.#onEvent(event)
    if (this.#closing !== undefined && engine.idle && this.#connections.size === 0) this.#closed?.()
    this.#sleep()
  }

  /** Whether there is more to write than one turn may. */
  #write(now: number): boolean {
    let budget = TURN_BYTES
    for (;;) {
      const link = this.#engine.nextToWrite(now)
      if (link === undefined) return false
      const connection = this.#connections.get(link)
      if (connection === undefined) return false
      if (budget <= 0) return true
      const buffer = this.#buffers.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES)
      const length = this.#engine.write(link, buffer, now)
      budget -= Math.max(length, LEAST_BYTES)
      if (length === 0) this.#release(buffer)
      else connection.write(buffer.subarray(0, length), () => this.#release(buffer))
      link.blocked = connection.full
    }
  }

  #release(buffer: Buffer): void {
    if (this.#buffers.length < MOST_SPARE_BUFFERS) this.#buffers.push(buffer)
  }

  #open(link: L): void {
    const engine = this.#engine
    const connection = new Connection(this.#target.options, this.#target.address, {
      opened: () => {
        engine.opened(link, performance.now())
        this.#onEvent({ kind: 'connected' })
        this.wake()
      },
      received: (bytes) => {
        engine.received(link, bytes, performance.now())
        this.wake()
      },
      drained: () => {
        link.blocked = false
        this.wake()
      },
      closed: (error) => {
        this.#connections.delete(link)
        engine.closed(link, error, performance.now())
        this.#onEvent({ kind: 'disconnected', error })
        this.wake()
      },
    })
    this.#connections.set(link, connection)
  }

  #sleep(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#immediate !== undefined) return
    const wait = this.#engine.wakeAt() - performance.now()
    if (wait < Infinity) {
      const ms = Math.min(MOST_TIMER_MS, Math.max(1, Math.ceil(wait)))
      this.#timer = setTimeout(() => this.wake(), ms)
    }
  }
}
