import { deleteRows, insertMissing, placeholders, type Session, type Transaction } from '@lhspn/database'

import type { RemovalCause, Tombstone } from '../device.ts'
import { pairOf } from '../pair.ts'
import { lockByToken } from './lock.ts'
import { attributesOf, type DeviceRow, tokenBytes } from './rows.ts'

const CAUSES = ['unregistered', 'feedback', 'request'] as const satisfies readonly RemovalCause[]

export interface Removal {
  readonly cause: RemovalCause
  readonly push: string | null
  /** ms since 1970 */
  readonly now: number
}

/** Removes those of the devices that `dead` says so of, leaves a tombstone each, and answers their tokens. */
export async function remove(
  transaction: Transaction,
  appId: number,
  tokens: readonly string[],
  dead: (token: string, row: DeviceRow) => boolean,
  removal: Removal,
): Promise<readonly string[]> {
  const rows = await lockByToken(transaction, appId, tokens)
  const removed = [...rows].filter(([token, row]) => dead(token, row))
  if (removed.length === 0) return []
  const pairs = removed.flatMap(([, row]) =>
    Object.entries(attributesOf(row)).map(([key, value]) => [pairOf(appId, key, value), row.id] as const),
  )
  await deleteRows(
    transaction,
    'device_attribute',
    ['pair', 'device_id'],
    pairs.toSorted(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0)),
  )
  await transaction.execute(
    `DELETE FROM device WHERE id IN (${placeholders(removed.length)})`,
    removed.map(([, { id }]) => id),
  )
  await insertMissing(
    transaction,
    'tombstone',
    ['device_id', 'app_id', 'token', 'cause', 'at', 'push'],
    removed.map(([, { id, token }]) => [
      id,
      appId,
      token,
      CAUSES.indexOf(removal.cause) + 1,
      removal.now,
      removal.push,
    ]),
  )
  return removed.map(([token]) => token)
}

/** The last removal of this token. */
export async function readTombstone(session: Session, appId: number, token: string): Promise<Tombstone | undefined> {
  const [row] = await session.query<{ at: number; cause: number; push: string | null }>(
    'SELECT at, cause, push FROM tombstone WHERE app_id = ? AND token = ? ORDER BY device_id DESC LIMIT 1',
    [appId, tokenBytes(token)],
  )
  if (row === undefined) return undefined
  return { at: new Date(row.at), cause: CAUSES[row.cause - 1] as RemovalCause, push: row.push }
}

/** Forgets up to `limit` tombstones from before `before`; answers how many. */
export async function forgetTombstones(transaction: Transaction, before: number, limit: number): Promise<number> {
  const rows = await transaction.query<{ device_id: number }>(
    `SELECT device_id FROM tombstone WHERE at < ? ORDER BY at LIMIT ${limit} ${transaction.dialect.forUpdate}`,
    [before],
  )
  if (rows.length > 0)
    await transaction.execute(
      `DELETE FROM tombstone WHERE device_id IN (${placeholders(rows.length)})`,
      rows.map(({ device_id }) => device_id),
    )
  return rows.length
}
