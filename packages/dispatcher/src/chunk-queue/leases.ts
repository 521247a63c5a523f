import type { Database, DatabaseError, Session, Transaction } from '@lhspn/database'

import { type ActivePush, readActivePush } from '../active-push.ts'
import type { OnEvent } from '../events.ts'
import { newOwner } from '../owner.ts'
import { environmentOf } from '../push-row.ts'
import type { Environment } from '../push.ts'
import { CHUNK, RUNNING } from '../statements/chunk-state.ts'
import { hasMoved, movePush, readAddress } from '../statements/pushes.ts'
import type { Lease, LeaseWish, Orders, Release, Renewal, Slot } from './chunk-queue.ts'

/** Chunks of so many members do not count against the number of chunks at once; nor do those that pace a rate. */
const SMALL_CHUNK = 100
/** Leases of a chunk that may run out in a row without progress: something in it ends its worker. */
const FRUITLESS_LEASES = 5
/** A slot is taken so long before it begins: then it begins on time. */
const AHEAD_MS = 500
/** What a chunk of a rated push does not get through in a slot of so long, it gets in its next one. */
export const SLOT_MS = 10_000
/** No slot that was taken ends later than so long after now, unless the clock was set back. */
const LATEST_MS = AHEAD_MS + SLOT_MS
/** Pushes looked at in one statement. */
const TURNS = 32
/** Pushes whose content is kept. */
const KEPT = 64

interface TurnRow {
  readonly number: number
  readonly app: string
  readonly environment: number
  readonly rate: number | null
  readonly mismatch_off: number
  readonly next_at: number
  readonly served_at: number
  /** When any running push was served last. */
  readonly latest: number
  readonly now: number
  readonly chunk: number | null
}

interface ChunkRow {
  readonly seq: number
  readonly size: number
  readonly counted: number
  readonly settled: number
  readonly waits: number
  readonly started_at: number
  readonly members: Uint8Array
  readonly outcomes: Uint8Array | null
}

/** The next chunk of a push, before it is leased. */
export interface Outlook {
  readonly app: string
  readonly environment: Environment
  readonly light: boolean
  /** So long it cannot be leased. */
  readonly afterMs: number
}

const TURN_COLUMNS = `p.number, p.app, p.environment, p.rate, p.mismatch_off, p.next_at, p.served_at,
  (SELECT MAX(served_at) FROM push WHERE state = ${RUNNING}) AS latest`

/**
 * The rows of chunks, as every queue writes them: claimed by compare-and-set, fenced by a random owner, timed by the
 * database's clock. Locks are taken in one order: push, then chunk.
 */
export class ChunkLeases {
  readonly #database: Database
  readonly #leaseMs: number
  readonly #onEvent: OnEvent
  readonly #pushes = new Map<number, ActivePush>()

  /** @param onEvent told of pushes that `reclaim` pauses */
  constructor(database: Database, leaseMs: number, onEvent: OnEvent = () => undefined) {
    this.#database = database
    this.#leaseMs = leaseMs
    this.#onEvent = onEvent
  }

  /** The next chunk of the push that was served longest ago, among all that are running. */
  async leaseAny(wish: LeaseWish): Promise<Lease | undefined> {
    let after = { servedAt: -1, number: 0 }
    for (;;) {
      const asked = performance.now()
      const turns = await this.#turns(after)
      for (const turn of turns) {
        const lease = await this.#take(turn, asked, wish)
        if (lease !== undefined) return lease
      }
      const last = turns.at(-1)
      if (last === undefined || turns.length < TURNS) return undefined
      after = { servedAt: last.served_at, number: last.number }
    }
  }

