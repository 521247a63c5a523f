import { type Command, CommandDecoder, encodeErrorResponse } from '@lhspn/apns-protocol'

import type { Call, OnUnconfirmed } from '../src/call.ts'
import { nothingReached } from '../src/errors.ts'
import type { Link } from '../src/gateway/link.ts'
import { ResendEngine, type ResendEngineOptions } from '../src/gateway/resend-engine.ts'
import type { Notification } from '../src/notification.ts'
import type { Outcome } from '../src/outcome.ts'

/** A notification that knows its number; the gateway learns it from the token. */
export interface Numbered extends Notification {
  readonly number: number
}

/** What the model gateway answers to a notification: an error response, or only a close. */
export type Answer = 'close' | { readonly status: number; readonly names: Named }
type Named = 'it' | 'zero' | 'never-sent' | 'the-one-before'

/** A connection between the engine and the model gateway, both ways. */
export interface Pipe {
  readonly link: Link
  readonly decoder: CommandDecoder
  open: boolean
  /** What the engine wrote and the gateway has not read. */
  unread: Command[]
  /** Bytes of the gateway's answer that the engine has not received; it answers once. */
  answer: Uint8Array
  answered: { readonly status: number; readonly identifier: number } | undefined
  lastRead: number
  /** Numbers of the notifications written on it, by identifier. */
  readonly written: Map<number, number>
}

const CONTENT = { payload: { aps: { alert: 'Hi' } } }

export function numbered(number: number): Numbered {
  return { number, token: (number + 1).toString(16).padStart(64, '0'), content: CONTENT }
}

/**
 * An engine, a model of the gateway that keeps books of its own, and a clock that only steps. Promises that the engine
 * breaks while it runs are collected as complaints.
 */
export class GatewayWorld {
  readonly engine: ResendEngine
  readonly #answersBarriers: boolean
  readonly #buffer = new Uint8Array(16 * 1024)
  readonly options: ResendEngineOptions
  now = 0
  calls: Call[] = []
  pipes: Pipe[] = []
  readonly complaints: string[] = []
  readonly outcomes = new Map<number, Outcome<Numbered>>()
  /** How often the gateway took each notification. */
  readonly taken = new Map<number, number>()
  /** How often each was written. */
  readonly writes = new Map<number, number>()
  /** Statuses by which the gateway refused each. */
  readonly refusals = new Map<number, number[]>()
  /** Provably unprocessed ones in the order in which they must go again, ahead of anything new. */
  #returned: number[] = []
  readonly #openings: number[] = []
  /** When a connection ended whose replacement is free. */
  readonly #freeEnds: number[] = []

  constructor(answersBarriers: boolean, options: Partial<ResendEngineOptions> = {}) {
    this.#answersBarriers = answersBarriers
    this.options = {
      window: 8,
      connections: 3,
      connectionsPerSecond: 4,
      attempts: 3,
      requestTimeoutMs: 20_000,
      quietTimeMs: 3000,
      assumeAccepted: false,
      random: () => 0.5,
      ...options,
    }
    this.engine = new ResendEngine(this.options)
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
    engine.advance(this.now, 1_700_000_000_000)
    for (let link = engine.nextToWrite(this.now); link !== undefined; link = engine.nextToWrite(this.now)) {
      const length = engine.write(link, this.#buffer, this.now)
      this.#noteWritten(this.#pipeOf(link), this.#buffer.slice(0, length))
    }
    for (const link of engine.outbox.takeOpenings()) this.#noteOpening(link)
    for (const link of engine.outbox.takeClosings()) this.pipes = this.pipes.filter((pipe) => pipe.link !== link)
    for (const call of this.calls) this.#collect(call)
    const inFlight = this.calls.reduce((sum, call) => sum + call.unsettled, 0)
    const most = this.options.connections * this.options.window * this.calls.length
    if (inFlight > most) this.complaints.push(`${inFlight} are in flight, ${most} may be`)
  }

  tick(ms: number): void {
    this.now += ms
    this.pump()
  }

  open(pipe: Pipe): void {
    if (pipe.open) return
    pipe.open = true
    this.engine.opened(pipe.link, this.now)
    this.pump()
  }

  /** The connection breaks, or cannot be opened; what was under way in either direction is lost. */
  cut(pipe: Pipe): void {
    this.pipes = this.pipes.filter((other) => other !== pipe)
    this.engine.closed(pipe.link, pipe.open ? undefined : nothingReached('refused'), this.now)
    this.pump()
  }

  /** The gateway reads up to `count` frames, and answers so to the last of them if that is a notification. */
  read(pipe: Pipe, count: number, answer?: Answer): void {
    const frames = pipe.unread.splice(0, count)
    for (const [index, { token, identifier }] of frames.entries()) {
      if (pipe.answered !== undefined) return
      if (token === '') {
        if (this.#answersBarriers) this.#answer(pipe, 2, identifier ?? 0)
      } else if (answer !== undefined && index === frames.length - 1) {
        if (answer === 'close') return this.cut(pipe)
        this.#answerTo(pipe, identifier ?? 0, answer)
      } else increment(this.taken, numberOf(token))
      pipe.lastRead = identifier ?? 0
    }
  }

  /** The engine receives some bytes of the answer. */
  deliver(pipe: Pipe, bytes: number): void {
    const chunk = pipe.answer.slice(0, bytes)
    if (chunk.length === 0) return
    pipe.answer = pipe.answer.slice(chunk.length)
    if (pipe.answer.length === 0) this.#noteAnswered(pipe)
    this.engine.received(pipe.link, chunk, this.now)
    this.pump()
  }

  /** One round of a world in which nothing fails: all is opened, read, answered, and some time passes. */
  calm(ms: number): void {
    for (const pipe of this.pipes) {
      pipe.link.blocked = false
      this.open(pipe)
      this.read(pipe, Infinity)
      this.deliver(pipe, 6)
    }
    this.tick(ms)
  }

  /** Openings in some second beyond those allowed to it. */
  get hastyOpenings(): number {
    const { connections, connectionsPerSecond } = this.options
    const excess = this.#openings.map((from) => {
      const opened = this.#openings.filter((at) => at >= from && at < from + 1000).length
      const free = this.#freeEnds.filter((at) => at >= from && at < from + 1000).length
      return opened - connectionsPerSecond - connections - free
    })
    return Math.max(0, ...excess)
  }

