import type { DeviceStore } from '@lhspn/device-store'

import type { Offer } from './chunk-queue/chunk-queue.ts'
import { isLight } from './chunk-queue/leases.ts'
import type { OnEvent } from './events.ts'
import { plan } from './plan.ts'
import type { PlanOptions } from './planned-chunks.ts'
import { sweep } from './retention.ts'
import { completePush } from './statements/chunk-state.ts'
import { readUnplanned } from './statements/plan.ts'
import { readAddress } from './statements/pushes.ts'
import { queueDue, readCompletable, readRunning, type Running, startQueued } from './statements/schedule.ts'
import { pauseFor } from './until-done.ts'

export interface ScheduleOptions extends PlanOptions {
  readonly store: DeviceStore
  /** How long chunks, their records and tombstones are kept. */
  readonly retentionMs: number
  readonly onEvent: OnEvent
}

/** How soon what another process has stored, or the clock has brought, is found. */
const POLL_MS = 1000
/** How often pushes are completed that whoever closed their last chunk did not complete, and all are offered again. */
const TEND_MS = 5000
const SWEEP_MS = 600_000
/** Pushes that this process plans at once. */
const PLANS = 2
const OFFERED = 1000
/** How long a push that could not be planned is left out: twice as long each time, so that it holds up no other one. */
const LEFT_OUT_MS = { first: 1000, longest: 300_000 }
/** So many are left out at most; of more, those that failed longest ago are tried like any other. */
const MOST_LEFT_OUT = 1000

/** What the queue is told of a push that runs. */
export function offerOf({ number, rate, size }: Running): Offer {
  return { push: number, light: isLight(size ?? Number.POSITIVE_INFINITY, rate), afterMs: 0 }
}

/**
 * What happens to pushes by the clock: they begin, are planned and completed; what is old is swept up. Any number of
 * processes may do it beside each other.
 */
export class Schedule {
  readonly #options: ScheduleOptions
  readonly #streams: ReadonlyMap<number, unknown>
  readonly #ending = new AbortController()
  readonly #plans = new Map<number, Promise<void>>()
  readonly #failed = new FailedPlans()
  #sweeping: Promise<void> | undefined
  #running: Promise<void> | undefined
  #tendedAt = Number.NEGATIVE_INFINITY
  #sweptAt = Number.NEGATIVE_INFINITY
  #pause = new AbortController()

  /** @param streams numbers of pushes whose tokens flow into this process: their planning is left to it */
  constructor(options: ScheduleOptions, streams: ReadonlyMap<number, unknown>) {
    this.#options = options
    this.#streams = streams
  }

  start(): void {
    this.#running ??= this.#run()
  }

  /** Something has happened that may let a push begin, or be planned: it looks at once. */
  wake(): void {
    this.#pause.abort()
  }

  /** Resolves when nothing of it touches the database any more; planning goes on elsewhere, behind the last chunk. */
  async stop(): Promise<void> {
    this.#ending.abort()
    this.wake()
    await this.#running
    await Promise.all([...this.#plans.values(), this.#sweeping])
  }

  async #run(): Promise<void> {
    const { signal } = this.#ending
    while (!signal.aborted) {
      const pause = (this.#pause = new AbortController())
      await this.#attempt('schedule', () => this.#step())
      await pauseFor(POLL_MS, pause.signal)
    }
  }

  async #step(): Promise<void> {
    const { database } = this.#options
    await queueDue(database)
    for (const running of await startQueued(database)) await this.#offer(running)
    if (this.#plans.size < PLANS) await this.#planMore()
    if (performance.now() - this.#tendedAt >= TEND_MS) {
      this.#tendedAt = performance.now()
      await this.#tend()
    }
    if (performance.now() - this.#sweptAt >= SWEEP_MS) this.#sweep()
  }

  /** Completes what is complete, and offers what runs: a queue may have forgotten it. */
  async #tend(): Promise<void> {
    const { database } = this.#options
    for (const number of await readCompletable(database)) await this.#complete(number)
    for (const running of await readRunning(database, OFFERED)) await this.#offer(running)
  }

  async #planMore(): Promise<void> {
    const { database } = this.#options
    const leftOut = this.#plans.size + this.#streams.size + this.#failed.size
    for (const number of await readUnplanned(database, PLANS + leftOut)) {
      if (this.#plans.size >= PLANS) return
      // A lease that ran out while this process stood still is renewed by whoever reads the stream.
      if (this.#plans.has(number) || this.#streams.has(number) || this.#failed.has(number)) continue
      const planning = this.#attempt('planning', () => this.#plan(number)).finally(() => this.#plans.delete(number))
      this.#plans.set(number, planning)
    }
  }

  async #plan(number: number): Promise<void> {
    const { store } = this.#options
    let isPlanned: boolean
    try {
      isPlanned = await plan(this.#options, store, number, this.#ending.signal)
    } catch (error) {
      this.#failed.begin(number)
      throw error
    }
    this.#failed.end(number)
    if (isPlanned) await this.#complete(number)
    // It may begin now, and others may be planned. After a failure the clock is soon enough.
    this.wake()
  }

  async #complete(number: number): Promise<void> {
    const { database, onEvent } = this.#options
    if (!(await completePush(database, number))) return
    const address = await readAddress(database, number)
    if (address !== undefined) onEvent({ kind: 'completed', ...address })
  }

  #sweep(): void {
    const { database, store, retentionMs } = this.#options
    this.#sweptAt = performance.now()
    this.#sweeping ??= this.#attempt('sweeping', () =>
      sweep(database, store, retentionMs, this.#ending.signal),
    ).finally(() => {
      this.#sweeping = undefined
    })
  }

  #offer(running: Running): Promise<void> {
    return this.#options.queue.offer(offerOf(running))
  }

  /** What fails is told, and tried again by the clock. */
  async #attempt(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      this.#options.onEvent({ kind: 'error', what, error })
    }
  }
}

/** Pushes that could not be planned in this process, and are left out for a while. */
export class FailedPlans {
  readonly #failed = new Map<number, { readonly until: number; readonly ms: number }>()
  readonly #now: () => number

  /** @param now any steady clock, in ms */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /** Those that failed last, left out or not. */
  get size(): number {
    return this.#failed.size
  }

  /** Whether the push is left out now. */
  has(number: number): boolean {
    const failed = this.#failed.get(number)
    return failed !== undefined && failed.until > this.#now()
  }

  begin(number: number): void {
    const last = this.#failed.get(number)
    const ms = last === undefined ? LEFT_OUT_MS.first : Math.min(last.ms * 2, LEFT_OUT_MS.longest)
    // Behind the others: whoever failed longest ago leads.
    this.#failed.delete(number)
    this.#failed.set(number, { until: this.#now() + ms, ms })
    const [first] = this.#failed.keys()
    if (first !== undefined && this.#failed.size > MOST_LEFT_OUT) this.#failed.delete(first)
  }

  end(number: number): void {
    this.#failed.delete(number)
  }
}