  /** The next chunk of this push, if it is running and has one. */
  async leaseOf(push: number, wish: LeaseWish): Promise<Lease | undefined> {
    const asked = performance.now()
    const [turn] = await this.#database.query<TurnRow>(
      `SELECT ${TURN_COLUMNS}, ${this.#now} AS now, ${this.#nextChunk} AS chunk
       FROM push p WHERE p.number = ? AND p.state = ${RUNNING} AND ${this.#isDue}`,
      [push],
    )
    return turn === undefined ? undefined : this.#take(turn, asked, wish)
  }

  /** When this push has a chunk to lease next; undefined where it does not run, or none is ready. */
  async outlook(number: number): Promise<Outlook | undefined> {
    const [push] = await this.#database.query<TurnRow>(
      `SELECT ${TURN_COLUMNS}, ${this.#now} AS now, ${this.#nextChunk} AS chunk
       FROM push p WHERE p.number = ? AND p.state = ${RUNNING}`,
      [number],
    )
    if (push === undefined) return undefined
    const [chunk] = await this.#database.query<{ size: number; run_at: number }>(
      push.chunk === null
        ? `SELECT size, run_at FROM chunk ${this.#byReady} WHERE push_number = ? AND state = ${CHUNK.ready} AND leases < ${FRUITLESS_LEASES}
           ORDER BY run_at LIMIT 1`
        : 'SELECT size, run_at FROM chunk WHERE id = ?',
      [push.chunk ?? number],
    )
    if (chunk === undefined) return undefined
    return {
      app: push.app,
      environment: environmentOf(push.environment),
      light: isLight(chunk.size, push.rate),
      afterMs: Math.max(0, chunk.run_at - push.now, beginOf(push) - AHEAD_MS - push.now),
    }
  }

  async renew({ chunk, owner, push }: Lease): Promise<Renewal | undefined> {
    const until = performance.now() + this.#leaseMs
    const { changes } = await this.#database.transaction((transaction) =>
      transaction.execute(
        `UPDATE chunk SET lease_until = ${this.#now} + ? WHERE id = ? AND owner = ? AND state = ${CHUNK.leased}`,
        [this.#leaseMs, chunk, owner],
      ),
    )
    if (changes === 0) return undefined
    return { until, ...(await ordersOf(this.#database, push.number)) }
  }

  async complete({ chunk, owner }: Lease, transaction: Transaction): Promise<boolean> {
    const { changes } = await transaction.execute(
      `UPDATE chunk SET state = ${CHUNK.done}, lease_until = NULL WHERE id = ? AND owner = ? AND state = ${CHUNK.leased}`,
      [chunk, owner],
    )
    return changes === 1
  }

  async release({ chunk, owner, push, slot }: Lease, { afterMs, waits }: Release): Promise<void> {
    await this.#database.transaction(async (transaction) => {
      // Only where nobody has taken a slot behind this one; what was before this one is another's.
      if (slot !== undefined)
        await transaction.execute(
          `UPDATE push SET next_at = CASE WHEN ${this.#now} > ? THEN ${this.#now} ELSE ? END
           WHERE number = ? AND next_at = ? AND next_at > ${this.#now}`,
          [slot.startsAt, slot.startsAt, push.number, slot.endsAt],
        )
      await transaction.execute(
        `UPDATE chunk SET state = ${CHUNK.ready}, run_at = CASE WHEN ? > 0 THEN ${this.#now} + ? ELSE 0 END,
           lease_until = NULL, waits = ?, leases = CASE WHEN leases > 0 THEN leases - 1 ELSE 0 END
         WHERE id = ? AND owner = ? AND state = ${CHUNK.leased}`,
        [afterMs, afterMs, waits, chunk, owner],
      )
    })
  }

  /**
   * Gives back the chunks whose lease ran out, whoever had them; answers the pushes that they belong to. A chunk that
   * makes no progress again and again pauses its push.
   */
  async reclaim(): Promise<readonly number[]> {
    const { forUpdate } = this.#database.dialect
    const expired = await this.#database.query<{ id: number; push_number: number }>(
      `SELECT id, push_number FROM chunk WHERE state = ${CHUNK.leased} AND lease_until <= ${this.#now} LIMIT 1000`,
    )
    for (const { id, push_number: push } of expired) {
      const moved = await this.#database.transaction(async (transaction) => {
        await transaction.query(`SELECT number FROM push WHERE number = ? ${forUpdate}`, [push])
        const { changes } = await transaction.execute(
          `UPDATE chunk SET state = ${CHUNK.ready}, run_at = 0, owner = NULL, lease_until = NULL
           WHERE id = ? AND state = ${CHUNK.leased} AND lease_until <= ${this.#now}`,
          [id],
        )
        if (changes === 0) return undefined
        const [chunk] = await transaction.query<{ leases: number }>('SELECT leases FROM chunk WHERE id = ?', [id])
        if ((chunk?.leases ?? 0) < FRUITLESS_LEASES) return undefined
        return movePush(transaction, push, { kind: 'pause', because: 'fault' })
      })
      const address = hasMoved(moved) ? await readAddress(this.#database, push) : undefined
      if (address !== undefined) this.#onEvent({ kind: 'paused', ...address, because: 'fault' })
    }
    return [...new Set(expired.map(({ push_number: push }) => push))]
  }

  get #now(): string {
    return this.#database.dialect.now
  }

  /** Whether the next slot of push `p` may be taken. */
  get #isDue(): string {
    return `(p.next_at <= ${this.#now} + ${AHEAD_MS} OR p.next_at > ${this.#now} + ${LATEST_MS})`
  }

  /** By the other index MariaDB would read every chunk that is done, first. */
  get #byReady(): string {
    return this.#database.dialect.forceIndex('chunk_ready')
  }

  /** The id of the first chunk of push `p` that is ready: in the order of the audience, as the index has them. */
  get #nextChunk(): string {
    return `(SELECT c.id FROM chunk c ${this.#byReady} WHERE c.push_number = p.number AND c.state = ${CHUNK.ready}
             AND c.run_at <= ${this.#now} AND c.leases < ${FRUITLESS_LEASES} ORDER BY c.seq LIMIT 1)`
  }

  #turns({ servedAt, number }: { servedAt: number; number: number }): Promise<readonly TurnRow[]> {
    return this.#database.query<TurnRow>(
      `SELECT ${TURN_COLUMNS}, ${this.#now} AS now, ${this.#nextChunk} AS chunk
       FROM push p WHERE p.state = ${RUNNING} AND ${this.#isDue}
         AND (p.served_at > ? OR (p.served_at = ? AND p.number > ?))
       ORDER BY p.served_at, p.number LIMIT ${TURNS}`,
      [servedAt, servedAt, number],
    )
  }

  /** @param asked steady time before `turn` was read */
  async #take(turn: TurnRow, asked: number, wish: LeaseWish): Promise<Lease | undefined> {
    const { number, app, rate, chunk: id } = turn
    const environment = environmentOf(turn.environment)
    if (id === null || wish.held(app, environment)) return undefined
    const [chunk] = await this.#database.query<{ size: number; settled: number }>(
      'SELECT size, settled FROM chunk WHERE id = ?',
      [id],
    )
    if (chunk === undefined) return undefined
    if (wish.lightOnly && !isLight(chunk.size, rate)) return undefined
    const push = await this.#activePush(number)
    if (push === undefined) return undefined
    const claimed = performance.now()
    const slot =
      rate === null ? undefined : slotOf(turn, chunk.size - chunk.settled, rate, { asked, answered: claimed })
    const owner = newOwner()
    const row = await this.#claim(turn, id, chunk.settled, owner, slot?.endsAt ?? turn.next_at)
    if (row === undefined) return undefined
    return {
      chunk: id,
      owner,
      push,
      rate,
      checksMismatch: turn.mismatch_off === 0,
      seq: row.seq,
      size: row.size,
      members: row.members,
      outcomes: row.outcomes ?? new Uint8Array(row.size),
      counted: row.counted,
      waits: row.waits,
      startedAt: row.started_at,
      slot,
      until: claimed + this.#leaseMs,
    }
  }

  /** Claims a chunk as it was seen; undefined if it, or its push, has changed since. */
  async #claim(turn: TurnRow, chunk: number, settled: number, owner: bigint, nextAt: number) {
    try {
      return await this.#database.transaction(async (transaction) => {
        // Behind all others also within one millisecond, and where the clock was set back.
        const served = await transaction.execute(
          `UPDATE push SET served_at = CASE WHEN ${this.#now} > ? THEN ${this.#now} ELSE ? END, next_at = ?
           WHERE number = ? AND state = ${RUNNING} AND next_at = ?`,
          [turn.latest, turn.latest + 1, nextAt, turn.number, turn.next_at],
        )
        if (served.changes === 0) throw new Taken()
        const { changes } = await transaction.execute(
          `UPDATE chunk SET state = ${CHUNK.leased}, owner = ?, lease_until = ${this.#now} + ?, leases = leases + 1,
             started_at = COALESCE(started_at, ${this.#now})
           WHERE id = ? AND state = ${CHUNK.ready} AND settled = ?`,
          [owner, this.#leaseMs, chunk, settled],
        )
        if (changes === 0) throw new Taken()
        return readClaimed(transaction, chunk, owner)
      })
    } catch (error) {
      if (error instanceof Taken) return undefined
      // The COMMIT may have happened: then the chunk is ours, and would be nobody's until the lease ran out.
      if ((error as DatabaseError).code === 'connection-lost') return readClaimed(this.#database, chunk, owner)
      throw error
    }
  }

  async #activePush(number: number): Promise<ActivePush | undefined> {
    const known = this.#pushes.get(number)
    if (known !== undefined) return known
    const push = await readActivePush(this.#database, number)
    if (push === undefined) return undefined
    if (this.#pushes.size >= KEPT) this.#pushes.delete(this.#pushes.keys().next().value as number)
    this.#pushes.set(number, push)
    return push
  }
}

