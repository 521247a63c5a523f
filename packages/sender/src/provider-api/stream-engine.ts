import { MAX_REQUEST_BYTES, parseErrorBody, ProtocolError } from '@lhspn/apns-protocol'
import { HTTP2_ERROR } from '@lhspn/apns-protocol/http2'

import { retryAfterMs } from '../backoff.ts'
import type { Call } from '../call.ts'
import type { Engine, ResendCause } from '../engine.ts'
import { nothingReached, type SenderError } from '../errors.ts'
import { Intake } from '../intake.ts'
import type { Notification } from '../notification.ts'
import { Openings } from '../openings.ts'
import { Outbox } from '../outbox.ts'
import type { OwnReason } from '../outcome.ts'
import type { ProviderToken } from '../provider-tokens.ts'
import { ContentRenderer, refusalOf } from '../rendered-content.ts'
import { ATTEMPTS, type Returned } from '../resend-queue.ts'
import { endsConnection, providerVerdict } from '../verdict.ts'
import { credentialsRefused, notAvailable } from './faults.ts'
import { Hold, LONGEST_WAIT_MS } from './hold.ts'
import { Link, type LinkListener } from './link.ts'
import { RenderedRequest, type RequestTarget } from './rendered-request.ts'
import { MOST_STREAMS } from './streams.ts'

/** Where provider tokens come from. */
export interface TokenSource {
  /** The one that holds at a time of day. */
  at(unixMs: number): ProviderToken
  /** A new one, whatever the age of the last. */
  renew(unixMs: number): ProviderToken
}

export interface StreamEngineOptions extends RequestTarget {
  /** Times that a notification may be written. */
  readonly attempts: number
  readonly connections: number
  readonly connectionsPerSecond: number
  readonly requestTimeoutMs: number
  /** Absent where a client certificate authorizes. */
  readonly tokens?: TokenSource
  /** 0 ≤ n < 1, for jitter. */
  readonly random: () => number
}

const MINUTE_MS = 60_000
/** Apple asks for a PING where nothing else is sent for an hour. */
const IDLE_PING_MS = 60 * MINUTE_MS
/** A connection that was quiet for longer is asked for a sign of life before it is trusted: firewalls drop them silently. */
const TRUST_MS = MINUTE_MS
/** A provider token stays on a connection for at least so long (Apple: else TooManyProviderTokenUpdates). */
const TOKEN_STAY_MS = 20 * MINUTE_MS
/** A connection begins with a token no older than this: it then never has to change it within those 20 minutes. */
const TOKEN_START_MS = 25 * MINUTE_MS
/** Apple refuses a token of an hour. */
const TOKEN_END_MS = 55 * MINUTE_MS
/** Another connection is opened where answers take longer than this: below that it would only cost. */
const SPREAD_MS = 25

/**
 * The engine of the provider API. One request is one stream, and its answer is its outcome; what was provably not
 * processed (streams above GOAWAY's last one, REFUSED_STREAM, never written) goes again, ahead of anything that was
 * never written (RFC 9113, 6.8 and 8.7).
 */
export class StreamEngine implements Engine<Link>, LinkListener {
  readonly #options: StreamEngineOptions
  readonly intake: Intake
  readonly outbox = new Outbox<Link>()
  readonly #openings: Openings
  readonly #hold: Hold
  readonly #requests: ContentRenderer<RenderedRequest>
  #links: Link[] = []
  /** The time, and the time of day, as of the last `advance`. */
  #now = -Infinity
  #unixMs = 0
  /** The provider token that was made because Apple called the one before it expired; until Apple has taken it. */
  #renewed: number | undefined
  /** When a connection turned out to be another key's; until Apple has taken ours on a later one. */
  #unrelatedAt: number | undefined

  constructor(options: StreamEngineOptions) {
    this.#options = options
    const room = options.connections * MOST_STREAMS
    this.intake = new Intake({ room, ...options })
    this.#openings = new Openings(options.connectionsPerSecond, options.connections, options.random)
    this.#hold = new Hold(options.random)
    this.#requests = new ContentRenderer((content) => new RenderedRequest(content, options))
  }

  get idle(): boolean {
    return this.#links.every((link) => link.streams.size === 0)
  }

  // What happened to the connections.

  opened(link: Link, now: number): void {
    link.openedAt = now
    link.heardAt = now
    // Only a provider token has to be proven before several streams may be opened (Apple).
    link.proven = this.#options.tokens === undefined
  }

