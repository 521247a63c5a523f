import { insertMissing, type Session, type Transaction } from '@lhspn/database'

import type { PushRow } from '../push-row.ts'
import { PUSH_STATES, type PushState } from '../push-state.ts'

/** A chunk that is to be stored. */
export interface NewChunk {
  readonly size: number
  /** As chunk-members.ts writes them. */
  readonly members: Uint8Array
}

/** Whose planning it is: random for each lease. */
export interface Planning {
  readonly number: number
  readonly owner: bigint
}

/** What a planner goes by; `planned` members are in chunks already. */
export interface PlanRow extends Pick<
  PushRow,
  'app' | 'environment' | 'audience' | 'rate' | 'max_audience' | 'state' | 'planning'
> {
  readonly plan_after: number
  readonly plan_upper: number
  readonly plan_seq: number
  readonly planned: number
}

/** A push that has been taken up is planned, and so is a stream of tokens that flows into one that waits for its time. */
const PLANNED_STATES = states('scheduled', 'queued', 'running')
const DUE_STATES = states('queued', 'running')

/** Leases the planning of a push, if nobody has it. `upper`: the last id of its audience, where none was fixed before. */
export async function leasePlan(
  session: Session,
  { number, owner }: Planning,
  leaseMs: number,
  upper: number,
): Promise<PlanRow | undefined> {
  const { now } = session.dialect
  const { changes } = await session.execute(
    `UPDATE push SET plan_owner = ?, plan_until = ${now} + ?, plan_upper = COALESCE(plan_upper, ?)
     WHERE number = ? AND planning = 1 AND state IN (${DUE_STATES}) AND (plan_until IS NULL OR plan_until <= ${now})`,
    [owner, leaseMs, upper, number],
  )
  return changes === 0 ? undefined : readPlan(session, { number, owner })
}

/** Leases the planning of a push that has just been stored. */
export async function holdPlan(transaction: Transaction, { number, owner }: Planning, leaseMs: number): Promise<void> {
  await transaction.execute(
    `UPDATE push SET plan_owner = ?, plan_until = ${transaction.dialect.now} + ? WHERE number = ?`,
    [owner, leaseMs, number],
  )
}

/** undefined: the planning is another's, or over. */
export async function readPlan(session: Session, { number, owner }: Planning): Promise<PlanRow | undefined> {
  const [row] = await session.query<PlanRow>(
    `SELECT app, environment, audience, rate, max_audience, state, planning, plan_after, plan_upper, plan_seq,
       (SELECT COALESCE(SUM(c.size), 0) FROM chunk c WHERE c.push_number = push.number) AS planned
     FROM push WHERE number = ? AND plan_owner = ? AND planning = 1`,
    [number, owner],
  )
  return row
}

/** False: the planning is another's, or over. */
export async function renewPlan(session: Session, { number, owner }: Planning, leaseMs: number): Promise<boolean> {
  const { changes } = await session.execute(
    `UPDATE push SET plan_until = ${session.dialect.now} + ? WHERE number = ? AND plan_owner = ? AND planning = 1`,
    [leaseMs, number, owner],
  )
  return changes === 1
}

/**
 * Stores chunks behind those that are there, together with the place that planning has come to. False: the push stands
 * still or was ended, or the planning is another's; nothing was stored.
 */
export async function appendChunks(
  transaction: Transaction,
  { number, owner }: Planning,
  chunks: readonly NewChunk[],
  place: { readonly seq: number; readonly after: number; readonly isLast: boolean; readonly leaseMs: number },
): Promise<boolean> {
  const { seq, after, isLast, leaseMs } = place
  const { changes } = await transaction.execute(
    `UPDATE push SET plan_after = ?, plan_seq = ?, plan_until = ${transaction.dialect.now} + ?, planning = ?
     WHERE number = ? AND plan_owner = ? AND planning = 1 AND plan_seq = ? AND state IN (${PLANNED_STATES})`,
    [after, seq + chunks.length, leaseMs, isLast ? 0 : 1, number, owner, seq],
  )
  if (changes === 0) return false
  await insertChunks(transaction, number, seq, chunks)
  return true
}

/** Stores chunks with the numbers after `seq`. */
export async function insertChunks(
  transaction: Transaction,
  number: number,
  seq: number,
  chunks: readonly NewChunk[],
): Promise<void> {
  await insertMissing(
    transaction,
    'chunk',
    ['push_number', 'seq', 'size', 'members'],
    chunks.map(({ size, members }, index) => [number, seq + index + 1, size, members]),
  )
}

/** Lets somebody else plan on. */
export async function releasePlan(session: Session, { number, owner }: Planning): Promise<void> {
  await session.execute('UPDATE push SET plan_until = NULL WHERE number = ? AND plan_owner = ? AND planning = 1', [
    number,
    owner,
  ])
}

/** What is planned is all. False: the planning is another's, or over. */
export async function endPlan(session: Session, { number, owner }: Planning): Promise<boolean> {
  const { changes } = await session.execute(
    'UPDATE push SET planning = 0 WHERE number = ? AND plan_owner = ? AND planning = 1',
    [number, owner],
  )
  return changes === 1
}

/** Members of a push whose planning another has taken over; undefined: nobody has, or the push was canceled. */
export async function readTakenOver(session: Session, { number, owner }: Planning): Promise<number | undefined> {
  const [row] = await session.query<{ planned: number }>(
    `SELECT kept_planned + (SELECT COALESCE(SUM(c.size), 0) FROM chunk c WHERE c.push_number = push.number) AS planned
     FROM push WHERE number = ? AND plan_owner <> ? AND state <> ${states('canceled')}`,
    [number, owner],
  )
  return row?.planned
}

/** Pushes that are to be planned, and that nobody plans; the one stored first leads. */
export async function readUnplanned(session: Session, limit: number): Promise<readonly number[]> {
  const { now } = session.dialect
  const rows = await session.query<{ number: number }>(
    `SELECT number FROM push WHERE state IN (${DUE_STATES}) AND planning = 1 AND (plan_until IS NULL OR plan_until <= ${now})
     ORDER BY number LIMIT ${limit}`,
  )
  return rows.map(({ number }) => number)
}

function states(...names: readonly PushState[]): string {
  return names.map((name) => PUSH_STATES.indexOf(name)).join(', ')
}
