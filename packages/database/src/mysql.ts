import { connect, type Socket } from 'node:net'

import { createPool } from 'mysql2'
import type { Pool, PoolConnection, ResultSetHeader } from 'mysql2/promise'

import { MYSQL } from './dialect.ts'
import type { Engine, Statements } from './engine.ts'
import { databaseError, type DatabaseError, fromMysqlFailure } from './errors.ts'
import type { Answer, Parameter, Row } from './session.ts'

export interface MysqlAddress {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string | undefined
  readonly database: string
}

const CONNECTIONS = 16
const CONNECT_MS = 10_000
/** How often a fresh connection is tried where nothing was written yet. */
const FRESH_TRIES = 3
const MIGRATION_LOCK_SECONDS = 60
/** Strict, so that nothing is cut silently; no NO_BACKSLASH_ESCAPES, which would break mysql2's escaping. */
const SESSION_SETTINGS = [
  "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION', time_zone = '+00:00', innodb_lock_wait_timeout = 3",
  'SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED',
]
const LOCK_NAME = "CONCAT('lhspn.', LEFT(SHA2(DATABASE(), 256), 40))"

/** MySQL 8 or MariaDB, by a pool of connections. Values are escaped by the driver into the text: lists vary in length. */
export class MysqlEngine implements Engine {
  readonly dialect = MYSQL
  readonly #pool: Pool
  /** Those that are open or opening: the driver has no way to give up on one that opens. */
  readonly #sockets = new Set<Socket>()
  #closed = false

  constructor(address: MysqlAddress) {
    const { password, ...rest } = address
    const pool = createPool({
      ...rest,
      ...(password === undefined ? {} : { password }),
      charset: 'utf8mb4',
      connectionLimit: CONNECTIONS,
      connectTimeout: CONNECT_MS,
      supportBigNumbers: true,
      decimalNumbers: true,
      stream: () => this.#openSocket(address),
    })
    pool.on('connection', (connection) => {
      for (const setting of SESSION_SETTINGS)
        connection.query(setting, (error) => {
          // A connection without its settings must not be used: its next statement fails as lost.
          if (error !== null) connection.destroy()
        })
    })
    this.#pool = pool.promise()
  }

  /** Finds out whether the server can be reached. @throws DatabaseError `unreachable`, `access-denied` */
  async connect(signal: AbortSignal | undefined): Promise<void> {
    const abort = () => {
      for (const socket of this.#sockets) socket.destroy()
    }
    signal?.addEventListener('abort', abort, { once: true })
    try {
      const connection = await this.#acquire()
      await run(connection, 'SELECT 1', []).finally(() => connection.release())
    } catch (error) {
      signal?.throwIfAborted()
      throw error
    } finally {
      signal?.removeEventListener('abort', abort)
    }
  }

  async execute(sql: string, parameters: readonly Parameter[]): Promise<Answer> {
    const tries = /^\s*SELECT\b/i.test(sql) ? FRESH_TRIES : 1
    for (let attempt = 1; ; attempt++) {
      const connection = await this.#acquire()
      try {
        return await run(connection, sql, parameters)
      } catch (error) {
        if (!lost(error) || attempt === tries) throw error
      } finally {
        connection.release()
      }
    }
  }

  async executeMany(sql: string, rows: readonly (readonly Parameter[])[]): Promise<void> {
    for (const parameters of rows) await this.execute(sql, parameters)
  }

  async transaction<T>(work: (statements: Statements) => Promise<T>): Promise<T> {
    const connection = await this.#begin()
    try {
      const result = await work(statementsOn(connection))
      await run(connection, 'COMMIT', [])
      connection.release()
      return result
    } catch (error) {
      await rollBack(connection)
      throw error
    }
  }

  async exclusive<T>(work: (statements: Statements) => Promise<T>): Promise<T> {
    const connection = await this.#acquire()
    try {
      const { rows } = await run(connection, `SELECT GET_LOCK(${LOCK_NAME}, ?) AS got`, [MIGRATION_LOCK_SECONDS])
      if (rows[0]?.['got'] !== 1) throw databaseError('busy', 'Another process has been migrating for a minute')
      const result = await work(statementsOn(connection))
      await run(connection, `DO RELEASE_LOCK(${LOCK_NAME})`, [])
      connection.release()
      return result
    } catch (error) {
      connection.destroy() // and its lock with it
      throw error
    }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#pool.end()
  }

  #openSocket({ host, port }: MysqlAddress): Socket {
    const socket = connect({ host, port, noDelay: true, keepAlive: true })
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
    return socket
  }

  async #acquire(): Promise<PoolConnection> {
    if (this.#closed) throw databaseError('failed', 'The database has been closed')
    try {
      return await this.#pool.getConnection()
    } catch (error) {
      throw fromMysqlFailure(error, true)
    }
  }

  /** A connection that idled may have died since: then nothing is lost by taking another. */
  async #begin(): Promise<PoolConnection> {
    for (let attempt = 1; ; attempt++) {
      const connection = await this.#acquire()
      try {
        await run(connection, 'START TRANSACTION', [])
        return connection
      } catch (error) {
        connection.destroy()
        if (!lost(error) || attempt === FRESH_TRIES) throw error
      }
    }
  }
}

function statementsOn(connection: PoolConnection): Statements {
  return {
    execute: (sql, parameters) => run(connection, sql, parameters),
    executeMany: async (sql, rows) => {
      for (const parameters of rows) await run(connection, sql, parameters)
    },
  }
}

async function run(connection: PoolConnection, sql: string, parameters: readonly Parameter[]): Promise<Answer> {
  const values = parameters.map(toValue)
  try {
    const [result] = await connection.query(sql, values)
    if (Array.isArray(result)) return { rows: result as Row[], changes: 0, insertId: undefined }
    const { affectedRows, insertId } = result as ResultSetHeader
    return { rows: [], changes: affectedRows, insertId: insertId === 0 ? undefined : insertId }
  } catch (error) {
    throw fromMysqlFailure(error)
  }
}

/** The driver would spread arrays and objects into SQL: they must never get there. */
function toValue(value: Parameter): string | number | bigint | Buffer | null {
  if (value === null || typeof value === 'string' || typeof value === 'bigint') return value
  if (typeof value === 'number' && Number.isFinite(value)) return value
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength)
  throw new TypeError(`a parameter is text, bytes, a finite number, a bigint or null, not ${typeof value}`)
}

async function rollBack(connection: PoolConnection): Promise<void> {
  try {
    await run(connection, 'ROLLBACK', [])
    connection.release()
  } catch {
    connection.destroy() // the server rolls back what it had
  }
}

function lost(error: unknown): boolean {
  return (error as DatabaseError).code === 'connection-lost'
}
