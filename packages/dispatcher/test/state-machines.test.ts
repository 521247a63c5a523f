import type { Database } from '@lhspn/database'
import { type DeviceStore, openDeviceStore } from '@lhspn/device-store'
import { freshMysqlUrl } from '@lhspn/test-servers/vitest'
import * as fc from 'fast-check'
import { expect, onTestFinished, test } from 'vitest'

import { ChunkOutcomes } from '../src/chunk-outcomes.ts'
import type { Lease } from '../src/chunk-queue/chunk-queue.ts'
import { ChunkLeases } from '../src/chunk-queue/leases.ts'
import { changePush } from '../src/commands.ts'
import { DispatcherError } from '../src/errors.ts'
import { MIGRATIONS, OWNER } from '../src/migrations/index.ts'
import { ACCEPTED, codeOf } from '../src/outcome-code.ts'
import { parsePushRequest } from '../src/parse-push.ts'
import { plan } from '../src/plan.ts'
import { isEnd, PAUSE_CAUSES } from '../src/push-state.ts'
import type { Counts, StoredPush } from '../src/push.ts'
import { listPushes, readPush } from '../src/report.ts'
import { sweep } from '../src/retention.ts'
import { writeOutcomes, writeReasons } from '../src/statements/checkpoint.ts'
import { completePush } from '../src/statements/chunk-state.ts'
import { readUnplanned } from '../src/statements/plan.ts'
import { movePush } from '../src/statements/pushes.ts'
import { queueDue, readCompletable, startQueued } from '../src/statements/schedule.ts'
import { submit } from '../src/submit.ts'

const APP = 'com.example.app'
const LEASE_MS = 60_000
const CHUNK_SIZE = 4
const DEVICES = 18
const CODES = [ACCEPTED, codeOf({ kind: 'rejected', reason: 'BadDeviceToken' }), codeOf({ kind: 'unconfirmed' })]
const LEAST = { app: APP, payload: { aps: { alert: 'Hi' } } }
const ANYTHING = { lightOnly: false, held: () => false }
const NEVER = new AbortController().signal

const who = fc.nat(2)
/** What may happen, in any order, and how likely. `who` is one of three processes, or one of the last pushes. */
const step = fc.oneof(
  { weight: 2, arbitrary: fc.record({ do: fc.constant('submit' as const), push: fc.constantFrom(...aFewPushes()) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('schedule' as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('plan' as const), chunks: fc.nat(6) }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('lease' as const), who }) },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('checkpoint' as const), who, members: fc.nat(3), code: fc.nat(2) }),
  },
  { weight: 6, arbitrary: fc.record({ do: fc.constant('close' as const), who, isCompleted: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('release', 'renew', 'crash'), who }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('reclaim' as const) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('pause', 'resume', 'resume', 'resume'), who }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constantFrom('cancel', 'rate'), who, rate: fc.constantFrom(null, 1, 500) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('fail' as const), who, because: fc.constantFrom(...PAUSE_CAUSES) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('jump' as const),
      ms: fc.constantFrom(-7_200_000, -10_000, 10_000, 61_000, 7_200_000),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('sweep' as const) }) },
)
type Step = typeof step extends fc.Arbitrary<infer S> ? S : never

const RUN_OUT: readonly Step[] = [{ do: 'crash', who: 0 }, { do: 'jump', ms: 61_000 }, { do: 'reclaim' }]
/** The fifth lease of a chunk runs out while its push stands still for another reason. */
const WORN: Step[] = [
  { do: 'schedule' },
  { do: 'plan', chunks: 6 },
  ...Array.from({ length: 4 }, (): readonly Step[] => [{ do: 'lease', who: 0 }, ...RUN_OUT]).flat(),
  { do: 'lease', who: 0 },
  { do: 'pause', who: 0 },
  ...RUN_OUT,
]

/** What one process has leased, and knows of it. */
interface Held {
  readonly lease: Lease
  readonly outcomes: ChunkOutcomes
}

class World {
  readonly store: DeviceStore
  readonly database: Database
  readonly #leases: ChunkLeases
  readonly #held: (Held | undefined)[] = []
  readonly #last = new Map<string, Counts>()
  /** Outcomes that were written: of each chunk, none may change any more. */
  readonly #written = new Map<number, Uint8Array>()

  private constructor(store: DeviceStore) {
    this.store = store
    this.database = store.database
    this.#leases = new ChunkLeases(store.database, LEASE_MS)
  }

  static async open(store: DeviceStore): Promise<World> {
    for (const table of ['push', 'chunk', 'push_reason', 'idempotency_key', 'device', 'device_attribute', 'tombstone'])
      await store.database.execute(`DELETE FROM ${table}`)
    await store.save(Array.from({ length: DEVICES }, (_, n) => ({ app: APP, token: tokenOf(n) })))
    return new World(store)
  }

