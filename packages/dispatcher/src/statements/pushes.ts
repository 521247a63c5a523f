import { type Database, type Parameter, placeholders, type Session, type Transaction } from '@lhspn/database'

import { SETTLED_KINDS } from '../outcome-code.ts'
import { environmentOf, PUSH_COLUMNS, type PushRow, rowOf, standingOf, stateNumber } from '../push-row.ts'
import { follow, isEnd, PAUSE_CAUSES, type PausedBecause, type PushEvent, type Standing } from '../push-state.ts'
import type { Counts, Environment } from '../push.ts'

type Inserted = ReturnType<typeof rowOf>

/** A push with the sums over its chunks, those that are no longer there included. */
export interface CountedRow extends PushRow {
  readonly planned: number
  readonly accepted: number
  readonly rejected: number
  readonly unregistered: number
  readonly unconfirmed: number
}

const ROW = PUSH_COLUMNS.map((column) => `p.${column}`).join(', ')
const SUMS = SETTLED_KINDS.map((column) => `p.kept_${column} + COALESCE(c.${column}, 0) AS ${column}`).join(', ')

/** Stores a push; answers its number. */
export async function insertPush(transaction: Transaction, row: Inserted): Promise<number> {
  const columns = Object.keys(row)
  const { insertId } = await transaction.execute(
    `INSERT INTO push (${columns.join(', ')}) VALUES (${placeholders(columns.length)})`,
    Object.values(row) as Parameter[],
  )
  return insertId as number
}

/**
 * Pushes and their sums, newest first. One statement: both are of the same moment, also while chunks settle or are
 * swept up.
 */
export async function readCounted(session: Session, numbers: readonly number[]): Promise<readonly CountedRow[]> {
  if (numbers.length === 0) return []
  const list = placeholders(numbers.length)
  return session.query<CountedRow>(
    `SELECT ${ROW}, p.kept_planned + COALESCE(c.planned, 0) AS planned, ${SUMS}
     FROM push p LEFT JOIN (
       SELECT push_number, SUM(size) AS planned, SUM(accepted) AS accepted, SUM(rejected) AS rejected,
         SUM(unregistered) AS unregistered, SUM(unconfirmed) AS unconfirmed
       FROM chunk WHERE push_number IN (${list}) GROUP BY push_number
     ) c ON c.push_number = p.number
     WHERE p.number IN (${list}) ORDER BY p.number DESC`,
    [...numbers, ...numbers],
  )
}

export function countsOf({ planned, accepted, rejected, unregistered, unconfirmed }: CountedRow): Counts {
  const remaining = planned - accepted - rejected - unregistered - unconfirmed
  return { planned, accepted, rejected, unregistered, unconfirmed, remaining }
}

/** How often each code of outcome-code.ts that has a reason came, by push. */
export async function readReasons(
  session: Session,
  numbers: readonly number[],
): Promise<ReadonlyMap<number, readonly (readonly [code: number, n: number])[]>> {
  const found = new Map<number, (readonly [number, number])[]>()
  if (numbers.length === 0) return found
  const rows = await session.query<{ push_number: number; reason: number; n: number }>(
    `SELECT push_number, reason, SUM(n) AS n FROM push_reason WHERE push_number IN (${placeholders(numbers.length)})
     GROUP BY push_number, reason ORDER BY push_number, reason`,
    numbers,
  )
  for (const { push_number: number, reason, n } of rows) {
    const list = found.get(number) ?? []
    list.push([reason, n])
    found.set(number, list)
  }
  return found
}

/** The number behind an id. */
export async function findNumber(session: Session, id: string): Promise<number | undefined> {
  const [row] = await session.query<{ number: number }>('SELECT number FROM push WHERE id = ?', [id])
  return row?.number
}

/** What events name a push by. */
export async function readAddress(
  session: Session,
  number: number,
): Promise<{ readonly push: string; readonly app: string; readonly environment: Environment } | undefined> {
  const [row] = await session.query<{ id: string; app: string; environment: number }>(
    'SELECT id, app, environment FROM push WHERE number = ?',
    [number],
  )
  return row === undefined ? undefined : { push: row.id, app: row.app, environment: environmentOf(row.environment) }
}

/** Numbers of pushes below `below`, newest first. */
export async function readNumbers(
  session: Session,
  wanted: { readonly app?: string | undefined; readonly state?: number | undefined; readonly below: number },
  limit: number,
): Promise<readonly number[]> {
  const { app, state, below } = wanted
  const rows = await session.query<{ number: number }>(
    `SELECT number FROM push WHERE number < ?${state === undefined ? '' : ' AND state = ?'}${app === undefined ? '' : ' AND app = ?'}
     ORDER BY number DESC LIMIT ${limit}`,
    [below, ...(state === undefined ? [] : [state]), ...(app === undefined ? [] : [app])],
  )
  return rows.map(({ number }) => number)
}

/** What a push became by an event. */
export interface Moved {
  readonly before: Standing
  readonly after: Standing
}

/**
 * Lets an event happen to a push, under the lock of its row. undefined: there is no such push; `after` is undefined
 * where a push that stands so cannot meet it.
 */
export async function movePush(
  transaction: Transaction,
  number: number,
  event: PushEvent,
): Promise<Moved | { readonly before: Standing; readonly after: undefined } | undefined> {
  const [row] = await transaction.query<Pick<PushRow, 'state' | 'paused_from' | 'paused_because'>>(
    `SELECT state, paused_from, paused_because FROM push WHERE number = ? ${transaction.dialect.forUpdate}`,
    [number],
  )
  if (row === undefined) return undefined
  const before = standingOf(row)
  const after = follow(before, event)
  if (after === undefined) return { before, after }
  if (after !== before) await writeStanding(transaction, number, after)
  return { before, after }
}

/** Whether an event has changed how a push stands. */
export function hasMoved(moved: Awaited<ReturnType<typeof movePush>>): boolean {
  return moved?.after !== undefined && moved.after !== moved.before
}

/**
 * Pauses a push with which something is wrong; false where it stood still already, or has ended, or goes on without the
 * check for the wrong environment since it was resumed.
 */
export async function pausePush(database: Database, number: number, because: PausedBecause): Promise<boolean> {
  const moved = await database.transaction(async (transaction) => {
    if (because === 'environment-mismatch' && !(await checksMismatch(transaction, number))) return undefined
    return movePush(transaction, number, { kind: 'pause', because })
  })
  return hasMoved(moved)
}

async function checksMismatch(transaction: Transaction, number: number): Promise<boolean> {
  const [row] = await transaction.query<{ mismatch_off: number }>(
    `SELECT mismatch_off FROM push WHERE number = ? ${transaction.dialect.forUpdate}`,
    [number],
  )
  return row?.mismatch_off === 0
}

async function writeStanding(session: Session, number: number, standing: Standing): Promise<void> {
  const { state, pausedBecause, pausedFrom } = standing
  await session.execute(
    `UPDATE push SET state = ?, paused_because = ?, paused_from = ?, ended_at = ${isEnd(state) ? session.dialect.now : 'NULL'}
     WHERE number = ?`,
    [
      stateNumber(state),
      pausedBecause === null ? null : PAUSE_CAUSES.indexOf(pausedBecause),
      pausedFrom === null ? null : stateNumber(pausedFrom),
      number,
    ],
  )
}
