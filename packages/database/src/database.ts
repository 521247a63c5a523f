import { setTimeout as delay } from 'node:timers/promises'

import type { Dialect } from './dialect.ts'
import type { Engine, Statements } from './engine.ts'
import { databaseError, type DatabaseError } from './errors.ts'
import { migrate, migrationStatus, type Migration, type MigrationStatus, type MigrateOptions } from './migrate.ts'
import type { Answer, Parameter, Row, Session, Transaction } from './session.ts'

/** How long a transaction is tried again. A deadlock is found at once, so it gets three attempts whatever they lasted. */
const RETRY_MS = 5_000
const DEADLOCK_TRIES = 3
const LONGEST_PAUSE_MS = 50

/** An open database. Every failure comes out as a DatabaseError, whatever the engine. */
export interface Database extends Session {
  /**
   * Runs `work` in a transaction, and commits when it has ended; what it throws rolls back and comes out as it is.
   * A deadlock, a lock wait that ran out and a busy SQLite file begin it again, for up to 5 s: `work` may run more than
   * once, and touches nothing but `transaction`. Inside, only `transaction` may be used, never the database itself.
   *
   * @throws DatabaseError `connection-lost` may come after the commit was sent: then it has happened, or not.
   */
  transaction<T>(work: (transaction: Transaction) => Promise<T>): Promise<T>
  /**
   * Brings the tables of `owner` up to the last of `migrations`, once, whoever else starts at the same time. On MySQL
   * each statement commits by itself: write them so that they may run again. With `check`, nothing is changed.
   *
   * @throws DatabaseError `schema-too-new` (a newer version has been here), `schema-too-old` (`check`, and some are due)
   */
  migrate(owner: string, migrations: readonly Migration[], options?: MigrateOptions): Promise<MigrationStatus>
  /** What `migrate` would find, and which it would run. Never throws over versions. */
  migrationStatus(owner: string, migrations: readonly Migration[]): Promise<MigrationStatus>
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/** A session over whatever runs statements. */
abstract class StatementSession implements Session {
  abstract readonly dialect: Dialect
  protected abstract get statements(): Statements

  async execute(sql: string, parameters: readonly Parameter[] = []): Promise<Answer> {
    return this.statements.execute(sql, checked(parameters))
  }

  async executeMany(sql: string, rows: readonly (readonly Parameter[])[]): Promise<void> {
    return this.statements.executeMany(sql, rows.map(checked))
  }

  async query<R = Row>(sql: string, parameters: readonly Parameter[] = []): Promise<readonly R[]> {
    return (await this.execute(sql, parameters)).rows as readonly R[]
  }

  async now(): Promise<number> {
    const [row] = await this.query<{ now: number }>(`SELECT ${this.dialect.now} AS now`)
    return (row as { now: number }).now
  }
}

export class EngineDatabase extends StatementSession implements Database {
  readonly dialect: Dialect
  readonly #engine: Engine

  constructor(engine: Engine) {
    super()
    this.#engine = engine
    this.dialect = engine.dialect
  }

  protected get statements(): Statements {
    return this.#engine
  }

  async transaction<T>(work: (transaction: Transaction) => Promise<T>): Promise<T> {
    const deadline = performance.now() + RETRY_MS
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#engine.transaction((statements) => perform(this.dialect, statements, work), deadline)
      } catch (error) {
        if (!mayRetry(error, attempt, deadline)) throw error
        await delay(Math.random() * Math.min(2 ** attempt, LONGEST_PAUSE_MS))
      }
    }
  }

  migrate(owner: string, migrations: readonly Migration[], options?: MigrateOptions): Promise<MigrationStatus> {
    return migrate(this.#engine, owner, migrations, options)
  }

  migrationStatus(owner: string, migrations: readonly Migration[]): Promise<MigrationStatus> {
    return migrationStatus(this.#engine, this.dialect, owner, migrations)
  }

  close(): Promise<void> {
    return this.#engine.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

class OpenTransaction extends StatementSession implements Transaction {
  readonly dialect: Dialect
  readonly #statements: Statements
  /** What ended the transaction inside the engine: nothing more may run, and it must not be committed. */
  broken: unknown
  open = true

  constructor(dialect: Dialect, statements: Statements) {
    super()
    this.dialect = dialect
    this.#statements = statements
  }

  protected get statements(): Statements {
    return {
      execute: (sql, parameters) => this.#guarded(() => this.#statements.execute(sql, parameters)),
      executeMany: (sql, rows) => this.#guarded(() => this.#statements.executeMany(sql, rows)),
    }
  }

  async #guarded<T>(run: () => Promise<T>): Promise<T> {
    if (!this.open) throw databaseError('failed', 'A statement came after its transaction had ended')
    if (this.broken !== undefined) throw this.broken
    try {
      return await run()
    } catch (error) {
      if (ENDS_TRANSACTION.has((error as DatabaseError).code)) this.broken = error
      throw error
    }
  }
}

const ENDS_TRANSACTION: ReadonlySet<string> = new Set(['deadlock', 'busy', 'connection-lost'])

async function perform<T>(
  dialect: Dialect,
  statements: Statements,
  work: (transaction: Transaction) => Promise<T>,
): Promise<T> {
  const transaction = new OpenTransaction(dialect, statements)
  try {
    const result = await work(transaction)
    if (transaction.broken !== undefined) throw transaction.broken
    return result
  } finally {
    transaction.open = false
  }
}

function mayRetry(error: unknown, attempt: number, deadline: number): boolean {
  const { code } = error as DatabaseError
  const inTime = performance.now() < deadline
  return code === 'deadlock' ? inTime || attempt < DEADLOCK_TRIES : code === 'busy' && inTime
}

/** The engines would each do something else with NaN, undefined or an object. */
function checked(parameters: readonly Parameter[]): readonly Parameter[] {
  for (const value of parameters) {
    if (value === null || typeof value === 'string' || typeof value === 'bigint') continue
    if (typeof value === 'number' ? Number.isFinite(value) : value instanceof Uint8Array) continue
    throw new TypeError(`A parameter is text, a finite number, a bigint, bytes or null, not ${String(value)}`)
  }
  return parameters
}
