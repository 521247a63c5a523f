import { inject } from 'vitest'

import type {} from './global-setup.ts'
import { createDatabase } from './mariadb.ts'

/** URL of an empty database on the server of this test run, for the caller alone. */
export function freshMysqlUrl(): Promise<string> {
  return createDatabase(inject('mysqlUrl'))
}
