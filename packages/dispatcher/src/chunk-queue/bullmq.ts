import { setTimeout as delay } from 'node:timers/promises'

import type { Database, Transaction } from '@lhspn/database'
import type { Redis, RedisOptions } from 'ioredis'

import { DispatcherError } from '../errors.ts'
import type { OnEvent } from '../events.ts'
import type { ChunkQueue, Lease, LeaseWish, Offer, Release, Renewal } from './chunk-queue.ts'
import { ChunkLeases } from './leases.ts'
import { type Turn, TurnLine } from './turn-line.ts'

export interface BullMqQueueOptions {
  readonly database: Database
  /** `redis://[user@]host[:port][/number]` or `rediss://…`; its memory policy must be `noeviction`. */
  readonly redisUrl: string
  /** How long a lease lasts. */
  readonly leaseMs: number
  /** Told what goes wrong with Redis meanwhile; the database then does its work. */
  readonly onError?: ((error: Error) => void) | undefined
  /** Told of pushes that are paused since a chunk ends its processes. */
  readonly onEvent?: OnEvent | undefined
}

/** After so long without a turn, the database is asked: Redis may be away, or have forgotten something. */
const LOOK_MS = 2_000
/** How often the database is asked while Redis is away. */
const AWAY_MS = 250
/** Until a push comes again whose turn led to nothing: somebody was faster, or what is sent to is held. */
const FRUITLESS_MS = 50
const HELD_MS = 1_000
/** An answer of Redis that takes longer does not come. */
const ANSWER_MS = 3_000
const LONGEST_PAUSE_MS = 1_000

/**
 * Connects to Redis.
 *
 * @throws DispatcherError `redis-unreachable`
 */
