import { type Database, DatabaseError } from '@lhspn/database'

/** Where a connection to the database breaks: before a statement; in a transaction, before its end or behind its COMMIT. */
export const BREAKS = ['before', 'rolled-back', 'committed'] as const

/** A database whose connections break, as `breaks` tells when it is asked. What was committed has happened all the same. */
export function flaky(database: Database, breaks: () => (typeof BREAKS)[number] | undefined): Database {
  const statement = async <T>(run: () => Promise<T>): Promise<T> => {
    const at = breaks()
    if (at === 'before') throw lost()
    const answer = await run()
    // A statement is its own transaction: it has happened.
    if (at === 'committed') throw lost()
    return answer
  }
  const replaced: Partial<Database> = {
    execute: (sql, parameters) => statement(() => database.execute(sql, parameters)),
    query: (sql, parameters) => statement(() => database.query(sql, parameters)),
    executeMany: (sql, rows) => statement(() => database.executeMany(sql, rows)),
    transaction: async (work) => {
      const at = breaks()
      if (at === 'before') throw lost()
      const result = await database.transaction(async (transaction) => {
        const answer = await work(transaction)
        if (at === 'rolled-back') throw lost()
        return answer
      })
      if (at === 'committed') throw lost()
      return result
    },
  }
  return new Proxy(database, {
    get: (target, name) => {
      const value: unknown = Reflect.get(replaced, name) ?? Reflect.get(target, name)
      return typeof value === 'function' && !(name in replaced) ? value.bind(target) : value
    },
  })
}

function lost(): DatabaseError {
  return new DatabaseError('connection-lost', 'The connection broke', 'None: a test wants it so.')
}
