/** The few texts and sizes that differ between the engines. MariaDB counts as `mysql`. */
export interface Dialect {
  readonly name: 'mysql' | 'sqlite'
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
  forUpdate: 'FOR UPDATE',
  forceIndex: (name) => `FORCE INDEX (${name})`,
  // Not INSERT IGNORE, which hides other faults as well.
  ignoreDuplicates: (column) => `ON DUPLICATE KEY UPDATE ${column} = ${column}`,
  pageSize: 5000,
  batchSize: 1000,
}

export const SQLITE: Dialect = {
  name: 'sqlite',
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
