import { createConnection } from 'mysql2/promise'

export type Value = string | number | bigint | Buffer | null

/** One connection of the bare driver, with the settings that the registry uses. */
export interface Driver {
  readonly engine: 'sqlite' | 'mariadb'
  /** Runs a statement with values for its `?`; answers the rows of a SELECT. */
  query(sql: string, values?: readonly Value[]): Promise<readonly Readonly<Record<string, unknown>>[]>
  /** Runs a statement once per row, or, where the engine can, in one INSERT. `head` ends with VALUES. */
  insert(head: string, rows: readonly (readonly Value[])[]): Promise<void>
  close(): Promise<void>
}

const ROWS_A_STATEMENT = 2000

/** @param url `sqlite:FILE` or `mysql://…` */
export async function openDriver(url: string): Promise<Driver> {
  return url.startsWith('sqlite:') ? openSqliteDriver(url.slice('sqlite:'.length)) : openMysqlDriver(url)
}

async function openMysqlDriver(url: string): Promise<Driver> {
  const connection = await createConnection({ uri: url, supportBigNumbers: true })
  await connection.query('SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED')
  const query: Driver['query'] = async (sql, values = []) => {
    const [rows] = await connection.query(sql, values as Value[])
    return Array.isArray(rows) ? (rows as Readonly<Record<string, unknown>>[]) : []
  }
  return {
    engine: 'mariadb',
    query,
    async insert(head, rows) {
      // All at once: the driver writes the next statement's text while the server is at the last one.
      const statements: Promise<unknown>[] = []
      for (let start = 0; start < rows.length; start += ROWS_A_STATEMENT)
        statements.push(connection.query(`${head} ?`, [rows.slice(start, start + ROWS_A_STATEMENT)]))
      await Promise.all(statements)
    },
    close: () => connection.end(),
  }
}

export interface SqliteStatement {
  all(...values: readonly Value[]): Record<string, unknown>[]
  run(...values: readonly Value[]): unknown
}

export interface Sqlite {
  exec(sql: string): void
  prepare(sql: string): SqliteStatement
  close(): void
}

/** `node:sqlite` where Node has it, else the package with the same API. */
export async function openSqlite(file: string): Promise<Sqlite> {
  const { DatabaseSync } = (process.getBuiltinModule('node:sqlite') ?? (await import('@photostructure/sqlite'))) as {
    readonly DatabaseSync: new (file: string) => Sqlite
  }
  const sqlite = new DatabaseSync(file)
  sqlite.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000')
  sqlite.exec('PRAGMA cache_size = -16384; PRAGMA temp_store = MEMORY; PRAGMA foreign_keys = ON')
  return sqlite
}

async function openSqliteDriver(file: string): Promise<Driver> {
  const sqlite = await openSqlite(file)
  const prepared = new Map<string, SqliteStatement>()
  const prepare = (sql: string) => {
    const statement = prepared.get(sql) ?? sqlite.prepare(sql)
    prepared.set(sql, statement)
    return statement
  }
  return {
    engine: 'sqlite',
    query: async (sql, values = []) => prepare(sql).all(...values),
    async insert(head, rows) {
      const statement = prepare(`${head} (${(rows[0] ?? []).map(() => '?').join(', ')})`)
      for (const row of rows) statement.run(...row)
    },
    close: async () => sqlite.close(),
  }
}
