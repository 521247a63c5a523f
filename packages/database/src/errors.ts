/** What can go wrong with a database. Codes are never renamed and never used again for something else. */
export type DatabaseErrorCode =
  | 'invalid-url'
  | 'unreachable'
  | 'access-denied'
  | 'busy'
  | 'connection-lost'
  | 'deadlock'
  | 'schema-too-new'
  | 'schema-too-old'
  | 'constraint'
  | 'failed'

/** The one error that this package throws. `code` is for programs, `message` says what and where, `remedy` what to do. */
export class DatabaseError extends Error {
  override readonly name = 'DatabaseError'
  readonly code: DatabaseErrorCode
  readonly remedy: string

  constructor(code: DatabaseErrorCode, message: string, remedy: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.remedy = remedy
  }
}

const REMEDIES = {
  'invalid-url': 'Write mysql://user@host:port/name, sqlite:FILE or sqlite::memory:.',
  unreachable: 'Check that the database exists, is running, and can be reached from this machine.',
  'access-denied': 'Check the user, the password and the rights of the user.',
  busy: 'Try again; if it goes on, look for what holds the database for seconds.',
  'connection-lost': 'Try again; what was being written may or may not be there.',
  deadlock: 'Try again.',
  'schema-too-new': 'Start a newer version, or restore a backup made before the upgrade.',
  'schema-too-old': 'Run the migrations first.',
  constraint: 'This is a fault of the program, unless somebody else writes into its tables.',
  failed: 'Look at the cause, and at the log of the database.',
} as const satisfies Record<DatabaseErrorCode, string>

/** An error with the remedy of its code. */
export function databaseError(code: DatabaseErrorCode, message: string, cause?: unknown): DatabaseError {
  return new DatabaseError(code, message, REMEDIES[code], cause === undefined ? undefined : { cause })
}

interface MysqlFailure extends Error {
  readonly code?: string
  readonly errno?: number
  readonly fatal?: boolean
  sql?: string
  sqlMessage?: string
}

/** By the number that the server gave. */
const MYSQL_CODES: Readonly<Record<number, DatabaseErrorCode>> = {
  1020: 'deadlock', // record has changed since last read
  1040: 'unreachable', // too many connections
  1044: 'access-denied',
  1045: 'access-denied',
  1048: 'constraint',
  1049: 'unreachable', // no such database
  1053: 'connection-lost', // server shutdown
  1062: 'constraint',
  1142: 'access-denied',
  1143: 'access-denied',
  1205: 'busy',
  1213: 'deadlock',
  1227: 'access-denied',
  1264: 'constraint',
  1364: 'constraint',
  1366: 'constraint',
  1406: 'constraint',
  1451: 'constraint',
  1452: 'constraint',
  1698: 'access-denied',
  1927: 'connection-lost', // connection was killed
  4025: 'constraint',
}

/** Turns a failure of mysql2 into ours; the one place that knows its codes. `connecting`: no connection was there yet. */
export function fromMysqlFailure(failure: unknown, connecting = false): DatabaseError {
  if (failure instanceof DatabaseError) return failure
  const error = failure as MysqlFailure
  // The statement holds whole device tokens, which have no place in logs that print causes; neither have values.
  delete error.sql
  const code =
    MYSQL_CODES[error.errno ?? 0] ?? (connecting ? 'unreachable' : isLoss(error) ? 'connection-lost' : 'failed')
  if (code === 'constraint') {
    delete error.sqlMessage
    error.message = error.code ?? 'constraint'
  }
  return databaseError(code, `The database answered: ${error.message || (error.code ?? 'nothing')}`, error)
}

function isLoss(error: MysqlFailure): boolean {
  return error.fatal === true || /^(ECONN|EPIPE|ETIMEDOUT|PROTOCOL_|ERR_STREAM|EHOST|ENET)/.test(error.code ?? '')
}

/** By the primary result code of SQLite. */
const SQLITE_CODES: Readonly<Record<number, DatabaseErrorCode>> = {
  3: 'access-denied',
  5: 'busy',
  6: 'busy',
  8: 'access-denied', // read-only
  14: 'unreachable', // cannot open
  19: 'constraint',
  23: 'access-denied',
}

/** Turns a failure of the `node:sqlite` API into ours. */
export function fromSqliteFailure(failure: unknown, file: string): DatabaseError {
  if (failure instanceof DatabaseError) return failure
  const error = failure as Error & { errcode?: number }
  const code = SQLITE_CODES[(error.errcode ?? 0) & 0xff] ?? 'failed'
  return databaseError(code, `SQLite (${file}) answered: ${error.message}`, error)
}
