import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect as KyselyDialect,
  Kysely,
  MysqlAdapter,
  MysqlIntrospector,
  MysqlQueryCompiler,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely'

import { databaseError } from './errors.ts'
import type { Parameter, Session } from './session.ts'

/**
 * Builds queries for a database or an open transaction, which own connections and retries; `Tables` is trusted. An entry
 * of its own, since Kysely takes longer to load than all the rest.
 * @throws DatabaseError `failed` for transactions and streams of Kysely's own
 */
export function kyselyOver<Tables>(session: Session): Kysely<Tables> {
  const mysql = session.dialect.name === 'mysql'
  const connection = new SessionConnection(session)
  const dialect: KyselyDialect = {
    createAdapter: () => (mysql ? new MysqlAdapter() : new SqliteAdapter()),
    createQueryCompiler: () => (mysql ? new MysqlQueryCompiler() : new SqliteQueryCompiler()),
    createIntrospector: (db) => (mysql ? new MysqlIntrospector(db) : new SqliteIntrospector(db)),
    createDriver: () => ({
      init: async () => undefined,
      acquireConnection: async () => connection,
      releaseConnection: async () => undefined,
      beginTransaction: refuseTransaction,
      commitTransaction: refuseTransaction,
      rollbackTransaction: refuseTransaction,
      destroy: async () => undefined,
    }),
  }
  return new Kysely<Tables>({ dialect })
}

class SessionConnection implements DatabaseConnection {
  readonly #session: Session

  constructor(session: Session) {
    this.#session = session
  }

  async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
    const { rows, changes, insertId } = await this.#session.execute(
      query.sql,
      query.parameters.map((value) => (typeof value === 'boolean' ? Number(value) : (value as Parameter))),
    )
    const result: QueryResult<R> = { rows: rows as R[], numAffectedRows: BigInt(changes) }
    return insertId === undefined ? result : { ...result, insertId: BigInt(insertId) }
  }

  // eslint-disable-next-line require-yield -- nothing to yield: it refuses
  async *streamQuery<R>(): AsyncIterableIterator<QueryResult<R>> {
    throw databaseError(
      'failed',
      'Streams hold a connection for their length: read pages by key instead (keysetPages).',
    )
  }
}

async function refuseTransaction(): Promise<void> {
  throw databaseError('failed', 'Use Database.transaction: it retries what the engines ask to be retried.')
}
