import type { Database } from '@lhspn/database'
import type { DeviceStore } from '@lhspn/device-store'

import { forgetKeys } from './statements/idempotency.ts'
import { readSweepable, sweepChunks } from './statements/retention.ts'

/** Chunks a transaction: each has some 20 KB. */
const CHUNKS = 50
const KEYS = 500
const PUSHES = 100

/**
 * Sweeps up what is older than `retentionMs`: chunks of pushes that have ended, with their records, and tombstones; and
 * idempotency keys that have had their time. A push keeps its sums. @throws DatabaseError
 */
export async function sweep(
  database: Database,
  store: DeviceStore,
  retentionMs: number,
  signal: AbortSignal,
): Promise<void> {
  for (let found = KEYS; found === KEYS && !signal.aborted;) found = await forgetKeys(database, KEYS)
  for (let pushes = [0]; pushes.length > 0 && !signal.aborted;) {
    pushes = [...(await readSweepable(database, retentionMs, PUSHES))]
    for (const number of pushes)
      for (let swept = CHUNKS; swept === CHUNKS && !signal.aborted;)
        swept = await database.transaction((transaction) => sweepChunks(transaction, number, CHUNKS))
  }
  if (!signal.aborted) await store.forgetTombstones(new Date((await database.now()) - retentionMs))
}