  /** Does a step; what is refused as a command to a push that stands otherwise is no fault. */
  async do(next: Step): Promise<void> {
    try {
      await this.#do(next)
    } catch (error) {
      if (!(error instanceof DispatcherError)) throw error
      expect(['state-conflict', 'audience-too-large']).toContain(error.code)
    }
  }

  async #do(next: Step): Promise<void> {
    switch (next.do) {
      case 'submit':
        await submit(this.#options, parsePushRequest({ ...LEAST, ...next.push() }, { now: Date.now() }))
        return
      case 'schedule':
        return this.#schedule()
      case 'plan':
        return this.#plan(next.chunks)
      case 'lease': {
        if (this.#held[next.who] !== undefined) return
        const lease = await this.#leases.leaseAny(ANYTHING)
        if (lease === undefined) return
        this.#held[next.who] = { lease, outcomes: new ChunkOutcomes(lease.outcomes) }
        return
      }
      case 'checkpoint':
        return this.#checkpoint(next.who, next.members, CODES[next.code] as number, false, false)
      case 'close':
        return this.#checkpoint(next.who, CHUNK_SIZE, ACCEPTED, true, next.isCompleted)
      case 'release': {
        const held = this.#held[next.who]
        this.#held[next.who] = undefined
        if (held !== undefined) await this.#leases.release(held.lease, { afterMs: 5000, waits: 0 })
        return
      }
      case 'renew': {
        const held = this.#held[next.who]
        if (held !== undefined && (await this.#leases.renew(held.lease)) === undefined) this.#held[next.who] = undefined
        return
      }
      case 'crash':
        this.#held[next.who] = undefined
        return
      case 'reclaim':
        await this.#leases.reclaim()
        return
      case 'pause':
        return this.#command(next.who, ({ id }) => changePush(this.database, id, { state: 'paused' }))
      case 'resume':
        return this.#command(next.who, ({ id }) => changePush(this.database, id, { state: 'running' }))
      case 'cancel':
        return this.#command(next.who, ({ id }) => changePush(this.database, id, { state: 'canceled' }))
      case 'rate':
        return this.#command(next.who, ({ id }) => changePush(this.database, id, { rate: next.rate }))
      case 'fail':
        return this.#command(next.who, ({ number }) =>
          this.database.transaction((transaction) =>
            movePush(transaction, number, { kind: 'pause', because: next.because }),
          ),
        )
      case 'jump':
        return this.#jump(next.ms)
      case 'sweep':
        return sweep(this.database, this.store, 1000, NEVER)
      default:
        throw new TypeError(`no such step: ${JSON.stringify(next satisfies never)}`)
    }
  }

  /** What every answer must keep, whatever has happened. */
  async check(): Promise<void> {
    for (const push of await this.pushes()) {
      const { planned, accepted, rejected, unregistered, unconfirmed, remaining } = push.counts
      expect(accepted + rejected + unregistered + unconfirmed + remaining).toBe(planned)
      expect(remaining).toBeGreaterThanOrEqual(0)
      expect(planned).toBeLessThanOrEqual(DEVICES)
      const last = this.#last.get(push.id)
      for (const [name, count] of Object.entries(last ?? {}))
        if (name !== 'remaining') expect(push.counts[name as keyof Counts]).toBeGreaterThanOrEqual(count)
      this.#last.set(push.id, push.counts)
      expect(push.state === 'paused').toBe(push.pausedBecause !== null)
      if (push.state === 'completed') expect([remaining, push.planning]).toEqual([0, false])
    }
    const chunks = await this.database.query<{ id: number; settled: number; outcomes: Uint8Array | null }>(
      'SELECT id, settled, outcomes FROM chunk WHERE outcomes IS NOT NULL',
    )
    for (const { id, settled, outcomes } of chunks) {
      const codes = outcomes as Uint8Array
      expect(codes.filter((code) => code !== 0).length).toBe(settled)
      for (const [index, code] of (this.#written.get(id) ?? []).entries())
        if (code !== 0) expect(codes[index]).toBe(code)
      this.#written.set(id, Uint8Array.from(codes))
    }
  }

  /** From wherever it is, with a little help and the clock going on, every push comes to its end. */
  async end(): Promise<void> {
    this.#held.length = 0
    for (let round = 0; round < 200; round++) {
      const open = (await this.pushes()).filter(({ state }) => !isEnd(state))
      if (open.length === 0) return
      for (const push of open)
        if (push.state === 'paused') await changePush(this.database, push.id, { state: 'running' })
      await this.#jump(LEASE_MS * 200)
      await this.#leases.reclaim()
      await this.#schedule()
      await this.#plan(1000)
      await this.#schedule()
      await this.do({ do: 'lease', who: 0 })
      await this.do({ do: 'close', who: 0, isCompleted: round % 2 === 0 })
      await this.check()
    }
    throw new Error(`No way on for ${JSON.stringify(await this.pushes())}`)
  }

  async pushes(): Promise<readonly StoredPush[]> {
    return (await listPushes(this.database)).data
  }

  get #options() {
    const { store, database } = this
    const queue = { offer: async () => undefined }
    return { store, database, queue, chunkSize: CHUNK_SIZE, leaseMs: LEASE_MS, onEvent: () => undefined }
  }

  async #schedule(): Promise<void> {
    await queueDue(this.database)
    await startQueued(this.database)
    for (const number of await readCompletable(this.database)) await completePush(this.database, number)
  }

  /** Plans, and is killed after so many chunks. */
  async #plan(chunks: number): Promise<void> {
    for (const number of await readUnplanned(this.database, 10)) {
      const killed = new AbortController()
      let stored = 0
      const queue = {
        offer: async () => {
          if (++stored >= chunks) killed.abort()
        },
      }
      await plan({ ...this.#options, queue }, this.store, number, killed.signal)
    }
  }

  async #checkpoint(process: number, members: number, code: number, isClosing: boolean, isCompleted: boolean) {
    const held = this.#held[process]
    if (held === undefined) return
    const { lease, outcomes } = held
    const open = Array.from({ length: outcomes.size }, (_, index) => index).filter(
      (index) => outcomes.codeAt(index) === 0,
    )
    for (const index of isClosing ? open : open.slice(0, members)) outcomes.settle(index, code)
    const part = outcomes.take()
    const isOurs = await this.database.transaction(async (transaction) => {
      if (!(await writeOutcomes(transaction, lease, part))) return false
      await writeReasons(transaction, lease, part.reasons)
      if (isClosing) expect(await this.#leases.complete(lease, transaction)).toBe(true)
      return true
    })
    if (!isOurs || isClosing) this.#held[process] = undefined
    // A process may be killed between this and the transaction before.
    if (isClosing && isCompleted) await completePush(this.database, lease.push.number)
  }

  async #command(which: number, work: (push: StoredPush) => Promise<unknown>): Promise<void> {
    const push = (await this.pushes())[which]
    if (push === undefined) return
    await work(push)
    await readPush(this.database, push.id)
  }

  /** The clock goes on, or back: whatever was stored is so much older, or younger. */
  async #jump(ms: number): Promise<void> {
    await this.database.execute('UPDATE chunk SET lease_until = lease_until - ? WHERE lease_until IS NOT NULL', [ms])
    await this.database.execute('UPDATE chunk SET run_at = run_at - ? WHERE run_at > 0', [ms])
    await this.database.execute(
      `UPDATE push SET plan_until = plan_until - ?, send_at = send_at - ?, ended_at = ended_at - ?,
         served_at = CASE WHEN served_at > 0 THEN served_at - ? ELSE 0 END,
         next_at = CASE WHEN next_at > 0 THEN next_at - ? ELSE 0 END`,
      [ms, ms, ms, ms, ms],
    )
  }
}

test.for([
  { engine: 'SQLite', freshUrl: async () => 'sqlite::memory:', numRuns: 200 },
  { engine: 'MariaDB', freshUrl: freshMysqlUrl, numRuns: 12 },
])(
  'no order of commands, crashes, lost leases and jumps of the clock breaks a count or leaves a push without a way on, on $engine',
  async ({ freshUrl, numRuns }) => {
    const store = await openDeviceStore(await freshUrl())
    onTestFinished(() => store.close())
    await store.database.migrate(OWNER, MIGRATIONS)
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 100, size: 'max' }), async (steps) => {
        const world = await World.open(store)
        await world.do({ do: 'submit', push: () => ({ audience: { all: true } }) })
        for (const each of steps) {
          await world.do(each)
          await world.check()
        }
        await world.end()
        await world.check()
      }),
      { numRuns, examples: [[WORN]] },
    )
  },
)

/** Pushes of all kinds; made anew, since some begin in an hour. */
function aFewPushes(): readonly (() => object)[] {
  const tokens = Array.from({ length: 11 }, (_, n) => tokenOf(100 + n))
  return [
    () => ({ audience: { all: true } }),
    () => ({ audience: { all: true }, maxAudience: DEVICES }),
    () => ({ audience: { all: true }, rate: 1 }),
    () => ({ audience: { filter: ['nobody', 'has'] } }),
    () => ({ audience: { tokens } }),
    () => ({ audience: { tokens }, rate: 1000, maxAudience: 9 }),
    () => ({ audience: { all: true }, maxAudience: 9 }),
    () => ({ audience: { tokens }, sendAt: new Date(Date.now() + 3_600_000).toISOString() }),
  ]
}

function tokenOf(n: number): string {
  return n.toString(16).padStart(64, '0')
}
