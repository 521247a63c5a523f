import { type Database, openDatabase } from '@lhspn/database'
import { freshMysqlUrl, freshRedisUrl } from '@lhspn/test-servers/vitest'
import { onTestFinished } from 'vitest'

import { encodeTokens } from '../src/chunk-members.ts'
import { openBullMqQueue } from '../src/chunk-queue/bullmq.ts'
import type { ChunkQueue, Lease, LeaseWish } from '../src/chunk-queue/chunk-queue.ts'
import { EmbeddedQueue } from '../src/chunk-queue/embedded.ts'
import { ChunkLeases } from '../src/chunk-queue/leases.ts'
import type { OnEvent } from '../src/events.ts'
import { MIGRATIONS, OWNER } from '../src/migrations/index.ts'
import { rowOf } from '../src/push-row.ts'
import { PUSH_STATES, type PushState } from '../src/push-state.ts'
import { insertChunks } from '../src/statements/plan.ts'
import { insertPush } from '../src/statements/pushes.ts'
import { freshSqliteUrl } from './engines.ts'

export const LEASE_MS = 60_000

/** Every queue: its name, and how to open the place where it is kept. */
export const QUEUES = [
  { queue: 'embedded in SQLite', place: () => openPlace(freshSqliteUrl, openEmbedded) },
  { queue: 'embedded in MariaDB', place: () => openPlace(freshMysqlUrl, openEmbedded) },
  { queue: 'BullMQ on MariaDB', place: () => openPlace(freshMysqlUrl, openRedis) },
] as const

/** A database, and queues that share it as those of several processes do. All is closed when the test is over. */
export interface Place {
  readonly database: Database
  /** Opens one more queue. */
  readonly open: (leaseMs?: number, onEvent?: OnEvent) => Promise<ChunkQueue>
}

type OpenQueue = (database: Database, leaseMs: number, onEvent?: OnEvent) => Promise<ChunkQueue>

async function openPlace(freshUrl: () => Promise<string>, openQueues: () => Promise<OpenQueue>): Promise<Place> {
  const database = await openDatabase(await freshUrl())
  onTestFinished(() => database.close())
  await database.migrate(OWNER, MIGRATIONS)
  const openQueue = await openQueues()
  return {
    database,
    open: async (leaseMs = LEASE_MS, onEvent) => {
      const queue = await openQueue(database, leaseMs, onEvent)
      onTestFinished(() => queue.close())
      return queue
    },
  }
}

async function openEmbedded(): Promise<OpenQueue> {
  return async (database, leaseMs, onEvent) => new EmbeddedQueue({ database, leaseMs, onEvent })
}

async function openRedis(): Promise<OpenQueue> {
  const redisUrl = await freshRedisUrl()
  return (database, leaseMs, onEvent) => openBullMqQueue({ database, redisUrl, leaseMs, onEvent })
}

export interface PushOptions {
  readonly app?: string
  readonly state?: PushState
  readonly rate?: number
  /** Members of each chunk. */
  readonly chunks: readonly number[]
}

let pushes = 0

/** Stores a planned push; answers its number. */
export async function storePush(database: Database, options: PushOptions): Promise<number> {
  const { app = 'com.example.app', state = 'running', rate = null, chunks } = options
  const request = {
    app,
    environment: 'production',
    audience: { all: true },
    payload: { aps: { alert: 'Hello' } },
    pushType: 'alert',
    priority: 10,
    expiration: { at: 0 },
    collapseId: null,
    badge: null,
    sendAt: null,
    rate,
    maxAudience: null,
    onUnconfirmed: 'report',
  } as const
  const id = `psh_${String(++pushes).padStart(26, '0')}`
  const row = { ...rowOf(request, { id, now: Date.now(), planning: false }), state: PUSH_STATES.indexOf(state) }
  return database.transaction(async (transaction) => {
    const number = await insertPush(transaction, row)
    const stored = chunks.map((size) => ({ size, members: encodeTokens(tokens(size)) }))
    await insertChunks(transaction, number, 0, stored)
    return number
  })
}

export async function setState(database: Database, push: number, state: PushState): Promise<void> {
  await database.execute('UPDATE push SET state = ? WHERE number = ?', [PUSH_STATES.indexOf(state), push])
}

/** Lets the lease of a chunk run out, and what looks after such give it back. */
export async function expire(database: Database, queue: ChunkQueue, { chunk, owner }: Lease): Promise<void> {
  await database.execute('UPDATE chunk SET lease_until = 1 WHERE id = ? AND owner = ?', [chunk, owner])
  const reclaimed = await new ChunkLeases(database, LEASE_MS).reclaim()
  for (const push of reclaimed) await queue.offer({ push, light: false, afterMs: 0 })
}

/** Whoever leases anything. */
export const ANYTHING: LeaseWish = { lightOnly: false, held: () => false }

/** Leases that come within `ms`, up to `most`. A test of what comes waits for it; of what does not, a moment. */
export async function leases(
  queue: ChunkQueue,
  most: number,
  { ms = 20_000, wish = ANYTHING }: { readonly ms?: number; readonly wish?: LeaseWish } = {},
): Promise<readonly Lease[]> {
  const signal = AbortSignal.timeout(ms)
  const found: Lease[] = []
  while (found.length < most && !signal.aborted) {
    const lease = await queue.lease(wish, signal)
    if (lease !== undefined) found.push(lease)
  }
  return found
}

/** The lease of one chunk, which comes. */
export async function leaseOne(queue: ChunkQueue): Promise<Lease> {
  const [lease] = await leases(queue, 1)
  if (lease === undefined) throw new Error('nothing was leased')
  return lease
}

function tokens(count: number): readonly string[] {
  return Array.from({ length: count }, (_, index) => index.toString(16).padStart(64, '0'))
}
