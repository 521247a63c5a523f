import type { Dialect } from './dialect.ts'
import type { Engine, Statements } from './engine.ts'
import { databaseError } from './errors.ts'

/** One step of a schema. Its place in the list, from 1 on, is its version: append, never change or remove. */
export interface Migration {
  readonly name: string
  /** On MySQL each commits by itself: each must be able to run again (IF NOT EXISTS). */
  readonly mysql: readonly string[]
  readonly sqlite: readonly string[]
}

export interface MigrateOptions {
  /** True: change nothing, and throw `schema-too-old` if something is due. */
  readonly check?: boolean | undefined
}

export interface MigrationStatus {
  readonly owner: string
  /** Version found, 0 if there is none; after `migrate` the version reached. */
  readonly version: number
  /** Version that this program knows. */
  readonly latest: number
  /** Names of those that were run, with `migrate`. */
  readonly applied: readonly string[]
  /** Names of those that are due. */
  readonly pending: readonly string[]
}

const TABLE = 'schema_migration'
const CREATE: Record<Dialect['name'], string> = {
  mysql: `CREATE TABLE IF NOT EXISTS ${TABLE} (
    owner VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL, version INT UNSIGNED NOT NULL,
    name VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL, applied_at BIGINT NOT NULL,
    PRIMARY KEY (owner, version)) ENGINE=InnoDB`,
  sqlite: `CREATE TABLE IF NOT EXISTS ${TABLE} (
    owner TEXT NOT NULL, version INTEGER NOT NULL, name TEXT NOT NULL, applied_at INTEGER NOT NULL,
    PRIMARY KEY (owner, version)) STRICT, WITHOUT ROWID`,
}
const EXISTS: Record<Dialect['name'], string> = {
  mysql: `SELECT COUNT(*) AS n FROM information_schema.tables WHERE table_schema = DATABASE() AND table_name = '${TABLE}'`,
  sqlite: `SELECT COUNT(*) AS n FROM sqlite_master WHERE type = 'table' AND name = '${TABLE}'`,
}

export async function migrate(
  engine: Engine,
  owner: string,
  migrations: readonly Migration[],
  { check = false }: MigrateOptions = {},
): Promise<MigrationStatus> {
  const status = refuseNewer(await migrationStatus(engine, engine.dialect, owner, migrations))
  if (status.pending.length === 0) return status
  if (check) throw databaseError('schema-too-old', `The tables of ${owner} lack ${status.pending.join(', ')}`)
  return engine.exclusive(async (session) => {
    await session.execute(CREATE[engine.dialect.name], [])
    // Read again: another process may have been first.
    const { version, ...rest } = refuseNewer(await migrationStatus(session, engine.dialect, owner, migrations))
    for (const [index, migration] of migrations.entries()) {
      if (index < version) continue
      for (const sql of migration[engine.dialect.name]) await session.execute(sql, [])
      await session.execute(
        `INSERT INTO ${TABLE} (owner, version, name, applied_at) VALUES (?, ?, ?, ${engine.dialect.now})`,
        [owner, index + 1, migration.name],
      )
    }
    return { ...rest, version: migrations.length, applied: rest.pending, pending: [] }
  })
}

export async function migrationStatus(
  session: Statements,
  dialect: Dialect,
  owner: string,
  migrations: readonly Migration[],
): Promise<MigrationStatus> {
  const version = await readVersion(session, dialect, owner)
  return {
    owner,
    version,
    latest: migrations.length,
    applied: [],
    pending: migrations.slice(version).map(({ name }) => name),
  }
}

async function readVersion(session: Statements, dialect: Dialect, owner: string): Promise<number> {
  const { rows: tables } = await session.execute(EXISTS[dialect.name], [])
  if (tables[0]?.['n'] === 0) return 0
  const { rows } = await session.execute(`SELECT MAX(version) AS version FROM ${TABLE} WHERE owner = ?`, [owner])
  return (rows[0]?.['version'] as number | null) ?? 0
}

function refuseNewer(status: MigrationStatus): MigrationStatus {
  if (status.version <= status.latest) return status
  throw databaseError(
    'schema-too-new',
    `The tables of ${status.owner} have version ${status.version}, and this program knows ${status.latest}`,
  )
}
