import { type Database, EngineDatabase } from './database.ts'
import { databaseError } from './errors.ts'
import type { MysqlAddress } from './mysql.ts'
import { SqliteEngine } from './sqlite.ts'

export interface OpenDatabaseOptions {
  /** Of the MySQL user, where the URL has none. */
  readonly password?: string | undefined
  /** Ends the wait for a server that does not answer. */
  readonly signal?: AbortSignal | undefined
}

const MYSQL_PORT = 3306

/**
 * Opens `mysql://user@host:port/name` (MySQL 8, MariaDB from 10.6 on), `sqlite:FILE` (made if it is missing; on a local
 * disk) or `sqlite::memory:`. Answers when it has been reached.
 *
 * @throws DatabaseError `invalid-url`, `unreachable`, `access-denied`, `busy`, `failed`
 */
export async function openDatabase(url: string, options: OpenDatabaseOptions = {}): Promise<Database> {
  const { password, signal } = options
  signal?.throwIfAborted()
  if (url.startsWith('sqlite:')) return new EngineDatabase(await SqliteEngine.open(parseFile(url)))
  const address = parseAddress(url, password)
  // Only who has a server pays for loading what speaks to it.
  const { MysqlEngine } = await import('./mysql.ts')
  const engine = new MysqlEngine(address)
  try {
    await engine.connect(signal)
  } catch (error) {
    await engine.close()
    throw error
  }
  return new EngineDatabase(engine)
}

function parseFile(url: string): string {
  const file = url.slice('sqlite:'.length)
  if (file === '' || file.includes('\0')) throw databaseError('invalid-url', 'The SQLite URL names no file')
  return file
}

function parseAddress(text: string, password: string | undefined): MysqlAddress {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url?.protocol !== 'mysql:') throw databaseError('invalid-url', 'The database URL is neither mysql: nor sqlite:')
  const database = decode(url.pathname.slice(1))
  if (database === '' || database.includes('/')) throw databaseError('invalid-url', 'The MySQL URL names no database')
  if (url.hostname === '') throw databaseError('invalid-url', 'The MySQL URL names no host')
  if (url.username === '') throw databaseError('invalid-url', 'The MySQL URL names no user')
  if (url.search !== '' || url.hash !== '')
    throw databaseError('invalid-url', 'The MySQL URL has something behind the name of the database')
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? MYSQL_PORT : Number(url.port),
    user: decode(url.username),
    password: url.password === '' ? password : decode(url.password),
    database,
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw databaseError('invalid-url', 'The MySQL URL has a % that escapes nothing')
  }
}
