import type { FeedbackTuple, Interface } from '@lhspn/apns-protocol'
import type { DeviceStore } from '@lhspn/device-store'

import type { ChunkQueue } from './chunk-queue/chunk-queue.ts'
import { EmbeddedQueue } from './chunk-queue/embedded.ts'
import { changePush, numberOf, type PushChanges } from './commands.ts'
import type { OnEvent } from './events.ts'
import { planStream } from './plan-stream.ts'
import { preview, type Preview } from './preview.ts'
import type { Environment, PushRequest, StoredPush } from './push.ts'
import { findRecord, lastRecords, listRecords, type NotificationRecord, type RecordsOptions } from './records.ts'
import { listPushes, type ListOptions, type Page, readPush, readPushes, watchPush } from './report.ts'
import { offerOf, Schedule, type ScheduleOptions } from './schedule.ts'
import type { Planning } from './statements/plan.ts'
import { readRunningOne } from './statements/schedule.ts'
import { findSubmission, submit, type SubmitOptions } from './submit.ts'
import { untilDone } from './until-done.ts'
import { type SenderFor, Worker } from './worker.ts'

export interface DispatcherOptions {
  readonly store: DeviceStore
  /** Asked for each chunk. What it answers is not closed here. */
  readonly senderFor: SenderFor
  /** Where chunks are taken from; embedded in the store's database when absent. */
  readonly queue?: ChunkQueue
  /** Members a chunk, at most; outcomes after which a push's rejected tokens are judged and marked. Default 5,000. */
  readonly chunkSize?: number
  /** Chunks delivered at once; small ones and those that pace a rate do not count. Default 2. */
  readonly concurrency?: number
  /** How long a chunk, or the planning of a push, is leased, in ms. Default 15,000. */
  readonly leaseMs?: number
  /** How long chunks, their records and tombstones are kept, in ms. Default 30 days. */
  readonly retentionMs?: number
  /** Told of what happens, for logs, metrics and webhooks. It must not throw. */
  readonly onEvent?: OnEvent
  /** Share of rejected tokens, 0 to 1, that means the wrong environment; 1 switches the check off. Default 0.05. */
  readonly mismatchShare?: number
}

/** What became of the devices that a feedback service named. */
export interface FeedbackCount {
  readonly read: number
  readonly removed: number
  /** Not registered, or registered again since. */
  readonly kept: number
}

/** A push that is stored. */
export interface Submitted {
  readonly push: StoredPush
  /** Whether it was stored before, by the same idempotency key. */
  readonly replayed: boolean
  /**
   * Of a stream of tokens: resolves when it is stored to its end, or nothing more of it can be, since the push was
   * canceled or this dispatcher ended; rejects with what the stream throws, and with DispatcherError `stream-cut` when
   * another process has taken the push over. What was stored of it is sent in any case.
   */
  readonly streamed: Promise<void>
}

/** Feedback tuples in one transaction. */
const TUPLES = 180
const DAY_MS = 86_400_000
const DRAIN_MS = 25_000

/** Takes pushes from their audience to their outcomes, and keeps the registry true to what Apple said. */
export class Dispatcher {
  readonly #store: DeviceStore
  readonly #options: ScheduleOptions
  readonly #queue: ChunkQueue
  readonly #schedule: Schedule
  readonly #worker: Worker
  /** By the number of the push. */
  readonly #streams = new Map<number, Promise<void>>()
  readonly #ending = new AbortController()

  constructor(options: DispatcherOptions) {
    const { store, senderFor, chunkSize = 5000, mismatchShare = 0.05, leaseMs = 15_000 } = options
    const { database } = store
    const { concurrency = 2, onEvent = () => undefined, retentionMs = 30 * DAY_MS } = options
    const { queue = new EmbeddedQueue({ database, leaseMs, onEvent }) } = options
    this.#store = store
    this.#queue = queue
    this.#options = { database, store, queue, chunkSize, leaseMs, retentionMs, onEvent }
    this.#schedule = new Schedule(this.#options, this.#streams)
    // A crash sends again what was in hand: with smaller chunks, or fewer at once, that is less. For each chunk at once
    // one is fed and one waits for its proof.
    const ahead = concurrency * chunkSize
    const worker = { database, store, queue, senderFor, concurrency, ahead, leaseMs, mismatchShare, onEvent }
    this.#worker = new Worker(worker)
  }

  /** From now on pushes begin, are planned, delivered and completed here, beside whoever else does it. */
  start(): void {
    this.#schedule.start()
    this.#worker.start()
  }