/** Somebody else was faster: rolls the claim back. */
class Taken extends Error {}

async function readClaimed(session: Session, chunk: number, owner: bigint): Promise<ChunkRow | undefined> {
  const [row] = await session.query<ChunkRow>(
    `SELECT seq, size, counted, settled, waits, started_at, members, outcomes FROM chunk
     WHERE id = ? AND owner = ? AND state = ${CHUNK.leased}`,
    [chunk, owner],
  )
  return row
}

/** What a push asks now; one that is gone does not run. */
export async function ordersOf(session: Session, push: number): Promise<Orders> {
  const [row] = await session.query<{ state: number; rate: number | null }>(
    'SELECT state, rate FROM push WHERE number = ?',
    [push],
  )
  return { running: row?.state === RUNNING, rate: row?.rate ?? null }
}

/** Whether it does not count against the number of chunks at once. */
export function isLight(size: number, rate: number | null): boolean {
  return rate !== null || size <= SMALL_CHUNK
}

/** When the next slot begins, by the database's clock: where the last one ended, or now. */
function beginOf({ now, next_at: next }: TurnRow): number {
  return next > now + LATEST_MS ? now : Math.max(now, next)
}

/**
 * The next slot of a rate: it lasts as long as so many need, or as a slot may. The database read its clock between both
 * steady times: taken so, no slot reaches into its neighbours.
 */
function slotOf(
  turn: TurnRow,
  notifications: number,
  rate: number,
  { asked, answered }: { readonly asked: number; readonly answered: number },
): Slot {
  const startsAt = beginOf(turn)
  const endsAt = startsAt + Math.min(SLOT_MS, Math.ceil((notifications / rate) * 1000))
  return { start: answered + (startsAt - turn.now), end: asked + (endsAt - turn.now), startsAt, endsAt }
}
