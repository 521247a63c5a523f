import { type Command, CommandDecoder, encodeErrorResponse } from '@lhspn/apns-protocol'

import type { Link } from '../src/gateway/link.ts'
import { ResendEngine, type ResendEngineOptions } from '../src/gateway/resend-engine.ts'
import { type EnginePipe, EngineWorld, within } from './engine-world.ts'
import { numberOf } from './numbered.ts'

/** What the model gateway answers to a notification: an error response, or only a close. */
export type Answer = 'close' | { readonly status: number; readonly names: Named }
type Named = 'it' | 'zero' | 'never-sent' | 'the-one-before'

/** A connection between the engine and the model gateway, both ways. */
export interface Pipe extends EnginePipe<Link> {
  readonly decoder: CommandDecoder
  /** What the engine wrote and the gateway has not read. */
  unread: Command[]
  /** Bytes of the gateway's answer that the engine has not received; it answers once. */
  answer: Uint8Array
  answered: { readonly status: number; readonly identifier: number } | undefined
  lastRead: number
  /** Numbers of the notifications written on it, by identifier. */
  readonly written: Map<number, number>
}

/** A world with the model of a gateway. */
export class GatewayWorld extends EngineWorld<Link, Pipe> {
  readonly engine: ResendEngine
  readonly #answersBarriers: boolean
  readonly options: ResendEngineOptions
  /** Provably unprocessed ones in the order in which they must go again, ahead of anything new. */
  #returned: number[] = []
  /** When a connection ended whose replacement is free. */
  readonly #freeEnds: number[] = []

  constructor(answersBarriers: boolean, options: Partial<ResendEngineOptions> = {}) {
    super()
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

  override pump(): void {
    super.pump()
    this.#returned = this.#returned.filter((number) => !this.outcomes.has(number))
    const inFlight = this.calls.reduce((sum, call) => sum + call.unsettled, 0)
    const most = this.options.connections * this.options.window * this.calls.length
    if (inFlight > most) this.complaints.push(`${inFlight} are in flight, ${most} may be`)
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
      } else this.noteTaken(numberOf(token))
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

  calm(ms: number): void {
    for (const pipe of this.pipes) {
      pipe.link.blocked = false
      this.open(pipe)
      this.read(pipe, Infinity)
      this.deliver(pipe, 6)
    }
    this.tick(ms)
  }

  /** One that replaces another which ended as it should is free. */
  protected override allowedOpenings(from: number): number {
    return super.allowedOpenings(from) + this.options.connections + within(this.#freeEnds, from)
  }

  #answerTo(pipe: Pipe, identifier: number, { status, names }: Exclude<Answer, 'close'>): void {
    const number = pipe.written.get(identifier) ?? -1
    const named = { it: identifier, zero: 0, 'never-sent': 1_000_000, 'the-one-before': pipe.lastRead }[names]
    // At a shutdown the named one is the last that was taken (Apple, Binary Provider API).
    if (status === 10 && names === 'it') this.noteTaken(number)
    else this.noteRefused(number, status)
    this.#answer(pipe, status, named)
  }

  #answer(pipe: Pipe, status: number, identifier: number): void {
    pipe.answer = encodeErrorResponse(status, identifier)
    pipe.answered = { status, identifier }
  }

  protected connect(link: Link): Pipe {
    const decoder = new CommandDecoder()
    const pipe = { link, decoder, open: false, unread: [], answer: new Uint8Array(), answered: undefined, lastRead: 0 }
    return { ...pipe, written: new Map() }
  }

  protected arrived(pipe: Pipe, bytes: Uint8Array): void {
    pipe.decoder.push(bytes, ({ ...command }) => {
      pipe.unread.push(command)
      if (command.token === '') return
      const number = numberOf(command.token)
      const again = this.writes.has(number)
      this.noteWritten(number)
      pipe.written.set(command.identifier ?? 0, number)
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
}
