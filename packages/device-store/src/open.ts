import { type Database, openDatabase } from '@lhspn/database'

import type { DeviceStore } from './device-store.ts'
import { MIGRATIONS, OWNER } from './migrations/index.ts'
import { SqlDeviceStore } from './sql-device-store.ts'

export interface OpenDeviceStoreOptions {
  /** Of the MySQL user, where the URL has none. */
  readonly password?: string | undefined
  /** Ends the wait for a server that does not answer. */
  readonly signal?: AbortSignal | undefined
  /** `start` (default): bring the tables up to date. `manual`: refuse to open if they are not. */
  readonly migrate?: 'start' | 'manual' | undefined
  /** The clock, in ms since 1970; for tests. */
  readonly now?: (() => number) | undefined
}

/**
 * Opens the registry in a database: one to be opened (`mysql://…`, `sqlite:…`), or one that is open and stays the
 * caller's to close.
 *
 * @throws DatabaseError `schema-too-new`, `schema-too-old` (with `migrate: 'manual'`), and as openDatabase
 */
export async function openDeviceStore(
  where: string | Database,
  options: OpenDeviceStoreOptions = {},
): Promise<DeviceStore> {
  const { password, signal, migrate = 'start', now = Date.now } = options
  const database = typeof where === 'string' ? await openDatabase(where, { password, signal }) : where
  const close = typeof where === 'string' ? () => database.close() : async () => undefined
  try {
    await database.migrate(OWNER, MIGRATIONS, { check: migrate === 'manual' })
  } catch (error) {
    await close()
    throw error
  }
  return new SqlDeviceStore(database, now, close)
}
