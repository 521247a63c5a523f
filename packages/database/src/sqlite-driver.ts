/** The part of the `node:sqlite` API that is used. */
export interface SqliteDatabase {
  exec(sql: string): void
  prepare(sql: string): SqliteStatement
  close(): void
}

export interface SqliteStatement {
  all(...parameters: readonly unknown[]): Record<string, unknown>[]
  run(...parameters: readonly unknown[]): { changes: number | bigint; lastInsertRowid: number | bigint }
  columns(): readonly unknown[]
}

interface SqliteModule {
  readonly DatabaseSync: new (file: string) => SqliteDatabase
}

/** Node brings SQLite along from 22.13 on; before, a package with the same API does. */
export async function openSqlite(file: string): Promise<SqliteDatabase> {
  const { DatabaseSync }: SqliteModule = builtin() ?? (await import('@photostructure/sqlite'))
  return new DatabaseSync(file)
}

function builtin(): SqliteModule | undefined {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
  if (major < 22 || (major === 22 && minor < 13)) return undefined
  // Loading it warns on stderr that it is experimental, which would meet every user of the command line.
  const emitWarning = Object.getOwnPropertyDescriptor(process, 'emitWarning') as PropertyDescriptor
  process.emitWarning = () => undefined
  try {
    return process.getBuiltinModule('node:sqlite') as unknown as SqliteModule | undefined
  } finally {
    Object.defineProperty(process, 'emitWarning', emitWarning)
  }
}
