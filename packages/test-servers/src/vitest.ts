import { inject } from 'vitest'

import { createDatabase } from './mariadb.ts'

/** URL of an empty database on the server of this test run, for the caller alone. */
export function freshMysqlUrl(): Promise<string> {
  return createDatabase(inject('mysqlUrl'))
}

declare module 'vitest' {
  interface ProvidedContext {
    /** Server without a database: make one of your own with `freshMysqlUrl()`. */
    mysqlUrl: string
  }
}