  /**
   * Takes nothing more, lets what is in flight settle, and gives the rest back for others. What has not settled after
   * `timeoutMs` is given up: others wait until its lease ends. Answers whether all of it settled in time.
   */
  async drain(timeoutMs: number): Promise<boolean> {
    this.#ending.abort()
    const [isDrained] = await Promise.all([
      this.#worker.drain(timeoutMs),
      this.#schedule.stop(),
      Promise.all(this.#streams.values()),
    ])
    return isDrained
  }

  /** Drains, for `timeoutMs` at most, and ends what is its own. Store and senders stay open. */
  async close(timeoutMs = DRAIN_MS): Promise<void> {
    await this.drain(timeoutMs)
    await this.#queue.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /**
   * Stores a push (see parsePushRequest), and with it what it was keyed by. It is sent by whoever has been started.
   * @throws DispatcherError `audience-too-large`, `idempotency-mismatch`, `invalid-push`: nothing was stored. DatabaseError
   */
  async submit(request: PushRequest, options: SubmitOptions = {}): Promise<Submitted> {
    const { database } = this.#options
    const { number, replayed, planning } = await submit(this.#options, request, options)
    const streamed =
      planning !== undefined && 'stream' in request.audience
        ? this.#stream(planning, request.audience.stream)
        : Promise.resolve()
    this.#schedule.wake()
    const [push] = await readPushes(database, [number])
    return { push: push as StoredPush, replayed, streamed }
  }

  /**
   * What `submit` would answer again. For requests whose time has passed since: nobody may store them any more.
   * @throws DispatcherError `idempotency-mismatch`, `invalid-push`; DatabaseError
   */
  async replay(request: PushRequest, options: SubmitOptions): Promise<StoredPush | undefined> {
    const { database } = this.#options
    const found = await findSubmission(database, request, options)
    if (found === undefined) return undefined
    const [push] = await readPushes(database, [found.number])
    return push
  }

  /** What would be sent, and to whom; nothing is kept. @throws DispatcherError `audience-too-large`; DatabaseError */
  preview(request: PushRequest, over: Interface): Promise<Preview> {
    return preview(this.#store, request, over, Date.now())
  }

  /** @throws DispatcherError `unknown-push`; DatabaseError */
  get(id: string): Promise<StoredPush> {
    return readPush(this.#options.database, id)
  }

  /** Newest first. @throws DispatcherError `invalid-cursor`; DatabaseError */
  list(options?: ListOptions): Promise<Page<StoredPush>> {
    return listPushes(this.#options.database, options)
  }

  /** A push now and after every change, to its end. @throws DispatcherError `unknown-push`; DatabaseError */
  watch(id: string, signal?: AbortSignal): AsyncGenerator<StoredPush, void, undefined> {
    return watchPush(this.#options.database, id, signal)
  }

  /** What became of a push's notifications. @throws DispatcherError `unknown-push`, `invalid-cursor`; DatabaseError */
  notifications(id: string, options?: RecordsOptions): Promise<Page<NotificationRecord>> {
    return listRecords(this.#store, id, options)
  }

  /** One notification, by its `apns-id`; undefined if it is not known, or not any more. @throws DatabaseError */
  notification(apnsId: string): Promise<NotificationRecord | undefined> {
    return findRecord(this.#store, apnsId)
  }

  /** What became of the last notifications to a token, newest first. @throws DeviceStoreError `invalid-token`; DatabaseError */
  lastNotifications(app: string, token: string, limit = 10): Promise<readonly NotificationRecord[]> {
    return lastRecords(this.#store, app, token, limit)
  }

  /** Lets a push stand still. @throws DispatcherError `unknown-push`, `state-conflict`; DatabaseError */
  pause(id: string): Promise<StoredPush> {
    return this.change(id, { state: 'paused' })
  }

  /**
   * Lets a paused push go on, without what has paused it: a limit of its audience, the check for the wrong environment,
   * the count of leases that ran out. @throws DispatcherError `unknown-push`, `state-conflict`; DatabaseError
   */
  resume(id: string): Promise<StoredPush> {
    return this.change(id, { state: 'running' })
  }

  /** Ends a push; what is in flight settles. @throws DispatcherError `unknown-push`, `state-conflict`; DatabaseError */
  cancel(id: string): Promise<StoredPush> {
    return this.change(id, { state: 'canceled' })
  }

  /**
   * Changes how fast a push is delivered, in notifications a second; null: as fast as it goes.
   * @throws DispatcherError `unknown-push`, `state-conflict`, `invalid-push`; DatabaseError
   */
  setRate(id: string, rate: number | null): Promise<StoredPush> {
    return this.change(id, { rate })
  }

  /**
   * Pauses, resumes or cancels a push and changes its rate: all of it, or nothing.
   * @throws DispatcherError `unknown-push`, `state-conflict`, `invalid-push`; DatabaseError
   */
  async change(id: string, changes: PushChanges): Promise<StoredPush> {
    await changePush(this.#options.database, id, changes)
    await this.#offer(id)
    return this.get(id)
  }

  /**
   * Removes the devices from which an app is gone, as its feedback service tells, unless they registered since. What was
   * read before a failure is removed before it is thrown; it waits for a database that is away, until `signal` is aborted
   * or this dispatcher ended. What was removed without an answer counts as kept. @throws DatabaseError; what `tuples` throws
   */
  async removeByFeedback(
    app: string,
    environment: Environment,
    tuples: AsyncIterable<FeedbackTuple>,
    signal?: AbortSignal,
  ): Promise<FeedbackCount> {
    const { signal: ending } = this.#ending
    // The feedback service has forgotten what was read.
    const waiting = {
      signal: signal === undefined ? ending : AbortSignal.any([ending, signal]),
      onError: (error: unknown) => this.#options.onEvent({ kind: 'error', what: 'feedback', error }),
    }
    let read = 0
    let removed = 0
    let batch: FeedbackTuple[] = []
    const flush = async (): Promise<void> => {
      if (batch.length === 0) return
      const gone = await untilDone(() => this.#store.removeByFeedback(app, environment, batch), waiting)
      removed += gone.length
      read += batch.length
      batch = []
    }
    try {
      for await (const tuple of tuples) if (batch.push(tuple) === TUPLES) await flush()
    } finally {
      await flush()
    }
    return { read, removed, kept: read - removed }
  }

  #stream(planning: Planning, stream: AsyncIterable<readonly string[]>): Promise<void> {
    const streaming = planStream(this.#options, planning, stream, this.#ending.signal)
    const settled = streaming
      .catch(() => undefined)
      .finally(() => {
        this.#streams.delete(planning.number)
        this.#schedule.wake()
      })
    this.#streams.set(planning.number, settled)
    return streaming
  }

  /** There may be something to lease again. */
  async #offer(id: string): Promise<void> {
    const { database, queue } = this.#options
    const running = await readRunningOne(database, await numberOf(database, id))
    if (running !== undefined) await queue.offer(offerOf(running))
    this.#schedule.wake()
  }
}
