import { encodeBarrier, encodeNotification, MAX_FRAME_BYTES } from '@lhspn/apns-protocol'

import type { Call } from '../call.ts'
import type { Engine } from '../engine.ts'
import { closedAtOnce, credentialsRefused, nothingReached, type SenderError } from '../errors.ts'
import { Intake } from '../intake.ts'
import type { Notification } from '../notification.ts'
import { Openings } from '../openings.ts'
import { Outbox } from '../outbox.ts'
import type { OwnReason } from '../outcome.ts'
import { ContentRenderer, refusalOf, RenderedContent } from '../rendered-content.ts'
import { gatewayVerdict } from '../verdict.ts'
import { Link } from './link.ts'
import { WindowSettlement, type WindowSettlementOptions } from './window-settlement.ts'
import { Window } from './window.ts'

export interface ResendEngineOptions extends WindowSettlementOptions {
  /** Notifications that may be unsettled on one connection; a power of two. */
  readonly window: number
  readonly connections: number
  readonly connectionsPerSecond: number
  readonly requestTimeoutMs: number
  /** 0 ≤ n < 1, for jitter. */
  readonly random: () => number
}

/** Barriers of windows that were not full are so far apart: a trickle costs a connection every 2 s, not one each. */
const BARRIER_INTERVAL_MS = 2000
/**
 * So much of a window is worth a connection of its own, and so is what is left over behind it: where no input has come for
 * a while, whoever gives it waits, as like as not, for what became of these.
 */
const WORTH = 1 / 4
const STARVED_MS = 50
/**
 * So much of a window is written ahead while a full one waits for its answer, if that comes soon: more would make
 * nothing faster, lie in buffers, keep its notifications in memory, and go again after a rejection.
 */
const AHEAD = 1 / 4
/** Where an answer takes longer, the gateway is far away, and every connection is written to. */
const SOON_MS = 250
/** An idle connection is not trusted longer than this: firewalls drop them silently. */
const IDLE_MS = 60_000
/** A gateway that answers no barriers is asked again so often: one lost connection may have been why it seemed so. */
const LONE_INTERVAL_MS = 60_000
const MISSING_DEVICE_TOKEN = 2
/** What must be left in a buffer to write on: a frame and a barrier. */
const MIN_BUFFER_BYTES = 2 * MAX_FRAME_BYTES

/**
 * The queue and resend engine of the binary provider protocol.
 *
 * Nothing is accepted on a guess: an error response proves what was written before the notification that it names, and
 * a confirmation barrier (a deliberately invalid last frame) makes the gateway give one. What was written after the
 * named one was provably discarded and goes again, in order, ahead of anything that was never written (Apple, "Binary
 * Provider API": error-response packet).
 */
export class ResendEngine implements Engine<Link> {
  readonly #options: ResendEngineOptions
  readonly #openings: Openings
  readonly intake: Intake
  readonly outbox = new Outbox<Link>()
  readonly #settlement: WindowSettlement
  #links: Link[] = []
  readonly #spareWindows: Window[] = []
  readonly #contents = new ContentRenderer((content) => new RenderedContent(content, 'gateway'))
  /** Whether the gateway answers barriers; undefined until it is known. */
  #barriers: boolean | undefined
  /** The lone barrier was met with a bare close: a connection with nothing written will tell why. */
  #probing = false
  #lastBarrierAt = -Infinity
  /** The last barrier ended a window that was worth it. */
  #broadcasting = false
  #lastLoneAt = -Infinity
  /** The last write ended because the buffer was full, not for lack of input. */
  #bulk = false
  /** The time as of the last `advance`. */
  #now = -Infinity
  /** The time of day then, in milliseconds since 1970. */
  #unixMs = 0

