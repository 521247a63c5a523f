import type { Database, MigrateOptions, MigrationStatus } from '@lhspn/database'
import { DEVICE_STORE_MIGRATIONS, DEVICE_STORE_OWNER } from '@lhspn/device-store'
import { DISPATCHER_MIGRATIONS, DISPATCHER_OWNER } from '@lhspn/dispatcher'

import { API_KEY_MIGRATIONS, API_KEY_OWNER } from './api-keys.ts'

/** Whose tables there are, in the order in which they are made. */
const SCHEMAS = [
  { owner: DEVICE_STORE_OWNER, migrations: DEVICE_STORE_MIGRATIONS },
  { owner: DISPATCHER_OWNER, migrations: DISPATCHER_MIGRATIONS },
  { owner: API_KEY_OWNER, migrations: API_KEY_MIGRATIONS },
]

/**
 * Brings all tables up to date, or with `check` only makes sure that they are.
 * @throws DatabaseError `schema-too-new`, `schema-too-old` (`check`), and others
 */
export async function migrateSchema(
  database: Database,
  options: MigrateOptions = {},
): Promise<readonly MigrationStatus[]> {
  const statuses: MigrationStatus[] = []
  for (const { owner, migrations } of SCHEMAS) statuses.push(await database.migrate(owner, migrations, options))
  return statuses
}

/** What is there and what is due; changes nothing. @throws DatabaseError */
export async function schemaStatus(database: Database): Promise<readonly MigrationStatus[]> {
  const statuses: MigrationStatus[] = []
  for (const { owner, migrations } of SCHEMAS) statuses.push(await database.migrationStatus(owner, migrations))
  return statuses
}