export async function openBullMqQueue(options: BullMqQueueOptions): Promise<ChunkQueue> {
  const { redisUrl, onError = () => undefined } = options
  if (!/^rediss?:\/\//.test(redisUrl)) throw unreachable('its URL is neither redis: nor rediss:')
  const common: RedisOptions = {
    lazyConnect: true,
    // What was not written when the connection broke fails, instead of waiting for a Redis that may never come back.
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (attempt) => Math.min(2 ** attempt * 10, LONGEST_PAUSE_MS),
  }
  // Only who has a Redis pays for loading what speaks to it.
  const ioredis = await import('ioredis')
  const client = new ioredis.Redis(redisUrl, { ...common, commandTimeout: ANSWER_MS })
  const waitingClient = new ioredis.Redis(redisUrl, common)
  // Each connection tries again and again, and says so each time.
  const reported = new Set<string>()
  const report = (error: Error): void => {
    if (!reported.has(error.message)) onError(error)
    reported.add(error.message)
  }
  client.on('ready', () => reported.clear())
  for (const one of [client, waitingClient]) one.on('error', report)
  const lines: TurnLine[] = []
  try {
    await Promise.all([client.connect(), waitingClient.connect()])
    for (const name of ['turns', 'light-turns'])
      lines.push(await TurnLine.open({ client, waitingClient, name, onError: report }))
  } catch (error) {
    await Promise.all(lines.map((line) => line.close()))
    for (const one of [client, waitingClient]) one.disconnect()
    throw unreachable((error as Error).message, error)
  }
  const [heavy, light] = lines as [TurnLine, TurnLine]
  return new BullMqQueue({ ...options, onError: report }, [client, waitingClient], { heavy, light })
}

function unreachable(why: string, cause?: unknown): DispatcherError {
  return new DispatcherError(
    'redis-unreachable',
    `Redis cannot be reached: ${why}`,
    'Look whether Redis runs, and whether its URL and password are right.',
    { cause },
  )
}

/**
 * Turns stand in line on Redis, so that many machines need not look into the database for them. A turn says which push
 * is next; its chunk is leased in the database, which alone knows what is to be done. Where Redis is away or has
 * forgotten something, the database is asked for a turn as well.
 */
class BullMqQueue implements ChunkQueue {
  readonly #leases: ChunkLeases
  readonly #onError: (error: Error) => void
  readonly #clients: readonly Redis[]
  readonly #lines: Readonly<Record<'heavy' | 'light', TurnLine>>
  readonly #closing = new AbortController()
  readonly #reclaimMs: number
  #reclaimedAt = -Infinity
  /** What has yet to be told to Redis. */
  readonly #told = new Set<Promise<void>>()

  constructor(
    { database, leaseMs, onError, onEvent }: BullMqQueueOptions & { readonly onError: (error: Error) => void },
    clients: readonly Redis[],
    lines: Readonly<Record<'heavy' | 'light', TurnLine>>,
  ) {
    this.#leases = new ChunkLeases(database, leaseMs, onEvent)
    this.#reclaimMs = leaseMs / 4
    this.#onError = onError
    this.#clients = clients
    this.#lines = lines
  }

  async offer({ push, light, afterMs }: Offer): Promise<void> {
    if (!this.#reachable) return // it is found in the database
    try {
      await this.#lines[light ? 'light' : 'heavy'].add(push, afterMs)
    } catch (error) {
      this.#onError(error as Error)
    }
  }

  async lease(wish: LeaseWish, signal: AbortSignal): Promise<Lease | undefined> {
    this.#reclaim()
    const turn = await this.#turn(wish, signal)
    if (signal.aborted || this.#closing.signal.aborted) {
      if (turn !== undefined) this.#tell(() => this.#next(turn.push, turn))
      return undefined
    }
    if (turn === undefined) {
      const lease = await this.#leases.leaseAny(wish)
      if (lease !== undefined) this.#tell(() => this.#next(lease.push.number, undefined))
      return lease
    }
    let lease: Lease | undefined
    try {
      lease = await this.#leases.leaseOf(turn.push, wish)
      return lease
    } finally {
      this.#tell(() => this.#next(turn.push, turn, lease === undefined ? wish : undefined))
    }
  }

  renew(lease: Lease): Promise<Renewal | undefined> {
    return this.#leases.renew(lease)
  }

  complete(lease: Lease, transaction: Transaction): Promise<boolean> {
    return this.#leases.complete(lease, transaction)
  }

  async release(lease: Lease, release: Release): Promise<void> {
    await this.#leases.release(lease, release)
    this.#tell(() => this.#next(lease.push.number, undefined))
  }

  async close(): Promise<void> {
    this.#closing.abort()
    // What Redis does not hear within a while it need not hear: the database knows it.
    await Promise.race([Promise.all(this.#told), delay(ANSWER_MS, undefined, { ref: false })])
    await Promise.all(Object.values(this.#lines).map((line) => line.close()))
    for (const client of this.#clients) client.disconnect()
  }

  get #reachable(): boolean {
    return this.#clients.every(({ status }) => status === 'ready')
  }

  /** Gives back, now and then, what was leased by those who are no more. */
  #reclaim(): void {
    if (performance.now() - this.#reclaimedAt < this.#reclaimMs) return
    this.#reclaimedAt = performance.now()
    this.#tell(async () => {
      for (const push of await this.#leases.reclaim()) await this.#next(push, undefined)
    })
  }

  /** The next turn that comes within a while. */
  #turn({ lightOnly }: LeaseWish, signal: AbortSignal): Promise<Turn | undefined> {
    return new Promise((resolve) => {
      const ends = [signal, this.#closing.signal]
      const stops: (() => void)[] = []
      const settle = (turn: Turn | undefined): void => {
        clearTimeout(timer)
        for (const end of ends) end.removeEventListener('abort', leave)
        for (const stop of stops) stop()
        resolve(turn)
      }
      const leave = (): void => settle(undefined)
      const timer = setTimeout(leave, this.#reachable ? LOOK_MS : AWAY_MS)
      for (const end of ends) end.addEventListener('abort', leave)
      if (ends.some(({ aborted }) => aborted)) return leave()
      for (const line of lightOnly ? [this.#lines.light] : [this.#lines.light, this.#lines.heavy])
        stops.push(line.wait(settle))
    })
  }

  /**
   * Ends a turn and lets the push stand in line again, where it has something to lease. In this order: what is offered
   * while the turn lasts changes nothing, so that only a look after its end misses nothing.
   */
  async #next(push: number, turn: Turn | undefined, fruitless?: LeaseWish): Promise<void> {
    await turn?.end()
    const outlook = await this.#leases.outlook(push)
    if (outlook === undefined) return
    const { app, environment, light } = outlook
    let pause = 0
    if (fruitless !== undefined) pause = fruitless.held(app, environment) ? HELD_MS : FRUITLESS_MS
    await this.offer({ push, light, afterMs: Math.max(outlook.afterMs, pause) })
  }

  /** Does what a lease need not wait for. */
  #tell(work: () => Promise<void>): void {
    const told = work()
      .catch((error: unknown) => this.#onError(error as Error))
      .finally(() => this.#told.delete(told))
    this.#told.add(told)
  }
}
