import type { Session, Transaction } from '@lhspn/database'

/** How long a key stands for what it was first used for. */
const KEPT_MS = 86_400_000

/** Whose key, and what it was given with. */
export interface KeyedRequest {
  /** The id of the API key; `''` for programs that use the database themselves. */
  readonly apiKey: string
  readonly idempotencyKey: string
  /** SHA-256 of what was asked for. */
  readonly contentHash: Uint8Array
}

/** The push that a key made. */
export interface Made {
  readonly push: number
  /** Whether it was asked for with the same content. */
  readonly isSame: boolean
}

export async function findMade(session: Session, request: KeyedRequest): Promise<Made | undefined> {
  const [row] = await session.query<{ push_number: number; content_hash: Uint8Array }>(
    `SELECT push_number, content_hash FROM idempotency_key
     WHERE api_key = ? AND idempotency_key = ? AND created_at > ${session.dialect.now} - ${KEPT_MS}`,
    [request.apiKey, request.idempotencyKey],
  )
  if (row === undefined) return undefined
  return { push: row.push_number, isSame: Buffer.from(row.content_hash).equals(request.contentHash) }
}

/** @throws DatabaseError `constraint`: somebody else has just used the key */
export async function keepMade(transaction: Transaction, request: KeyedRequest, push: number): Promise<void> {
  const { apiKey, idempotencyKey, contentHash } = request
  const { now } = transaction.dialect
  await transaction.execute(
    `DELETE FROM idempotency_key WHERE api_key = ? AND idempotency_key = ? AND created_at <= ${now} - ${KEPT_MS}`,
    [apiKey, idempotencyKey],
  )
  await transaction.execute(
    `INSERT INTO idempotency_key (api_key, idempotency_key, content_hash, push_number, created_at)
     VALUES (?, ?, ?, ?, ${now})`,
    [apiKey, idempotencyKey, contentHash, push],
  )
}

/** Forgets keys that stand for nothing any more; up to `limit`, answers how many. */
export async function forgetKeys(session: Session, limit: number): Promise<number> {
  const rows = await session.query<{ api_key: string; idempotency_key: string }>(
    `SELECT api_key, idempotency_key FROM idempotency_key WHERE created_at <= ${session.dialect.now} - ${KEPT_MS} LIMIT ${limit}`,
  )
  await session.executeMany(
    `DELETE FROM idempotency_key WHERE api_key = ? AND idempotency_key = ? AND created_at <= ${session.dialect.now} - ${KEPT_MS}`,
    rows.map((row) => [row.api_key, row.idempotency_key]),
  )
  return rows.length
}