  constructor(options: ResendEngineOptions) {
    this.#options = options
    const room = options.connections * options.window
    this.intake = new Intake({ room, ...options }, () => this.#hurry())
    this.#settlement = new WindowSettlement(this.intake.settlement, options)
    this.#openings = new Openings(options.connectionsPerSecond, options.connections, options.random)
  }

  /** Who ended a call wants to know soon. */
  #hurry(): void {
    for (const link of this.#links) link.hurried ||= link.window.size > 0 && link.barrier === undefined
  }

  /** Whether nothing is in flight. */
  get idle(): boolean {
    return this.#links.every((link) => link.window.size === 0)
  }

  // What happened to the connections.

  opened(link: Link, now: number): void {
    link.openedAt = now
    link.usedAt = now
  }

  received(link: Link, bytes: Uint8Array, now: number): void {
    if (!this.#links.includes(link)) return
    let response
    try {
      response = link.decoder.push(bytes)
    } catch {
      this.#close(link)
      this.#lose(link.window, 'PositionUnknown', now)
      return
    }
    if (response === undefined) return
    this.#close(link)
    this.#answered(link, response.status, response.identifier, now)
  }

  /** The connection ended, or could not be opened; `error` says why, where anything is known. */
  closed(link: Link, error: SenderError | undefined, now: number): void {
    if (!this.#links.includes(link)) return
    this.#forget(link)
    this.#lose(link.window, 'ConnectionLost', now, error)
    if (error !== undefined && error.code !== 'unreachable') this.intake.stop(error)
    else if (link.openedAt === undefined) this.#failed(now, error)
    else if (this.#barriers === undefined && link.barrier !== undefined) this.#probing = true
    else if (link.fresh && this.#probing) this.intake.stop(closedAtOnce())
    else if (link.fresh && this.#hasWork && now - link.openedAt < this.#options.quietTimeMs) this.#failed(now, error)
  }

  // What is to be done.

  advance(now: number, unixMs: number): void {
    this.#now = now
    this.#unixMs = unixMs
    this.intake.advance(now)
    for (const link of this.#links) this.#advanceLink(link, now)
    if (this.#wantsConnection && this.#openings.nextAt <= now) this.#open(now)
  }

  wakeAt(): number {
    let at = this.intake.wakeAt()
    for (const link of this.#links) at = Math.min(at, this.#linkDueAt(link))
    if (this.#hasWork && this.#lateAt > this.#now) at = Math.min(at, this.#lateAt)
    if (this.#wantsConnection) at = Math.min(at, this.#openings.nextAt)
    else if (this.#barriers === false && !this.idle && this.#loneDueAt > this.#now) at = Math.min(at, this.#loneDueAt)
    return at
  }

  nextToWrite(now: number): Link | undefined {
    if (this.#barriers !== true && this.#loneDueAt <= now && (this.#hasWork || !this.idle)) {
      const fresh = this.#links.find((link) => link.fresh && link.openedAt !== undefined)
      if (fresh !== undefined) return fresh
    }
    if (this.#barriers === undefined) return undefined
    const due = this.#links.find((link) => this.#barrierDueAt(link) <= now)
    if (due !== undefined || !this.#hasWork) return due
    if (this.#isFarEnoughAhead(now)) return undefined
    let unsettled = 0
    let empty: Link | undefined
    for (const link of this.#links) {
      if (link.window.size > 0) {
        unsettled++
        if (link.writable) {
          if (!link.blocked) return link
          // One that is written to takes all, unless barriers are off and windows never end by themselves.
          if (this.#barriers) return undefined
        }
      } else if (link.writable && !link.blocked) empty ??= link
    }
    return unsettled < this.#options.connections ? empty : undefined
  }

  write(link: Link, into: Uint8Array, now: number): number {
    link.usedAt = now
    if (this.#barriers !== true && link.fresh && this.#loneDueAt <= now)
      return this.#writeBarrier(link, into, 0, now, true)
    let offset = 0
    if (link.writable && !link.blocked) {
      const end = into.length - MIN_BUFFER_BYTES
      const write = (notification: Notification, call: Call, history: number): number =>
        this.#writeNotification(link, into, offset, notification, call, history)
      while (offset <= end && !link.window.full) {
        const written = this.intake.next(write)
        if (written === undefined) break
        offset = written
      }
      link.window.mark(now)
    }
    this.#bulk = this.#hasWork
    return this.#barrierDueAt(link) <= now ? this.#writeBarrier(link, into, offset, now, false) : offset
  }

  /** Whether what waits for an answer, which will come soon, is enough. */
  #isFarEnoughAhead(now: number): boolean {
    if (this.#barriers !== true || this.#lateAt <= now) return false
    const unsettled = this.#links.reduce((sum, link) => sum + link.window.size, 0)
    return unsettled >= this.#options.window * (1 + AHEAD)
  }

  /** When the answer to a full window's barrier is late; Infinity if none is waited for. */
  get #lateAt(): number {
    let at = Infinity
    for (const { barrier } of this.#links) if (barrier?.full === true) at = Math.min(at, barrier.at + SOON_MS)
    return at
  }

  #writeNotification(
    link: Link,
    into: Uint8Array,
    offset: number,
    notification: Notification,
    call: Call,
    history: number,
  ): number {
    const content = this.#contents.render(notification.content)
    let reason = refusalOf(notification, content, this.#unixMs)
    if (reason === undefined) {
      const { token, badge } = notification
      const { next } = link.window
      const { payload, expiration, priority } = content
      const end = encodeNotification(into, offset, next, token, payload, badge, expiration, priority)
      if (end !== -1) {
        link.window.push(notification, call, history + 1)
        return end
      }
      reason = 'MalformedToken'
    }
    this.intake.settlement.refuse({ notification, call, history }, reason)
    return offset
  }

  #writeBarrier(link: Link, into: Uint8Array, offset: number, now: number, lone: boolean): number {
    const { full } = link.window
    const identifier = link.window.next
    link.barrier = { identifier, at: now, lone, full }
    if (!lone) this.#broadcasting = this.#isWorth(link.window)
    if (lone) this.#lastLoneAt = now
    else if (!full) this.#lastBarrierAt = now
    return encodeBarrier(into, offset, identifier)
  }

  get #hasWork(): boolean {
    return this.intake.hasWork
  }

  // Connections: when one is wanted, when one is due.

  get #wantsConnection(): boolean {
    const asks = this.#barriers === false && !this.idle && this.#loneDueAt <= this.#now
    if (this.intake.stopped || !(this.#hasWork || asks)) return false
    let coming = 0
    let writing = 0
    let unsettled = 0
    for (const link of this.#links) {
      if (link.fresh) coming++
      else if (link.writable) writing++
      if (link.window.size > 0) unsettled++
    }
    if (coming > 0) return false
    if (this.#barriers === false) return asks || (writing === 0 && unsettled < this.#options.connections)
    // While there is more to write than one write takes, the next connection is open before it is needed.
    return writing === 0 || this.#bulk
  }

  #open(now: number): void {
    const link = new Link(now, this.#spareWindows.pop() ?? new Window(this.#options.window))
    this.#openings.open(now)
    this.#links.push(link)
    this.outbox.open(link)
  }

  /** When the window of a connection is to be ended by a barrier; Infinity if nothing says so yet. */
  #barrierDueAt(link: Link): number {
    const { window } = link
    if (this.#barriers !== true || link.openedAt === undefined || link.barrier !== undefined || window.size === 0)
      return Infinity
    if (window.full || link.hurried) return -Infinity
    const ended = this.#hasWork ? window.oldestAt + BARRIER_INTERVAL_MS : -Infinity
    const usual = Math.max(ended, this.#lastBarrierAt + BARRIER_INTERVAL_MS)
    if (this.#hasWork || !(this.#broadcasting || this.#isWorth(window))) return usual
    return Math.min(usual, window.newestAt + STARVED_MS)
  }

  #isWorth({ size }: Window): boolean {
    return size >= this.#options.window * WORTH
  }

  /** When a lone barrier may be written: while it is not known that the gateway answers, and none waits for its answer. */
  get #loneDueAt(): number {
    if (this.#probing || this.#links.some((link) => link.barrier !== undefined)) return Infinity
    return this.#barriers === undefined ? -Infinity : this.#lastLoneAt + LONE_INTERVAL_MS
  }

  #linkDueAt(link: Link): number {
    const { requestTimeoutMs, quietTimeMs } = this.#options
    if (link.openedAt === undefined) return link.openingSince + requestTimeoutMs
    if (link.barrier !== undefined) {
      const patience = link.barrier.lone && this.#barriers === undefined ? quietTimeMs : requestTimeoutMs
      return link.barrier.at + patience
    }
    if (this.#probing) return link.openedAt + quietTimeMs
    if (link.window.size === 0) return link.usedAt + IDLE_MS
    return this.#barriers === false ? link.window.oldestAt + quietTimeMs : this.#barrierDueAt(link)
  }

  #advanceLink(link: Link, now: number): void {
    if (this.#linkDueAt(link) > now) {
      if (this.intake.ended && link.window.size === 0) this.#close(link)
      return
    }
    if (link.openedAt === undefined) {
      this.#close(link)
      this.#failed(now, nothingReached('The gateway did not complete a TLS handshake in time'))
    } else if (link.barrier !== undefined) {
      if (link.barrier.lone && this.#barriers === undefined) this.#knowBarriers(false)
      else {
        this.#close(link)
        this.#lose(link.window, 'NoAnswer', now)
      }
    } else if (this.#probing) {
      this.#probing = false
      this.#knowBarriers(false)
    } else if (link.window.size === 0) {
      this.#close(link)
    } else if (this.#barriers === false) {
      this.#openings.succeed()
      this.#settlement.leaveQuiet(link.window, now)
    }
  }

  /** Takes a connection out of the game and has it closed. */
  #close(link: Link): void {
    this.#forget(link)
    this.outbox.close(link)
  }

  #forget(link: Link): void {
    this.#links = this.#links.filter((other) => other !== link)
  }

  #recycle(window: Window): void {
    window.reset()
    if (this.#spareWindows.length <= this.#options.connections) this.#spareWindows.push(window)
  }

  #knowBarriers(answered: boolean): void {
    if (this.#barriers === answered) return
    this.#barriers = answered
    this.outbox.tell({ kind: 'barriers', answered })
  }

  #failed(now: number, error: SenderError | undefined): void {
    if (!this.#openings.fail(now)) return
    this.intake.endUnwritten('Unreachable', error ?? nothingReached('Ten connections in a row came to nothing'))
  }

  // What settles.

  #answered(link: Link, status: number, identifier: number, now: number): void {
    const { window, barrier } = link
    const verdict = gatewayVerdict(status, 0, Infinity)
    const proven = verdict !== 'unknown'
    if (verdict === 'stop') this.intake.stop(credentialsRefused(status))
    if (barrier?.lone === true) {
      this.#openings.succeed()
      this.#knowBarriers(proven)
    } else if (barrier !== undefined && namesBarrier(barrier.identifier, status, identifier)) {
      this.#openings.succeed()
      if (barrier.full) this.#openings.replace()
      this.#settlement.accept(window, window.next)
    } else if (proven && window.holds(identifier)) {
      this.#openings.succeed()
      this.#openings.replace()
      this.#settlement.accept(window, identifier)
      this.#settlement.named(window, status, now)
      this.#giveBack(window)
    } else if (proven && identifier > 0 && identifier < window.oldest && window.size > 0) {
      // It left already, after the quiet time; what was written after it was discarded.
      this.#giveBack(window)
      this.#failed(now, undefined)
    } else this.#lose(window, 'PositionUnknown', now)
    this.#recycle(window)
  }

  #giveBack(window: Window): void {
    const count = this.#settlement.giveBack(window)
    if (count > 0) this.outbox.tell({ kind: 'resent', count, cause: 'error-response' })
  }

  /** The connection came to nothing, if anything was left on it. */
  #lose(window: Window, reason: OwnReason, now: number, error?: SenderError): void {
    if (window.size === 0) return
    const count = this.#settlement.lose(window, reason)
    if (count > 0) this.outbox.tell({ kind: 'resent', count, cause: 'connection-lost' })
    this.#failed(now, error)
  }
}

/** Any answer that names it, and an old gateway's answer 0 to a missing token: only the barrier has none. */
function namesBarrier(barrier: number, status: number, identifier: number): boolean {
  if (status === MISSING_DEVICE_TOKEN && identifier === 0) return true
  return identifier === barrier && gatewayVerdict(status, 0, Infinity) !== 'unknown'
}
