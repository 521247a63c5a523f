import type { Call, OnUnconfirmed } from '../src/call.ts'
import type { Engine, EngineEvent, Link } from '../src/engine.ts'
import { nothingReached } from '../src/errors.ts'
import type { Outcome } from '../src/outcome.ts'
import { numbered, type Numbered } from './numbered.ts'

/** A connection between an engine and a model of the other side. */
export interface EnginePipe<L extends Link> {
  readonly link: L
  open: boolean
}

const START_UNIX_MS = 1_700_000_000_000

/**
 * An engine, a model of the other side that keeps books of its own, and a clock that only steps. Promises that the engine
 * breaks while it runs are collected as complaints.
 */
export abstract class EngineWorld<L extends Link, P extends EnginePipe<L>> {
  abstract readonly engine: Engine<L>
  abstract readonly options: { readonly connectionsPerSecond: number; readonly attempts: number }
  readonly #buffer = new Uint8Array(16 * 1024)
  now = 0
  calls: Call[] = []
  pipes: P[] = []
  readonly complaints: string[] = []
  readonly events: EngineEvent[] = []
  readonly outcomes = new Map<number, Outcome<Numbered>>()
  /** How often the other side took each notification. */
  readonly taken = new Map<number, number>()
  /** How often each was written. */
  readonly writes = new Map<number, number>()
  /** Statuses by which the other side refused each. */
  readonly refusals = new Map<number, number[]>()
  readonly #openings: number[] = []

  /** The other side of a connection that the engine wants. */
  protected abstract connect(link: L): P

  /** The engine has written on a connection. */
  protected abstract arrived(pipe: P, bytes: Uint8Array): void

  /** One round of a world in which nothing fails: all is opened, read, answered, and some time passes. */
  abstract calm(ms: number): void

  get unixMs(): number {
    return START_UNIX_MS + this.now
  }

  /** Opens a call with all its input at once. */
  send(numbers: readonly number[], onUnconfirmed: OnUnconfirmed = 'report', deadline?: () => number): Call {
    const call = this.engine.intake.openCall(onUnconfirmed, deadline)
    call.enqueue(numbers.map(numbered))
    call.inputEnded = true
    this.calls.push(call)
    this.pump()
    return call
  }

  get finished(): boolean {
    return this.calls.every((call) => call.finished)
  }

  /** Lets the engine do all that it wants to do now. */
  pump(): void {
    const { engine } = this
    engine.advance(this.now, this.unixMs)
    for (let link = engine.nextToWrite(this.now); link !== undefined; link = engine.nextToWrite(this.now)) {
      const length = engine.write(link, this.#buffer, this.now)
      const pipe = this.pipes.find((other) => other.link === link)
      if (pipe === undefined || !pipe.open) throw new Error('the engine writes on a connection that is not open')
      this.arrived(pipe, this.#buffer.slice(0, length))
    }
    for (const link of engine.outbox.takeOpenings()) {
      this.pipes.push(this.connect(link))
      this.#openings.push(this.now)
    }
    for (const link of engine.outbox.takeClosings())
      for (const pipe of this.pipes) if (pipe.link === link) this.end(pipe)
    this.events.push(...engine.outbox.takeEvents())
    for (const call of this.calls) this.#collect(call)
  }

  tick(ms: number): void {
    this.now += ms
    this.pump()
  }

  /** The socket is up. */
  open(pipe: P): void {
    if (pipe.open) return
    pipe.open = true
    this.engine.opened(pipe.link, this.now)
    this.pump()
  }

  /** The connection breaks, or cannot be opened; what was under way in either direction is lost. */
  cut(pipe: P): void {
    this.end(pipe)
    this.engine.closed(pipe.link, pipe.open ? undefined : nothingReached('refused'), this.now)
    this.pump()
  }

  /** One of the connections that there are. */
  pipe(which: number): P | undefined {
    return this.pipes[which % Math.max(1, this.pipes.length)]
  }

  /** Openings in some second beyond those allowed to it. */
  get hastyOpenings(): number {
    return Math.max(0, ...this.#openings.map((from) => within(this.#openings, from) - this.allowedOpenings(from)))
  }

  /** How many connections may be opened in the second from then on. */
  protected allowedOpenings(_from: number): number {
    return this.options.connectionsPerSecond
  }

  /** The connection is no more. */
  protected end(pipe: P): void {
    this.pipes = this.pipes.filter((other) => other !== pipe)
  }

  protected noteWritten(number: number): void {
    increment(this.writes, number)
    if (this.outcomes.has(number)) this.complaints.push(`${number} is written and had its outcome`)
  }

  protected noteTaken(number: number): void {
    increment(this.taken, number)
  }

  protected noteRefused(number: number, status: number): void {
    this.refusals.set(number, [...(this.refusals.get(number) ?? []), status])
  }

  #collect(call: Call): void {
    for (const outcome of call.takeOutcomes() as Outcome<Numbered>[]) {
      const { number } = outcome.notification
      if (this.outcomes.has(number)) this.complaints.push(`${number} has a second outcome`)
      this.outcomes.set(number, outcome)
    }
  }
}

/** How many of these times are in the second from `from` on. */
export function within(times: readonly number[], from: number): number {
  return times.filter((at) => at >= from && at < from + 1000).length
}

/** The outcomes by number: `0 accepted, 1 rejected Expired ×2`. */
export function told({ outcomes }: { readonly outcomes: ReadonlyMap<number, Outcome<Numbered>> }): string {
  return [...outcomes.values()]
    .toSorted((one, other) => one.notification.number - other.notification.number)
    .map(({ notification, kind, reason, attempts }) =>
      [notification.number, kind, reason, attempts === 1 ? undefined : `×${attempts}`]
        .filter((part) => part !== undefined)
        .join(' '),
    )
    .join(', ')
}

function increment(counts: Map<number, number>, key: number): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}
