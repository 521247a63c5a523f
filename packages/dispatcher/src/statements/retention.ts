import { placeholders, type Session, type Transaction } from '@lhspn/database'

/** In `push_reason.chunk_seq`: of chunks that are no longer there. */
const KEPT = 0

interface SweptRow {
  readonly id: number
  readonly seq: number
  readonly size: number
  readonly accepted: number
  readonly rejected: number
  readonly unregistered: number
  readonly unconfirmed: number
}

/** Pushes that ended so long ago and still have chunks. */
export async function readSweepable(session: Session, retentionMs: number, limit: number): Promise<readonly number[]> {
  const rows = await session.query<{ number: number }>(
    `SELECT p.number FROM push p WHERE p.ended_at <= ${session.dialect.now} - ?
       AND EXISTS (SELECT 1 FROM chunk c WHERE c.push_number = p.number) ORDER BY p.ended_at LIMIT ${limit}`,
    [retentionMs],
  )
  return rows.map(({ number }) => number)
}

/**
 * Deletes up to `limit` chunks of a push with their reasons, and adds what they counted to what the push keeps, in the
 * same transaction: every sum over both stays as it was. Answers how many.
 */
export async function sweepChunks(transaction: Transaction, number: number, limit: number): Promise<number> {
  const { forUpdate } = transaction.dialect
  await transaction.query(`SELECT number FROM push WHERE number = ? ${forUpdate}`, [number])
  const chunks = await transaction.query<SweptRow>(
    `SELECT id, seq, size, accepted, rejected, unregistered, unconfirmed FROM chunk
     WHERE push_number = ? ORDER BY seq LIMIT ${limit} ${forUpdate}`,
    [number],
  )
  if (chunks.length === 0) return 0
  const sum = (column: keyof SweptRow): number => chunks.reduce((total, chunk) => total + chunk[column], 0)
  await transaction.execute(
    `UPDATE push SET kept_planned = kept_planned + ?, kept_accepted = kept_accepted + ?, kept_rejected = kept_rejected + ?,
       kept_unregistered = kept_unregistered + ?, kept_unconfirmed = kept_unconfirmed + ? WHERE number = ?`,
    [sum('size'), sum('accepted'), sum('rejected'), sum('unregistered'), sum('unconfirmed'), number],
  )
  await keepReasons(
    transaction,
    number,
    chunks.map(({ seq }) => seq),
  )
  await transaction.execute(
    `DELETE FROM chunk WHERE id IN (${placeholders(chunks.length)})`,
    chunks.map(({ id }) => id),
  )
  return chunks.length
}

async function keepReasons(transaction: Transaction, number: number, seqs: readonly number[]): Promise<void> {
  const swept = placeholders(seqs.length)
  const sums = await transaction.query<{ reason: number; n: number }>(
    `SELECT reason, SUM(n) AS n FROM push_reason WHERE push_number = ? AND chunk_seq IN (${KEPT}, ${swept}) GROUP BY reason`,
    [number, ...seqs],
  )
  if (sums.length === 0) return
  await transaction.execute(
    `REPLACE INTO push_reason (push_number, chunk_seq, reason, n) VALUES ${sums.map(() => `(?, ${KEPT}, ?, ?)`).join(', ')}`,
    sums.flatMap(({ reason, n }) => [number, reason, n]),
  )
  await transaction.execute(`DELETE FROM push_reason WHERE push_number = ? AND chunk_seq IN (${swept})`, [
    number,
    ...seqs,
  ])
}
