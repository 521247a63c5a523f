import type { Database } from '@lhspn/database'
import type { DeviceStore } from '@lhspn/device-store'
import { type Outcome, type Sender, SenderError } from '@lhspn/sender'

import { Checkpoints, LeaseLost } from './checkpoints.ts'
import { ChunkEvents } from './chunk-events.ts'
import { ChunkOutcomes, type Removal } from './chunk-outcomes.ts'
import type { ChunkQueue, Lease, Orders } from './chunk-queue/chunk-queue.ts'
import type { OnEvent, PauseCause } from './events.ts'
import { keepLease } from './keep-lease.ts'
import { hasRefused, isMismatched, judgeRefused, markRefused } from './marks.ts'
import { type MemberNotification, openMembers } from './open-members.ts'
import { ACCEPTED, codeOf, isAboutContent, type SettledKind, UNSETTLED } from './outcome-code.ts'
import { pace } from './pace.ts'
import type { PausedBecause } from './push-state.ts'
import { completePush } from './statements/chunk-state.ts'
import { pausePush } from './statements/pushes.ts'
import { untilDone } from './until-done.ts'

export interface DeliverChunkOptions {
  readonly database: Database
  readonly store: DeviceStore
  readonly queue: ChunkQueue
  readonly lease: Lease
  readonly sender: Sender
  readonly leaseMs: number
  readonly mismatchShare: number
  /** Whether Apple has taken something with this sender's credentials. */
  readonly isProven: () => boolean
  readonly prove: () => void
  /** Aborted: what is in flight settles, and the chunk is given back. */
  readonly stop: AbortSignal
  /** Aborted: nothing more is waited for. */
  readonly abandon: AbortSignal
  /** The sender has all of it, and what is left is to settle. */
  readonly onFed: () => void
  readonly onEvent: OnEvent
}

/** How a chunk left: `fault` is what the sender as a whole failed with. */
export interface Delivered {
  readonly end: 'closed' | 'released' | 'lost'
  readonly fault: SenderError | undefined
  /** Whether anything was settled by Apple. */
  readonly progress: boolean
}

/** Part of the lease, at its end, in which nothing more is written. */
const SAFETY = 1 / 5
/** What was given to the sender in its slot may be written so long after: a slot of a few is shorter than its way there. */
const SLOT_SLACK_MS = 250
/** Times that something may come back which Apple puts off, or nobody can confirm. */
const MOST_WAITS = 5
const TOO_MANY_REQUESTS = 429
/** A chunk whose refused tokens cannot be judged yet comes back so soon. */
const JUDGED_LATER_MS = 1000
/** Until the sender of an app and environment is another one. */
const REPLACED_MS = 1000

/** Takes one leased chunk as far as it goes: sends what is not settled, writes down what became of it, closes or gives back. */
export async function deliverChunk(
  options: DeliverChunkOptions,
  holdFor: (fault: SenderError) => number,
): Promise<Delivered> {
  return new Delivery(options, holdFor).run()
}

class Delivery {
  readonly #options: DeliverChunkOptions
  readonly #holdFor: (fault: SenderError) => number
  readonly #lease: Lease
  readonly #outcomes: ChunkOutcomes
  readonly #checkpoints: Checkpoints
  readonly #events: ChunkEvents
  readonly #began = performance.now()
  /** Ends the sending, whatever the cause. */
  readonly #abort = new AbortController()
  /** The lease is lost, or the database refuses for good: nothing more may be written down. */
  #ended: { readonly error: unknown } | undefined
  #until: number
  #pausing: Promise<void> | undefined
  #fault: SenderError | undefined
  #failure: unknown
  /** Given back with TooManyRequests; and when Apple wants what was given back again. */
  #tooMany: Outcome<MemberNotification>[] = []
  #retryAt = 0
  /** Unconfirmed of a push that sends such again: settled only if the call had its time. */
  #unconfirmed: Outcome<MemberNotification>[] = []
  #progress = false