  #answerTo(pipe: Pipe, identifier: number, { status, names }: Exclude<Answer, 'close'>): void {
    const number = pipe.written.get(identifier) ?? -1
    const named = { it: identifier, zero: 0, 'never-sent': 1_000_000, 'the-one-before': pipe.lastRead }[names]
    // At a shutdown the named one is the last that was taken (Apple, Binary Provider API).
    if (status === 10 && names === 'it') increment(this.taken, number)
    else this.refusals.set(number, [...(this.refusals.get(number) ?? []), status])
    this.#answer(pipe, status, named)
  }

  #answer(pipe: Pipe, status: number, identifier: number): void {
    pipe.answer = encodeErrorResponse(status, identifier)
    pipe.answered = { status, identifier }
  }

  #pipeOf(link: Link): Pipe {
    const pipe = this.pipes.find((other) => other.link === link)
    if (pipe === undefined || !pipe.open) throw new Error('the engine writes on a connection that is not open')
    return pipe
  }

  #noteOpening(link: Link): void {
    const decoder = new CommandDecoder()
    const pipe = { link, decoder, open: false, unread: [], answer: new Uint8Array(), answered: undefined, lastRead: 0 }
    this.pipes.push({ ...pipe, written: new Map() })
    this.#openings.push(this.now)
  }

  #noteWritten(pipe: Pipe, bytes: Uint8Array): void {
    pipe.decoder.push(bytes, ({ ...command }) => {
      pipe.unread.push(command)
      if (command.token === '') return
      const number = numberOf(command.token)
      const again = this.writes.has(number)
      increment(this.writes, number)
      pipe.written.set(command.identifier ?? 0, number)
      if (this.outcomes.has(number)) this.complaints.push(`${number} is written and had its outcome`)
      const first = this.#returned[0]
      if (first === undefined) return
      if (!again) this.complaints.push(`${number} is new, and ${first} had to go again before it`)
      else if (this.#returned.includes(number) && number !== first) this.complaints.push(`${number} overtakes ${first}`)
      this.#returned = this.#returned.filter((other) => other !== number)
    })
  }

  /** An answer that names a notification proves which ones have to go again. */
  #noteAnswered(pipe: Pipe): void {
    this.#freeEnds.push(this.now)
    const { status, identifier } = pipe.answered ?? { status: 0, identifier: 0 }
    if (status === 0 || status === 128 || !pipe.written.has(identifier)) return
    const behind = [...pipe.written].filter(([other]) => other > identifier).map(([, number]) => number)
    this.#returned = [...behind.filter((number) => !this.outcomes.has(number)), ...this.#returned]
  }

  #collect(call: Call): void {
    for (const outcome of call.takeOutcomes() as Outcome<Numbered>[]) {
      const { number } = outcome.notification
      if (this.outcomes.has(number)) this.complaints.push(`${number} has a second outcome`)
      this.outcomes.set(number, outcome)
      this.#returned = this.#returned.filter((other) => other !== number)
    }
  }
}

function numberOf(token: string): number {
  return Number.parseInt(token, 16) - 1
}

function increment(counts: Map<number, number>, key: number): void {
  counts.set(key, (counts.get(key) ?? 0) + 1)
}