  received(link: Link, bytes: Uint8Array, now: number): void {
    if (!this.#links.includes(link)) return
    this.#now = Math.max(this.#now, now)
    try {
      link.received(bytes, now)
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.outbox.tell({ kind: 'protocol-error', message: error.message })
      this.outbox.close(link)
      this.#lost(link, 'ConnectionLost', nothingReached(error.message))
    }
  }

  closed(link: Link, error: SenderError | undefined, now: number): void {
    if (!this.#links.includes(link)) return
    this.#now = Math.max(this.#now, now)
    if (error !== undefined && error.code !== 'unreachable') this.intake.stop(error)
    this.#lost(link, 'ConnectionLost', error)
  }

  // What the connections tell.

  answered(link: Link, slot: number, status: number, body: Uint8Array, retryAfter: string | undefined): void {
    const { streams } = link
    const notification = streams.notification(slot)
    const call = streams.call(slot)
    const history = streams.history(slot)
    const generation = streams.generation(slot)
    link.close(slot)
    if (status === 200) {
      this.#proven(link, generation)
      if (this.#hold.accepted()) this.outbox.tell({ kind: 'hold', holding: false })
      return this.intake.settlement.accept(notification, call, history)
    }
    const { reason, timestamp } = parseErrorBody(body, 0, body.length)
    this.#refused(link, { notification, call, history }, generation, status, reason, timestamp, retryAfter)
  }

  reset(link: Link, slot: number, code: number): void {
    const returned = this.#take(link, slot)
    if (code !== HTTP2_ERROR.REFUSED_STREAM) {
      this.#resent(this.intake.settlement.lose([returned], 'StreamReset'), 'connection-lost')
      return
    }
    // Nothing was processed; that all are refused, again and again, is bounded like any unavailability.
    if (this.#hold.failed(this.#now, 0)) this.outbox.tell({ kind: 'hold', holding: true })
    this.#goAgain(returned, 'refused-stream')
  }

  goaway(link: Link, lastStream: number, code: number, reason: string | undefined): void {
    this.outbox.tell({ kind: 'goaway', code, reason })
    const refused = reason !== undefined && providerVerdict(200, reason) === 'stop'
    if (refused) this.intake.stop(credentialsRefused(reason))
    const part = link.streams.above(lastStream).map((stream) => {
      const returned = this.#take(link, link.streams.find(stream))
      return { ...returned, history: returned.history - 1 }
    })
    this.#resent(this.intake.settlement.giveBack(part), 'goaway')
  }

  // What is to be done.

  advance(now: number, unixMs: number): void {
    this.#now = now
    this.#unixMs = unixMs
    this.intake.advance(now)
    for (const link of this.#links) this.#advanceLink(link, now)
    const hold = this.#hold
    hold.wait(this.intake.hasWork, now)
    if (hold.endsAt <= now) this.#giveAllBack(hold.nextAt - now)
    if (this.#wantsConnection && this.#openings.nextAt <= now) this.#open(now)
  }

  wakeAt(): number {
    let at = Math.min(this.intake.wakeAt(), this.#hold.endsAt)
    for (const link of this.#links) at = Math.min(at, this.#linkDueAt(link))
    if (this.#wantsConnection) at = Math.min(at, this.#openings.nextAt)
    if (this.#hold.holding && this.intake.hasWork && this.idle) at = Math.min(at, this.#hold.nextAt)
    return at
  }

  nextToWrite(now: number): Link | undefined {
    let best: Link | undefined
    for (const link of this.#links) {
      if (link.openedAt === undefined || link.blocked) continue
      if (link.hasFrames) return link
      if (this.#takesRequests(link) && (best === undefined || link.streams.size < best.streams.size)) best = link
    }
    return best !== undefined && this.#mayRequest(now) ? best : undefined
  }

  write(link: Link, into: Uint8Array, now: number): number {
    let offset = link.writeFrames(into, 0, into.length)
    if (!this.#takesRequests(link) || !this.#mayRequest(now)) return offset
    this.#authorize(link, now)
    const end = into.length - MAX_REQUEST_BYTES
    const { room, streams } = link
    const write = (notification: Notification, call: Call, history: number): number =>
      this.#writeRequest(link, into, offset, notification, call, history, now)
    let left = this.#hold.holding ? 1 : Infinity
    while (offset <= end && left > 0 && streams.size < room && link.hasWindow && !link.retired) {
      left--
      const written = this.intake.next(write)
      if (written === undefined) break
      offset = written
    }
    if (!link.hasNumbers) link.retired = true
    return offset
  }

  #writeRequest(
    link: Link,
    into: Uint8Array,
    offset: number,
    notification: Notification,
    call: Call,
    history: number,
    now: number,
  ): number {
    const request = this.#requests.render(notification.content)
    const { id } = notification
    const isId = id === undefined || typeof id === 'string'
    let reason = isId ? refusalOf(notification, request, this.#unixMs) : 'MalformedId'
    if (reason === undefined) {
      const end = link.writeRequest(into, offset, request, notification, call, history + 1, now)
      if (end >= 0) return end
      reason = end === -1 ? 'MalformedToken' : 'MalformedId'
    }
    this.intake.settlement.refuse({ notification, call, history }, reason)
    return offset
  }

  /** A connection's provider token: changed no more often than every 20 minutes (Apple). */
  #authorize(link: Link, now: number): void {
    const { tokens } = this.#options
    if (tokens === undefined) return
    const current = tokens.at(this.#unixMs)
    if (link.token === undefined) {
      const isYoung = this.#unixMs - current.issuedAt * 1000 <= TOKEN_START_MS
      link.token = isYoung ? current : tokens.renew(this.#unixMs)
      link.tokenSince = now
    } else if (current !== link.token && now - link.tokenSince >= TOKEN_STAY_MS) {
      link.token = current
      link.tokenSince = now
    } else if (this.#unixMs - link.token.issuedAt * 1000 >= TOKEN_END_MS) link.retired = true
  }

  /** Whether anything may be requested at all. */
  #mayRequest(now: number): boolean {
    if (!this.intake.hasWork) return false
    return !this.#hold.holding || (now >= this.#hold.nextAt && this.idle)
  }

  /** One that is asked for a sign of life is not written to: `advance` asks before a quiet one would be. */
  #takesRequests(link: Link): boolean {
    if (!link.ready || link.retired || link.blocked || link.pingedAt !== undefined) return false
    return link.streams.size < link.room && link.hasWindow
  }

  // Connections: when one is wanted, when one is due.

  get #wantsConnection(): boolean {
    if (this.intake.stopped || !this.intake.hasWork) return false
    let live = 0
    for (const link of this.#links) {
      if (link.retired) continue
      live++
      if (!link.ready || !link.proven || !this.#isBusy(link)) return false
    }
    if (live > 0 && this.#hold.holding) return false
    const { connections } = this.#options
    return live < connections && this.#links.length < 2 * connections
  }

  /** Whether it can take no more for now, and that is because answers take their time. */
  #isBusy(link: Link): boolean {
    if (link.pingedAt !== undefined) return true
    if (link.streams.size < link.room && link.hasWindow && !link.blocked) return false
    const oldest = link.streams.oldest()
    return oldest !== -1 && this.#now - link.streams.writtenAt(oldest) >= SPREAD_MS
  }

  #open(now: number): void {
    const link = new Link(now, this)
    this.#openings.open(now)
    this.#links.push(link)
    this.outbox.open(link)
  }

  #linkDueAt(link: Link): number {
    const { requestTimeoutMs } = this.#options
    if (!link.ready) return link.openingSince + requestTimeoutMs
    if (link.pingedAt !== undefined) return Math.min(link.pingedAt + requestTimeoutMs / 2, this.#streamDueAt(link))
    const oldest = link.streams.oldest()
    if (oldest === -1) return this.#emptyDueAt(link)
    const writtenAt = link.streams.writtenAt(oldest)
    const silentAt = Math.max(link.heardAt, writtenAt) + requestTimeoutMs / 4
    const spreadAt = writtenAt + SPREAD_MS
    const spreads = spreadAt > this.#now && this.intake.hasWork && link.streams.size >= link.room
    return Math.min(silentAt, writtenAt + requestTimeoutMs, spreads ? spreadAt : Infinity)
  }

  #streamDueAt(link: Link): number {
    const oldest = link.streams.oldest()
    return oldest === -1 ? Infinity : link.streams.writtenAt(oldest) + this.#options.requestTimeoutMs
  }

  /** When something is due on a connection with no stream open. */
  #emptyDueAt(link: Link): number {
    if (link.starvedAt !== undefined) return link.starvedAt + this.#options.requestTimeoutMs
    return link.heardAt + (this.intake.hasWork ? TRUST_MS : IDLE_PING_MS)
  }

  #advanceLink(link: Link, now: number): void {
    if (link.streams.size === 0 && (link.retired || this.intake.ended)) return this.#close(link)
    link.starvedAt = this.#isStarved(link) ? (link.starvedAt ?? now) : undefined
    if (this.#linkDueAt(link) > now) return
    const { requestTimeoutMs } = this.#options
    if (!link.ready) {
      this.outbox.close(link)
      return this.#lost(link, 'NoAnswer', nothingReached('APNs did not complete the opening of a connection in time'))
    }
    if (link.pingedAt !== undefined && link.pingedAt + requestTimeoutMs / 2 <= now) {
      this.outbox.close(link)
      return this.#lost(link, 'NoAnswer', nothingReached('A connection gave no sign of life'))
    }
    if (link.starvedAt !== undefined && link.starvedAt + requestTimeoutMs <= now) {
      this.outbox.close(link)
      return this.#lost(link, 'NoAnswer', nothingReached('APNs allows no streams on a connection'))
    }
    this.#timeOutStreams(link, now)
    if (link.streams.size === 0 && link.retired) return this.#close(link)
    const oldest = link.streams.oldest()
    const since = oldest === -1 ? link.heardAt : Math.max(link.heardAt, link.streams.writtenAt(oldest))
    const patience = oldest !== -1 ? requestTimeoutMs / 4 : this.intake.hasWork ? TRUST_MS : IDLE_PING_MS
    if (link.pingedAt === undefined && since + patience <= now) link.askForLife(now)
  }

  /** Whether the peer lets nothing be written although nothing is in flight. */
  #isStarved(link: Link): boolean {
    if (!link.ready || link.streams.size > 0 || !this.intake.hasWork) return false
    return link.room === 0 || !link.hasWindow
  }

  #timeOutStreams(link: Link, now: number): void {
    const part: Returned[] = []
    for (let slot = link.streams.oldest(); slot !== -1; slot = link.streams.oldest()) {
      const writtenAt = link.streams.writtenAt(slot)
      if (writtenAt + this.#options.requestTimeoutMs > now) break
      if (link.completeAnswer(slot)) continue
      // Whatever else it says, it answers nothing any more.
      if (link.answeredAt <= writtenAt) link.retired = true
      part.push(this.#returned(link, slot))
      link.cancel(slot)
    }
    this.#resent(this.intake.settlement.lose(part, 'NoAnswer'), 'connection-lost')
  }

  /** Takes a connection out of the game and has it closed. Nothing is open on it. */
  #close(link: Link): void {
    this.#forget(link)
    this.outbox.close(link)
    if (!link.useful && this.intake.hasWork) this.#failed(undefined)
  }

  #forget(link: Link): void {
    this.#links = this.#links.filter((other) => other !== link)
  }

  /** A connection is gone, with what was in flight on it. */
  #lost(link: Link, reason: OwnReason, error: SenderError | undefined): void {
    this.#forget(link)
    link.completeAnswers()
    const part = link.streams.above(0).map((stream) => this.#take(link, link.streams.find(stream)))
    const resent = this.intake.settlement.lose(part, reason)
    this.#resent(resent, 'connection-lost')
    if (!link.useful && (part.length > 0 || link.openedAt === undefined || this.intake.hasWork)) this.#failed(error)
  }

  /** A connection came to nothing. */
  #failed(error: SenderError | undefined): void {
    if (!this.#openings.fail(this.#now)) return
    this.intake.endUnwritten('Unreachable', error ?? nothingReached('Ten connections in a row came to nothing'))
  }

  // What follows from answers.

  #refused(
    link: Link,
    returned: Returned,
    generation: number,
    status: number,
    reason: string | undefined,
    since: number | undefined,
    retryAfter: string | undefined,
  ): void {
    const { settlement } = this.intake
    if (status < 300) {
      // Only 200 is proof, and whoever calls something a success may have taken it.
      this.#resent(settlement.lose([returned], 'PositionUnknown'), 'connection-lost')
      return
    }
    const verdict = providerVerdict(status, reason)
    if (endsConnection(reason)) link.retired = true
    if (verdict !== 'stop' && verdict !== 'renew' && verdict !== 'reconnect') this.#proven(link, generation)
    const waitMs = retryAfterMs(retryAfter, this.#unixMs)
    switch (verdict) {
      case 'rejected':
        return settlement.reject(returned, reason ?? 'Unexplained', status, false)
      case 'unregistered':
        return settlement.settle(returned.call, {
          notification: returned.notification,
          kind: 'unregistered',
          reason: reason ?? 'Unexplained',
          status,
          ...(since !== undefined && { since }),
          attempts: returned.history & ATTEMPTS,
        })
      case 'wait':
        return this.#wait(returned, status, reason, waitMs)
      case 'unavailable':
        return this.#unavailable(returned, status, reason, waitMs)
      case 'renew':
        return this.#renew(link, returned, generation, status)
      case 'reconnect':
        return this.#reconnect(link, returned, status)
      case 'stop':
        return this.#stop(returned, reason, status)
    }
  }

  /** Apple took the credentials of a connection. */
  #proven(link: Link, generation: number): void {
    link.proven = true
    this.#openings.succeed()
    if (this.#renewed !== undefined && generation >= this.#renewed) this.#renewed = undefined
    if (this.#unrelatedAt !== undefined && link.openingSince >= this.#unrelatedAt) this.#unrelatedAt = undefined
  }

  #wait(returned: Returned, status: number, reason: string | undefined, waitMs: number): void {
    const { settlement } = this.intake
    if (waitMs > LONGEST_WAIT_MS) settlement.giveUp(returned, 'RetryLater', status, this.#unixMs + waitMs)
    else if ((returned.history & ATTEMPTS) < this.#options.attempts) {
      settlement.wait(returned, this.#now, waitMs)
      this.#resent(1, 'retry-after')
    } else settlement.reject(returned, reason ?? 'Unexplained', status, true)
  }

  #unavailable(returned: Returned, status: number, reason: string | undefined, waitMs: number): void {
    if (this.#hold.failed(this.#now, waitMs)) this.outbox.tell({ kind: 'hold', holding: true })
    if (!this.#hold.holding) return this.#wait(returned, status, reason, waitMs)
    // Attempts during a hold do not count.
    this.#goAgain(returned, 'retry-after')
    if (waitMs > LONGEST_WAIT_MS) this.#giveAllBack(waitMs)
  }

  /** Held for too long, or asked to wait for too long: every call ends, and its outcomes say when to try again. */
  #giveAllBack(waitMs: number): void {
    this.#hold.wait(false, this.#now)
    this.intake.endUnwritten('RetryLater', notAvailable(), this.#unixMs + Math.max(waitMs, MINUTE_MS))
  }

  /** Apple calls the provider token expired: a new one is made once, and has to be taken before that happens again. */
  #renew(link: Link, returned: Returned, generation: number, status: number): void {
    const { tokens } = this.#options
    const isRepeated = this.#renewed !== undefined && generation >= this.#renewed
    if (tokens === undefined || isRepeated) return this.#stop(returned, 'ExpiredProviderToken', status)
    if (tokens.at(this.#unixMs).generation === generation) this.#renewed = tokens.renew(this.#unixMs).generation
    if (this.#now - link.tokenSince < TOKEN_STAY_MS) link.retired = true
    this.#goAgain(returned, 'provider-token')
  }

  /** The connection belongs to another key: a new one is opened, which has to do. */
  #reconnect(link: Link, returned: Returned, status: number): void {
    if (this.#unrelatedAt !== undefined && link.openingSince >= this.#unrelatedAt)
      return this.#stop(returned, 'UnrelatedKeyIdInToken', status)
    this.#unrelatedAt ??= this.#now
    this.#goAgain(returned, 'provider-token')
  }

  #stop(returned: Returned, reason: string | undefined, status: number): void {
    this.intake.stop(credentialsRefused(reason, status))
    this.intake.settlement.giveUp({ ...returned, history: returned.history - 1 }, 'Stopped', status)
  }

  /** It was provably not processed. */
  #goAgain(returned: Returned, cause: ResendCause): void {
    const { queue, settlement } = this.intake
    const { call } = returned
    const again = { ...returned, history: returned.history - 1 }
    if (call.ending !== undefined) return settlement.giveUp(again, call.ending)
    // Ahead of all that was never written, and in the order in which the answers came.
    queue.putWaiting(again, this.#now)
    this.#resent(1, cause)
  }

  #returned(link: Link, slot: number): Returned {
    const { streams } = link
    return { notification: streams.notification(slot), call: streams.call(slot), history: streams.history(slot) }
  }

  #take(link: Link, slot: number): Returned {
    const returned = this.#returned(link, slot)
    link.close(slot)
    return returned
  }

  #resent(count: number, cause: ResendCause): void {
    if (count > 0) this.outbox.tell({ kind: 'resent', count, cause })
  }
}
