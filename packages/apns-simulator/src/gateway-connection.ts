import { CommandDecoder, ProtocolError, encodeErrorResponse, type Command } from '@lhspn/apns-protocol'

import type { Decider } from './decision.ts'
import type { WritableJournal } from './journal.ts'
import type { Guest } from './listener.ts'
import type { Action, Answer, ConnectionRule } from './script.ts'

/** What all connections of a gateway share. */
export interface Gateway {
  readonly journal: WritableJournal
  decider: Decider
  /** Notifications and barriers so far, discarded ones not counted. */
  notifications: number
  barriers: number
}

/**
 * One connection after its handshake. It takes frames until something ends it; whatever comes then is read on and
 * discarded, until the client closes too, so that our answer is not lost to a TCP reset for bytes unread.
 */
export class GatewayConnection {
  readonly #guest: Guest
  readonly #number: number
  readonly #gateway: Gateway
  readonly #decoder = new CommandDecoder()
  readonly #position: { connection: number; nth: number; previous: number }
  readonly #emit = (command: Command) => this.#take(command)
  /** How the connection ends is decided: nothing more is taken. */
  #over = false
  /** Bytes that cannot be told apart into frames came: the rest means nothing. */
  #unreadable = false
  /** The client's end is not answered with ours: an answer is still to come, or we play dead. */
  #staysOpen = false
  #lateAnswer: NodeJS.Timeout | undefined
  #slowReading: NodeJS.Timeout | undefined

  constructor(guest: Guest, number: number, rule: ConnectionRule | undefined, gateway: Gateway) {
    this.#guest = guest
    this.#number = number
    this.#gateway = gateway
    this.#position = { connection: number, nth: 0, previous: 0 }
    const { tls, raw } = guest
    raw.on('close', () => this.#clearTimers())
    tls.on('end', () => {
      if (!this.#staysOpen) tls.end()
    })
    if (rule?.bytesPerSecond !== undefined) {
      this.#readSlowly(rule.bytesPerSecond)
      return
    }
    tls.on('data', (chunk: Uint8Array) => this.#read(chunk))
    if (rule?.do === 'close-at-once') this.#act('close')
    else if (rule?.do === 'stall' || rule?.do === 'half-open') this.#act(rule.do)
  }

  #read(chunk: Uint8Array): void {
    if (this.#unreadable) return
    try {
      this.#decoder.push(chunk, this.#emit)
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      // an unknown command byte or a length beyond reason is answered by closing, without a word
      this.#unreadable = true
      if (!this.#over) this.#act('close')
    }
    this.#gateway.journal.changed()
  }

  #take(command: Command): void {
    const gateway = this.#gateway
    if (this.#over) {
      gateway.journal.add(this.#number, command, 'discarded')
      return
    }
    const position = this.#position
    position.nth = command.fault === 2 ? ++gateway.barriers : ++gateway.notifications
    const { verdict, action, identifier } = gateway.decider.onFrame(command, position)
    position.previous = command.identifier ?? 0
    gateway.journal.add(this.#number, command, verdict)
    if (action !== undefined) this.#act(action, identifier)
  }

  #act(action: Action, identifier = 0): void {
    this.#over = true
    const { tls, raw } = this.#guest
    if (typeof action === 'object') {
      this.#staysOpen = true
      if (action.unread === true) this.#stopReading()
      if (action.delayMs === undefined || action.delayMs === 0) this.#answer(action, identifier)
      else this.#lateAnswer = setTimeout(() => this.#answer(action, identifier), action.delayMs)
      return
    }
    switch (action) {
      case 'close':
        tls.end()
        return
      case 'reset':
        raw.resetAndDestroy()
        return
      case 'stall':
        this.#staysOpen = true
        this.#stopReading()
        return
      case 'half-open':
        this.#staysOpen = true
        return
      default:
        throw new TypeError(`no such action: ${JSON.stringify(action satisfies never)}`)
    }
  }

  /** Each piece is a TLS record of its own, and goes when the one before is with the kernel: clients see them apart. */
  #answer(answer: Answer, identifier: number): void {
    const { tls, raw } = this.#guest
    const pieces = piecesOf(encodeErrorResponse(answer.status, identifier), answer.split ?? [])
    if (answer.garbage !== undefined && answer.garbage !== '') pieces.push(Buffer.from(answer.garbage, 'hex'))
    const writeNext = () => {
      const piece = pieces.shift()
      if (piece !== undefined) {
        tls.write(piece, (error) => {
          if (!error) writeNext()
        })
        return
      }
      this.#gateway.journal.answered(answer.status)
      this.#gateway.journal.changed()
      this.#staysOpen = false
      if (answer.reset === true) raw.resetAndDestroy()
      else if (answer.unread === true) tls.destroy()
      else tls.end()
    }
    writeNext()
  }

  /** Takes at most `bytesPerSecond`; the rest stays in the socket, whose buffers fill up as far as the sender. */
  #readSlowly(bytesPerSecond: number): void {
    const { tls } = this.#guest
    const perTick = (bytesPerSecond * TICK_MS) / 1000
    let allowed = 0
    const tick = () => {
      // what was not used is not saved up beyond a second
      allowed = Math.min(allowed + perTick, Math.max(bytesPerSecond, perTick))
      const size = Math.min(Math.floor(allowed), tls.readableLength)
      if (size === 0) return
      const chunk: Uint8Array = tls.read(size)
      allowed -= chunk.length
      this.#read(chunk)
    }
    tls.on('readable', () => {})
    this.#slowReading = setInterval(tick, TICK_MS)
  }

  #stopReading(): void {
    clearInterval(this.#slowReading)
    this.#guest.tls.pause()
  }

  #clearTimers(): void {
    clearInterval(this.#slowReading)
    clearTimeout(this.#lateAnswer)
  }
}

/** How often a slow reader reads. */
const TICK_MS = 10

function piecesOf(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const pieces: Uint8Array[] = []
  let start = 0
  for (const size of sizes) {
    pieces.push(bytes.subarray(start, start + size))
    start += size
  }
  if (start < bytes.length) pieces.push(bytes.subarray(start))
  return pieces
}