  constructor(options: DeliverChunkOptions, holdFor: (fault: SenderError) => number) {
    const { database, store, queue, lease, abandon, onEvent } = options
    this.#options = options
    this.#holdFor = holdFor
    this.#lease = lease
    this.#until = lease.until
    this.#outcomes = new ChunkOutcomes(lease.outcomes)
    this.#events = new ChunkEvents(lease.push, onEvent)
    this.#checkpoints = new Checkpoints({
      database,
      store,
      queue,
      lease,
      outcomes: this.#outcomes,
      signal: abandon,
      onOrders: (orders) => this.#obey(orders),
      onEnd: (error) => this.#end(error),
      onError: (error) => this.#events.failed('checkpoint', error),
      onRemoved: (tokens) => this.#events.tell({ kind: 'removed', tokens }),
    })
  }

  async run(): Promise<Delivered> {
    const { stop, abandon } = this.#options
    const abort = (): void => this.#abort.abort()
    for (const signal of [stop, abandon]) signal.addEventListener('abort', abort)
    if (stop.aborted || abandon.aborted) abort()
    const done = new AbortController()
    const finish = (): void => done.abort()
    abandon.addEventListener('abort', finish)
    const { queue, lease, leaseMs } = this.#options
    const renewing = keepLease({
      queue,
      lease,
      leaseMs,
      signal: done.signal,
      onRenewal: (renewal) => {
        this.#until = renewal.until
        this.#obey(renewal)
      },
      onLost: () => this.#end(new LeaseLost()),
      onError: (error) => this.#events.failed('renewal', error),
    })
    let end: Delivered['end'] = 'lost'
    try {
      this.#checkMismatch()
      if (this.#outcomes.count(UNSETTLED) > 0) await this.#send()
      end = await this.#finish()
    } catch (error) {
      this.#end(error)
      if (!(this.#ended?.error instanceof LeaseLost)) this.#events.failed('delivery', this.#ended?.error)
    } finally {
      this.#checkpoints.stop()
      finish()
      await renewing
      abandon.removeEventListener('abort', finish)
      for (const signal of [stop, abandon]) signal.removeEventListener('abort', abort)
    }
    this.#events.end()
    const { seq, size } = this.#lease
    const ms = performance.now() - this.#began
    this.#events.tell({ kind: 'chunk', end, seq, size, settled: this.#outcomes.settled, ms })
    return { end, fault: this.#fault, progress: this.#progress }
  }

  async #send(): Promise<void> {
    const { sender, lease } = this.#options
    const sending = sender.send(this.#notifications(), {
      signal: this.#abort.signal,
      deadline: () => this.#deadline,
      onUnconfirmed: lease.push.onUnconfirmed,
    })
    try {
      for await (const outcomes of until(this.#options.abandon, sending)) {
        for (const outcome of outcomes) this.#take(outcome)
        this.#checkMismatch()
        this.#checkpoints.note()
        await this.#checkpoints.keepUp()
      }
    } catch (error) {
      if (this.#ended !== undefined || error instanceof LeaseLost) throw error
      if (error instanceof SenderError) this.#fault = error
      else this.#failure = error
    }
  }

  #notifications(): AsyncIterable<readonly MemberNotification[]> {
    const { database, store, lease, abandon } = this.#options
    const opened = openMembers({
      database,
      store,
      lease,
      outcomes: this.#outcomes,
      signal: abandon,
      onUnwritten: (code, token) => this.#events.unwritten(code, token),
      onError: (error) => this.#events.failed('registry', error),
    })
    const { slot, rate } = lease
    if (slot === undefined || rate === null) return atEnd(opened, this.#options.onFed)
    return pace(opened, { rate, start: slot.start, signal: this.#abort.signal })
  }

  /** When writing ends at the latest. */
  get #deadline(): number {
    return Math.min(this.#leaseEnd, this.#slotEnd)
  }

  get #leaseEnd(): number {
    return this.#until - this.#options.leaseMs * SAFETY
  }

  get #slotEnd(): number {
    const { slot } = this.#lease
    return slot === undefined ? Number.POSITIVE_INFINITY : Math.max(slot.end, this.#began) + SLOT_SLACK_MS
  }

  #take(outcome: Outcome<MemberNotification>): void {
    const { kind, reason, status } = outcome
    if (kind === 'unsent') {
      if (status === TOO_MANY_REQUESTS) this.#tooMany.push(outcome)
      this.#retryAt = Math.max(this.#retryAt, outcome.retryAt ?? 0)
      return
    }
    if (kind === 'accepted') {
      if (reason === undefined) this.#options.prove()
    } else if (isAboutContent(outcome)) {
      this.#pause('content', { reason })
      return
    } else if (kind === 'unconfirmed' && reason !== 'Quiet' && this.#lease.push.onUnconfirmed === 'resend') {
      // of what was quiet nothing more would be known another time
      this.#unconfirmed.push(outcome)
      return
    }
    this.#progress = true
    this.#settle(outcome, kind, reason)
  }

  #settle(outcome: Outcome<MemberNotification>, kind: SettledKind, reason: string | undefined): void {
    const { notification } = outcome
    if (kind !== 'accepted') this.#events.notAccepted(notification, kind, reason)
    const code = codeOf(reason === undefined ? { kind } : { kind, reason })
    this.#outcomes.settle(notification.index, code, this.#removalOf(outcome))
  }

  #removalOf({ kind, notification, since }: Outcome): Removal | undefined {
    if (kind !== 'unregistered') return undefined
    // Without a time of Apple's, whoever registered since the chunk was taken up is kept.
    return { token: notification.token, since: since ?? this.#lease.startedAt }
  }

  #checkMismatch(): void {
    const { mismatchShare } = this.#options
    if (!this.#lease.checksMismatch || !isMismatched(this.#outcomes.judged, mismatchShare)) return
    this.#pause('environment-mismatch')
  }

  /** Closes the chunk if it is settled, or gives it back. */
  async #finish(): Promise<Delivered['end']> {
    this.#settleUnconfirmed()
    await this.#checkpoints.keepUp()
    await this.#pauseForFault()
    if (this.#ended !== undefined) throw this.#ended.error
    if (this.#failure !== undefined) {
      // Whatever it is, it counts: not given back, the lease runs out, and five such pause the push.
      await this.#checkpoints.flush()
      throw this.#failure
    }
    const waits = this.#settleGivenBack()
    if (this.#outcomes.count(UNSETTLED) > 0) return this.#release(this.#pauseMs(), waits)
    if (this.#pausing !== undefined) return this.#release(0, 0)
    if (hasRefused(this.#outcomes)) {
      const verdict = await this.#judge()
      if (verdict !== 'mark') return this.#release(verdict === 'later' ? JUDGED_LATER_MS : 0, 0)
      if (this.#options.isProven() || this.#outcomes.count(ACCEPTED) > 0)
        await markRefused({ ...this.#withRetries('marks'), lease: this.#lease, outcomes: this.#outcomes })
    }
    await this.#checkpoints.close()
    await this.#complete()
    return 'closed'
  }

  /** Leaves those that the end of their slot alone kept from being sent again. */
  #settleUnconfirmed(): void {
    const now = performance.now()
    const wasCut = this.#abort.signal.aborted || this.#fault !== undefined || now >= this.#leaseEnd
    if (!wasCut && now < this.#slotEnd) {
      for (const outcome of this.#unconfirmed) this.#settle(outcome, 'unconfirmed', outcome.reason)
    }
    if (wasCut || now < this.#slotEnd) this.#unconfirmed = []
  }

  /**
   * Counts the times in a row that unconfirmed ones came back, or only TooManyRequests; the last time, that is what
   * became of them.
   */
  #settleGivenBack(): number {
    const left = this.#outcomes.count(UNSETTLED)
    const tooMany = this.#tooMany.length + this.#unconfirmed.length < left ? [] : this.#tooMany
    if (left === 0 || tooMany.length + this.#unconfirmed.length === 0) return 0
    const { waits } = this.#lease
    if (waits + 1 < MOST_WAITS) return waits + 1
    for (const outcome of tooMany) this.#settle(outcome, 'rejected', 'TooManyRequests')
    for (const outcome of this.#unconfirmed) this.#settle(outcome, 'unconfirmed', outcome.reason)
    // what else is in the chunk may have been back as often
    return waits
  }

  /** How long what is left should wait. */
  #pauseMs(): number {
    if (this.#pausing !== undefined) return 0
    const wanted = this.#retryAt === 0 ? 0 : Math.max(0, this.#retryAt - Date.now())
    if (this.#fault === undefined || this.#options.stop.aborted) return wanted
    // Another sender takes its place.
    if (this.#fault.code === 'closed') return REPLACED_MS
    return Math.max(wanted, this.#holdFor(this.#fault))
  }

  async #pauseForFault(): Promise<void> {
    if (this.#fault !== undefined && isConfiguration(this.#fault)) this.#pause('credentials', { error: this.#fault })
    await this.#pausing
  }

  async #judge(): Promise<'mark' | 'later' | 'mismatch'> {
    await this.#checkpoints.flush()
    const { database, mismatchShare } = this.#options
    const verdict = await untilDone(
      () => judgeRefused(database, this.#lease, this.#outcomes, mismatchShare),
      this.#withRetries('judgement'),
    )
    if (verdict === 'mismatch') this.#pause('environment-mismatch')
    await this.#pausing
    return verdict
  }

  async #release(afterMs: number, waits: number): Promise<'released'> {
    await this.#checkpoints.flush()
    await untilDone(() => this.#options.queue.release(this.#lease, { afterMs, waits }), this.#withRetries('release'))
    return 'released'
  }

  async #complete(): Promise<void> {
    const { database } = this.#options
    const { number } = this.#lease.push
    const completed = await untilDone(
      () => database.transaction((transaction) => completePush(transaction, number)),
      this.#withRetries('completion'),
    )
    if (completed) this.#events.tell({ kind: 'completed' })
  }

  /** Pauses the push, and ends the sending. What was settled stays so. */
  #pause(because: PausedBecause, cause: PauseCause = {}): void {
    if (this.#pausing !== undefined) return
    const { database } = this.#options
    const { number } = this.#lease.push
    const pausing = untilDone(() => pausePush(database, number, because), this.#withRetries('pause'))
    this.#pausing = this.#tellPaused(pausing, because, cause)
    this.#abort.abort()
  }

  async #tellPaused(pausing: Promise<boolean>, because: PausedBecause, cause: PauseCause): Promise<void> {
    try {
      if (await pausing) this.#events.tell({ kind: 'paused', because, ...cause })
    } catch (failure) {
      this.#end(failure)
    }
  }

  #obey({ running, rate }: Orders): void {
    // With another rate it takes a new slot.
    if (!running || rate !== this.#lease.rate) this.#abort.abort()
  }

  #end(error: unknown): void {
    this.#ended ??= { error }
    // Whoever has the chunk now must not find us writing.
    this.#until = Number.NEGATIVE_INFINITY
    this.#abort.abort()
  }

  #withRetries(what: string) {
    const { database, store, abandon } = this.#options
    return { database, store, signal: abandon, onError: (error: unknown) => this.#events.failed(what, error) }
  }
}

/** Faults that no other attempt mends: somebody must change something. */
function isConfiguration({ code }: SenderError): boolean {
  return code !== 'unreachable' && code !== 'unavailable' && code !== 'closed'
}

/** What `source` gives; `onEnd` is told when it has nothing more. */
async function* atEnd<T>(source: AsyncIterable<T>, onEnd: () => void): AsyncGenerator<T, void, undefined> {
  yield* source
  onEnd()
}

/** What `source` gives until `signal` is aborted; it is left then, whatever it waits for. */
async function* until<T>(signal: AbortSignal, source: AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
  const iterator = source[Symbol.asyncIterator]()
  let abort!: () => void
  const aborted = new Promise<undefined>((resolve) => {
    abort = () => resolve(undefined)
    signal.addEventListener('abort', abort)
    if (signal.aborted) abort()
  })
  try {
    for (;;) {
      const next = await Promise.race([iterator.next(), aborted])
      if (next === undefined || next.done === true) return
      yield next.value
    }
  } finally {
    signal.removeEventListener('abort', abort)
    void iterator.return?.()
  }
}
