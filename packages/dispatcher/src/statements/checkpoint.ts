import { placeholders, type Session, type Transaction } from '@lhspn/database'

import type { Part } from '../chunk-outcomes.ts'
import type { Lease } from '../chunk-queue/chunk-queue.ts'
import { CHUNK } from './chunk-state.ts'

/** Writes down the outcomes of a chunk, all of them; false: the lease is lost, and nothing was written. */
export async function writeOutcomes(
  transaction: Transaction,
  { chunk, owner }: Lease,
  { codes, settled, counts }: Part,
): Promise<boolean> {
  const { accepted, rejected, unregistered, unconfirmed } = counts
  const { changes } = await transaction.execute(
    `UPDATE chunk SET settled = ?, accepted = ?, rejected = ?, unregistered = ?, unconfirmed = ?, leases = 0, outcomes = ?
     WHERE id = ? AND owner = ? AND state = ${CHUNK.leased}`,
    [settled, accepted, rejected, unregistered, unconfirmed, codes, chunk, owner],
  )
  return changes === 1
}

/** How often reasons are among the outcomes of a chunk: as they are now. */
export async function writeReasons(
  transaction: Transaction,
  { push, seq }: Lease,
  reasons: Part['reasons'],
): Promise<void> {
  if (reasons.length === 0) return
  const rows = reasons.map(() => `(${placeholders(4)})`).join(', ')
  await transaction.execute(
    `REPLACE INTO push_reason (push_number, chunk_seq, reason, n) VALUES ${rows}`,
    reasons.flatMap(([code, n]) => [push.number, seq, code, n]),
  )
}

/** Whether the chunk is still ours; the row is locked until the transaction ends. */
export async function holdsLease(transaction: Transaction, { chunk, owner }: Lease): Promise<boolean> {
  const rows = await transaction.query(
    `SELECT id FROM chunk WHERE id = ? AND owner = ? AND state = ${CHUNK.leased} ${transaction.dialect.forUpdate}`,
    [chunk, owner],
  )
  return rows.length === 1
}

/** Whether it was us who closed the chunk. */
export async function wasClosedBy(session: Session, { chunk, owner }: Lease): Promise<boolean> {
  const rows = await session.query(`SELECT id FROM chunk WHERE id = ? AND owner = ? AND state = ${CHUNK.done}`, [
    chunk,
    owner,
  ])
  return rows.length === 1
}

/** Moves the number of members whose badge was counted on; false: the lease is lost, or another did it. */
export async function moveCounted(
  transaction: Transaction,
  { chunk, owner }: Lease,
  from: number,
  to: number,
): Promise<boolean> {
  const { changes } = await transaction.execute(
    `UPDATE chunk SET counted = ? WHERE id = ? AND owner = ? AND state = ${CHUNK.leased} AND counted = ?`,
    [to, chunk, owner, from],
  )
  return changes === 1
}

/** Members whose badge was counted; undefined: the lease is lost. */
export async function readCounted(session: Session, { chunk, owner }: Lease): Promise<number | undefined> {
  const [row] = await session.query<{ counted: number }>(
    `SELECT counted FROM chunk WHERE id = ? AND owner = ? AND state = ${CHUNK.leased}`,
    [chunk, owner],
  )
  return row?.counted
}

/** How a whole push fares: codes of its chunks that have a reason, and members with and without an outcome. */
export async function readJudgement(
  session: Session,
  push: number,
): Promise<{
  readonly settled: number
  readonly open: number
  readonly reasons: readonly (readonly [number, number])[]
}> {
  const [sums] = await session.query<{ settled: number | null; open: number | null; planning: number }>(
    `SELECT p.planning, SUM(c.settled) AS settled, SUM(c.size - c.settled) AS open
     FROM push p JOIN chunk c ON c.push_number = p.number WHERE p.number = ? GROUP BY p.number, p.planning`,
    [push],
  )
  const reasons = await session.query<{ reason: number; n: number }>(
    'SELECT reason, SUM(n) AS n FROM push_reason WHERE push_number = ? GROUP BY reason',
    [push],
  )
  return {
    settled: sums?.settled ?? 0,
    // While it is planned, more may come.
    open: sums === undefined || sums.planning === 1 ? Number.POSITIVE_INFINITY : (sums.open ?? 0),
    reasons: reasons.map(({ reason, n }) => [reason, n] as const),
  }
}
