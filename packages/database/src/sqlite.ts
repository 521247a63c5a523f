import { setTimeout as delay } from 'node:timers/promises'

import { SQLITE } from './dialect.ts'
import type { Engine, Statements } from './engine.ts'
import { databaseError, fromSqliteFailure } from './errors.ts'
import type { Answer, Parameter, Row } from './session.ts'
import { openSqlite, type SqliteDatabase, type SqliteStatement } from './sqlite-driver.ts'

/** Time in SQLite after which the event loop has a turn. */
const SLICE_MS = 8
const BUSY_MS = 5_000
/** Pauses between attempts while another process writes: half of it to all of it, doubling up to the last. */
const PAUSE_MS = { first: 1, last: 25 }
const STATEMENTS = 200
const SETTINGS = `
  PRAGMA journal_mode = WAL;
  PRAGMA synchronous = FULL;
  PRAGMA cache_size = -16384;
  PRAGMA temp_store = MEMORY;
  PRAGMA foreign_keys = ON;`

/**
 * SQLite, in this thread: each statement blocks it for its length, and after 8 ms of statements the event loop has a
 * turn. One connection writes, one transaction at a time; another reads beside it. Several processes may share a file
 * on a local disk: whoever finds it locked tries again, for up to 5 s.
 */
export class SqliteEngine implements Engine {
  readonly dialect = SQLITE
  readonly #slice = new Slice()
  readonly #writer: Connection
  readonly #reader: Connection | undefined
  /** Ends when the last of those who write, or wait to, has ended. */
  #tail: Promise<unknown> = Promise.resolve()
  #closed = false

  readonly #busyMs: number

  private constructor(writer: Connection, reader: Connection | undefined, busyMs: number) {
    this.#writer = writer
    this.#reader = reader
    this.#busyMs = busyMs
  }

  /** @throws DatabaseError `unreachable`, `access-denied`, `busy`, `failed` (no database) */
  static async open(file: string, { busyMs = BUSY_MS } = {}): Promise<SqliteEngine> {
    const writer = await Connection.open(file)
    if (file === ':memory:') return new SqliteEngine(writer, undefined, busyMs)
    try {
      return new SqliteEngine(writer, await Connection.open(file), busyMs)
    } catch (error) {
      writer.close()
      throw error
    }
  }

  async execute(sql: string, parameters: readonly Parameter[]): Promise<Answer> {
    const deadline = performance.now() + this.#busyMs
    const reader = this.#reader
    if (reader !== undefined && /^\s*SELECT\b/i.test(sql)) {
      this.#assertOpen()
      await this.#slice.turn()
      return untilFree(() => reader.execute(sql, parameters), deadline)
    }
    return this.#alone(async () => {
      await this.#slice.turn()
      return untilFree(() => this.#writer.execute(sql, parameters), deadline)
    })
  }

  async executeMany(sql: string, rows: readonly (readonly Parameter[])[]): Promise<void> {
    for (const parameters of rows) await this.execute(sql, parameters)
  }

  transaction<T>(work: (statements: Statements) => Promise<T>, deadline: number): Promise<T> {
    return this.#alone(async () => {
      await this.#slice.turn()
      await untilFree(() => this.#control('BEGIN IMMEDIATE'), deadline)
      try {
        const result = await work(this.#statements)
        await this.#slice.turn()
        await untilFree(() => this.#control('COMMIT'), performance.now() + this.#busyMs)
        return result
      } catch (error) {
        this.#rollBack()
        throw error
      }
    })
  }

  exclusive<T>(work: (statements: Statements) => Promise<T>): Promise<T> {
    return this.transaction(work, performance.now() + this.#busyMs)
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    await this.#tail
    this.#reader?.close()
    this.#writer.close()
  }

  readonly #statements: Statements = {
    execute: async (sql, parameters) => {
      await this.#slice.turn()
      return this.#writer.execute(sql, parameters)
    },
    executeMany: async (sql, rows) => {
      for (const parameters of rows) {
        const turn = this.#slice.turn()
        if (turn !== undefined) await turn
        this.#writer.execute(sql, parameters)
      }
    },
  }

  /** Runs `work` when all who came before have ended. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(() => {
      this.#assertOpen()
      return work()
    })
    this.#tail = result.catch(() => undefined)
    return result
  }

  #control(sql: string): void {
    this.#writer.execute(sql, [])
  }

  #rollBack(): void {
    try {
      this.#control('ROLLBACK')
    } catch {
      // SQLite had rolled back by itself: the disk is full, or it failed.
    }
  }

  #assertOpen(): void {
    if (this.#closed) throw databaseError('failed', 'The database has been closed')
  }
}

/** A connection with the statements that it has prepared. */
class Connection {
  readonly #file: string
  readonly #database: SqliteDatabase
  readonly #prepared = new Map<string, { readonly statement: SqliteStatement; readonly reads: boolean }>()

  private constructor(file: string, database: SqliteDatabase) {
    this.#file = file
    this.#database = database
  }

  static async open(file: string): Promise<Connection> {
    let database: SqliteDatabase | undefined
    try {
      const opened = (database = await openSqlite(file))
      const connection = new Connection(file, opened)
      // Where two open a new file at once, one finds it locked when it switches the journal.
      await untilFree(() => connection.#guard(() => opened.exec(SETTINGS)), performance.now() + BUSY_MS)
      return connection
    } catch (error) {
      database?.close()
      throw fromSqliteFailure(error, file)
    }
  }

  execute(sql: string, parameters: readonly Parameter[]): Answer {
    return this.#guard(() => {
      const { statement, reads } = this.#prepare(sql)
      if (reads) return { rows: statement.all(...parameters) as Row[], changes: 0, insertId: undefined }
      const { changes, lastInsertRowid } = statement.run(...parameters)
      return { rows: [], changes: Number(changes), insertId: Number(lastInsertRowid) }
    })
  }

  close(): void {
    this.#prepared.clear()
    this.#database.close()
  }

  #prepare(sql: string) {
    const known = this.#prepared.get(sql)
    if (known !== undefined) return known
    const statement = this.#database.prepare(sql)
    const prepared = { statement, reads: statement.columns().length > 0 }
    if (this.#prepared.size >= STATEMENTS) this.#prepared.delete(this.#prepared.keys().next().value as string)
    this.#prepared.set(sql, prepared)
    return prepared
  }

  #guard<T>(work: () => T): T {
    try {
      return work()
    } catch (error) {
      throw fromSqliteFailure(error, this.#file)
    }
  }
}

/** Sees to it that statement after statement, none of which ever waits, does not become one long turn of the event loop. */
class Slice {
  #start = 0
  #next: Promise<void> | undefined

  /** Resolves in the next turn if this one has lasted long enough; else there is nothing to wait for. */
  turn(): Promise<void> | undefined {
    if (this.#next !== undefined) return performance.now() - this.#start < SLICE_MS ? undefined : this.#next
    this.#start = performance.now()
    this.#next = new Promise((resolve) => {
      setImmediate(() => {
        this.#next = undefined
        resolve()
      })
    })
    return undefined
  }
}

async function untilFree<T>(attempt: () => T, deadline: number): Promise<T> {
  for (let pause = PAUSE_MS.first; ; pause = Math.min(pause * 2, PAUSE_MS.last)) {
    try {
      return attempt()
    } catch (error) {
      if ((error as { code?: string }).code !== 'busy' || performance.now() >= deadline) throw error
      await delay(pause * (0.5 + Math.random() / 2))
    }
  }
}
