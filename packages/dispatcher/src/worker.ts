import { setMaxListeners } from 'node:events'

import type { Database } from '@lhspn/database'
import type { DeviceStore } from '@lhspn/device-store'
import type { Sender, SenderError } from '@lhspn/sender'

import type { ChunkQueue, Lease } from './chunk-queue/chunk-queue.ts'
import { isLight } from './chunk-queue/leases.ts'
import { deliverChunk } from './deliver-chunk.ts'
import type { DispatcherEvent } from './events.ts'
import { Holds } from './holds.ts'
import type { Environment } from './push.ts'
import { pausePush } from './statements/pushes.ts'
import { pauseFor } from './until-done.ts'

/**
 * The sender of an app in an environment. `stopped`: one that was answered before, and whose credentials were refused;
 * another is wanted. What it throws pauses the push: somebody has to mend the configuration.
 */
export type SenderFor = (app: string, environment: Environment, stopped?: Sender) => Sender | Promise<Sender>

export interface WorkerOptions {
  readonly database: Database
  readonly store: DeviceStore
  readonly queue: ChunkQueue
  readonly senderFor: SenderFor
  /** Chunks that are fed to senders at once; small ones and those that pace a rate do not count. */
  readonly concurrency: number
  /**
   * Members of chunks that may wait for nothing but their outcome while further ones are fed: a gateway proves many
   * notifications together, and makes them wait for that.
   */
  readonly ahead: number
  readonly leaseMs: number
  /** Share of refused tokens, 0 to 1, that means the wrong environment; 1 switches the check off. */
  readonly mismatchShare: number
  readonly onEvent: (event: DispatcherEvent) => void
}

/** Small chunks, and those that pace a rate, at once. */
const MOST_LIGHT = 64
const UNCOUNTED = { fed: (): void => undefined, ended: (): void => undefined }
/** After a failure of the queue. */
const FAILED_MS = 500
/** What is given up has so long to be written down. */
const LAST_MS = 2000

/** Leases chunks and delivers them, as many at once as it may. */
export class Worker {
  readonly #options: WorkerOptions
  readonly #holds = new Holds()
  /** Senders with whose credentials Apple has taken something, and those whose credentials it refused. */
  readonly #proven = new WeakSet<Sender>()
  readonly #refused = new WeakSet<Sender>()
  readonly #heavy = new Set<Promise<void>>()
  readonly #light = new Set<Promise<void>>()
  /** Heavy ones that the sender has not all of, and members of the others. */
  #feeding = 0
  #settling = 0
  readonly #stop = new AbortController()
  readonly #abandon = new AbortController()
  /** Ends the wait for a chunk, or for room. */
  #roomChanged = new AbortController()
  #running: Promise<void> | undefined

