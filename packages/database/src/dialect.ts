/** The few texts and sizes that differ between the engines. MariaDB counts as `mysql`. */
export interface Dialect {
  readonly name: 'mysql' | 'sqlite'
  /** The database's time in ms since 1970, as an expression; the same throughout a statement. */
  readonly now: string
  /** Behind a SELECT in a transaction: locks the rows. SQLite locks the file when the transaction begins. */
  readonly forUpdate: string
  /** Behind a table's name: makes MySQL take this index where its planner would choose a worse one. */
  readonly forceIndex: (name: string) => string
  /** Behind the rows of an INSERT: rows whose key is there already change nothing. `column` is any of the table's. */
  readonly ignoreDuplicates: (column: string) => string
  /** Rows a page of a stream: more gain nothing, and SQLite reads in the thread of the event loop. */
  readonly pageSize: number
  /** Rows a transaction of a bulk write, for the same reasons. */
  readonly batchSize: number
}

export const MYSQL: Dialect = {
  name: 'mysql',
  now: 'CAST(UNIX_TIMESTAMP(NOW(3)) * 1000 AS SIGNED)',
  forUpdate: 'FOR UPDATE',
  forceIndex: (name) => `FORCE INDEX (${name})`,
  // Not INSERT IGNORE, which hides other faults as well.
  ignoreDuplicates: (column) => `ON DUPLICATE KEY UPDATE ${column} = ${column}`,
  pageSize: 5000,
  batchSize: 1000,
}

export const SQLITE: Dialect = {
  name: 'sqlite',
  // Seconds as a floating-point number: what is a little below a whole ms must not lose it.
  now: "CAST(unixepoch('subsec') * 1000 + 0.5 AS INTEGER)",
  forUpdate: '',
  forceIndex: () => '',
  ignoreDuplicates: () => 'ON CONFLICT DO NOTHING',
  pageSize: 1000,
  batchSize: 100,
}

/** `?, ?, ?`: as many as `count`, for a list of values. */
export function placeholders(count: number): string {
  return count === 0 ? '' : `?${', ?'.repeat(count - 1)}`
}
