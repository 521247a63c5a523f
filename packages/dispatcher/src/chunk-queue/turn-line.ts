import { randomUUID } from 'node:crypto'

import type { Job, Queue, Worker } from 'bullmq'
import type { Redis } from 'ioredis'

/** A push's turn, taken out of its line. */
export interface Turn {
  /** The push's number. */
  readonly push: number
  /** Makes room for the push's next turn. Where this never happens, the turn comes back by itself. */
  end(): Promise<void>
}

export interface TurnLineOptions {
  /** Fails at once while Redis is away. */
  readonly client: Redis
  /** Another one, since what waits for a turn holds its connection. */
  readonly waitingClient: Redis
  readonly name: string
  readonly onError: (error: Error) => void
}

const PREFIX = 'lhspn'
/** A turn that is held longer belongs to a process that died, or waits for its database: others may have it. */
const HELD_MS = 5_000
/** How long one wait for a turn holds its connection, in seconds. */
const WAIT_S = 1
/** Nobody reads BullMQ's record of events. */
const KEPT_EVENTS = 100
/** A turn comes back however often its holders die. */
const UNLIMITED = Number.MAX_SAFE_INTEGER

/**
 * Pushes in the order of their turns, each at most once, in a queue of BullMQ on Redis. Those who wait for a turn get
 * theirs in the order in which they came.
 */
export class TurnLine {
  readonly #queue: Queue
  readonly #worker: Worker
  readonly #onError: (error: Error) => void
  readonly #waiting = new Set<(turn: Turn) => void>()
  #fetching = false
  #closed = false

  private constructor(queue: Queue, worker: Worker, onError: (error: Error) => void) {
    this.#queue = queue
    this.#worker = worker
    this.#onError = onError
  }

  /** @throws Error of Redis */
  static async open({ client, waitingClient, name, onError }: TurnLineOptions): Promise<TurnLine> {
    // Loaded where it is used, as ioredis is.
    const bullmq = await import('bullmq')
    const queue = new bullmq.Queue(name, {
      connection: client,
      prefix: PREFIX,
      streams: { events: { maxLen: KEPT_EVENTS } },
      // A job that stayed, for whatever reason, would keep its push from ever standing in line again.
      defaultJobOptions: { removeOnComplete: true, removeOnFail: true },
    })
    const worker = new bullmq.Worker(name, null, {
      connection: waitingClient,
      prefix: PREFIX,
      autorun: false,
      drainDelay: WAIT_S,
      lockDuration: HELD_MS,
      stalledInterval: HELD_MS,
      maxStalledCount: UNLIMITED,
    })
    queue.on('error', onError)
    worker.on('error', onError)
    const line = new TurnLine(queue, worker, onError)
    try {
      await Promise.all([queue.waitUntilReady(), worker.waitUntilReady()])
      await worker.startStalledCheckTimer()
      return line
    } catch (error) {
      await line.close()
      throw error
    }
  }

  /** Puts a push at the end of the line, to be served after so long; one that stands there stays, but may come sooner. */
  async add(push: number, afterMs: number): Promise<void> {
    const job = await this.#queue.add('turn', {}, { jobId: `push-${push}`, delay: Math.ceil(afterMs) })
    if (afterMs > 0 || !(await job.isDelayed())) return
    // It is due meanwhile, or somebody else was as fast.
    await job.promote().catch(() => undefined)
  }

  /** Asks for the next turn, which `taker` then gets; answers how to ask no longer. */
  wait(taker: (turn: Turn) => void): () => void {
    this.#waiting.add(taker)
    void this.#fetch()
    return () => this.#waiting.delete(taker)
  }

  async close(): Promise<void> {
    this.#closed = true
    this.#waiting.clear()
    await Promise.allSettled([this.#worker.close(true), this.#queue.close()])
  }

  /** Takes turns for as long as somebody waits for one. */
  async #fetch(): Promise<void> {
    if (this.#fetching) return
    this.#fetching = true
    while (this.#waiting.size > 0 && !this.#closed) {
      const token = randomUUID()
      try {
        const job = await this.#worker.getNextJob(token)
        if (job !== undefined) await this.#hand(job, token)
      } catch (error) {
        if (!this.#closed) this.#onError(error as Error)
        break // whoever waits looks into the database then, and comes again
      }
    }
    this.#fetching = false
  }

  async #hand(job: Job, token: string): Promise<void> {
    const turn = {
      push: Number(job.id?.slice('push-'.length)),
      end: async () => {
        await job.moveToCompleted(null, token, false)
      },
    }
    const [taker] = this.#waiting
    if (taker !== undefined) {
      this.#waiting.delete(taker)
      taker(turn)
      return
    }
    // Who waited has gone.
    await turn.end()
    await this.add(turn.push, 0)
  }
}