  constructor(options: WorkerOptions) {
    this.#options = options
    // Every chunk listens to them.
    for (const { signal } of [this.#stop, this.#abandon]) setMaxListeners(0, signal)
  }

  /** Begins, unless it has begun. */
  start(): void {
    this.#running ??= this.#run()
  }

  /**
   * Takes no more chunks and lets what is in flight settle; chunks are given back with what is left. After `timeoutMs`
   * nothing more is waited for: their leases run out. Answers whether all have been given back or closed.
   */
  async drain(timeoutMs: number): Promise<boolean> {
    this.#stop.abort()
    this.#roomChanged.abort()
    const ended = this.#ended()
    const inTime = await within(timeoutMs, ended)
    if (!inTime) {
      this.#abandon.abort()
      await within(LAST_MS, ended)
    }
    return inTime
  }

  async #ended(): Promise<void> {
    await this.#running
    while (this.#heavy.size + this.#light.size > 0) await Promise.all([...this.#heavy, ...this.#light])
  }

  async #run(): Promise<void> {
    const { queue } = this.#options
    while (!this.#stop.signal.aborted) {
      const changed = (this.#roomChanged = new AbortController()).signal
      const lightOnly = !this.#hasRoom
      if (lightOnly && this.#light.size >= MOST_LIGHT) {
        await new Promise((resolve) => changed.addEventListener('abort', resolve, { once: true }))
        continue
      }
      try {
        const lease = await queue.lease(
          { lightOnly, held: (app, environment) => this.#holds.has(app, environment) },
          changed,
        )
        if (lease !== undefined) this.#begin(lease)
      } catch (error) {
        this.#options.onEvent({ kind: 'error', what: 'queue', error })
        await pauseFor(FAILED_MS, this.#stop.signal)
      }
    }
  }

  #begin(lease: Lease): void {
    const chunks = isLight(lease.size, lease.rate) && this.#light.size < MOST_LIGHT ? this.#light : this.#heavy
    const feed = chunks === this.#heavy ? this.#feed(lease.size) : UNCOUNTED
    const delivering = this.#deliver(lease, feed.fed)
      .catch((error: unknown) => this.#options.onEvent({ kind: 'error', what: 'delivery', error }))
      .finally(() => {
        chunks.delete(delivering)
        feed.ended()
        this.#roomChanged.abort()
      })
    chunks.add(delivering)
  }

  get #hasRoom(): boolean {
    const { concurrency, ahead } = this.#options
    return this.#heavy.size < concurrency || (this.#feeding < concurrency && this.#settling <= ahead)
  }

  /** Counts a chunk of so many members as one that is fed, then as one that settles. */
  #feed(size: number): typeof UNCOUNTED {
    this.#feeding++
    let settles = false
    const fed = (): void => {
      if (settles) return
      settles = true
      this.#feeding--
      this.#settling += size
      this.#roomChanged.abort()
    }
    const ended = (): void => {
      fed()
      this.#settling -= size
    }
    return { fed, ended }
  }

  async #deliver(lease: Lease, onFed: () => void): Promise<void> {
    const { queue, ...options } = this.#options
    const { app, environment } = lease.push
    const sender = await this.#senderOf(lease)
    if (sender === undefined) {
      await queue.release(lease, { afterMs: 0, waits: lease.waits })
      return
    }
    const { fault, progress } = await deliverChunk(
      {
        ...options,
        queue,
        lease,
        sender,
        isProven: () => this.#proven.has(sender),
        prove: () => this.#proven.add(sender),
        stop: this.#stop.signal,
        abandon: this.#abandon.signal,
        onFed,
      },
      (failed) => this.#hold(lease, failed),
    )
    if (progress && fault === undefined) this.#holds.end(app, environment)
    if (fault !== undefined && fault.code !== 'unreachable' && fault.code !== 'unavailable') this.#refused.add(sender)
  }

  /** undefined: there is none, and the push has been paused. */
  async #senderOf({ push }: Lease): Promise<Sender | undefined> {
    const { senderFor, database, onEvent } = this.#options
    const { app, environment, number, id } = push
    const because = 'credentials'
    try {
      const sender = await senderFor(app, environment)
      return this.#refused.has(sender) ? await senderFor(app, environment, sender) : sender
    } catch (error) {
      if (await pausePush(database, number, because))
        onEvent({ kind: 'paused', push: id, app, environment, because, error })
      return undefined
    }
  }

  #hold({ push: { app, environment } }: Lease, error: SenderError): number {
    const { ms, isNew } = this.#holds.begin(app, environment)
    if (isNew) this.#options.onEvent({ kind: 'held', app, environment, ms, error })
    return ms
  }
}

/** Whether `work` ended in so many ms. */
async function within(ms: number, work: Promise<void>): Promise<boolean> {
  const late = new AbortController()
  const isDone = work.then(() => true)
  const isLate = pauseFor(ms, late.signal).then(() => false)
  try {
    return await Promise.race([isDone, isLate])
  } finally {
    late.abort()
  }
}
