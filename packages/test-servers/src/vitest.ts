import { inject } from 'vitest'

import { createDatabase } from './mariadb.ts'
import { claimRedisDatabase } from './redis.ts'

/** URL of an empty database on the MariaDB of this test run, for the caller alone. */
export function freshMysqlUrl(): Promise<string> {
  return createDatabase(inject('mysqlUrl'))
}

/** URL of an empty database on the Redis of this test run, for the caller alone. */
export function freshRedisUrl(): Promise<string> {
  return claimRedisDatabase(inject('redisUrl'))
}

declare module 'vitest' {
  interface ProvidedContext {
    /** Server without a database: make one of your own with `freshMysqlUrl()`. */
    mysqlUrl: string
    /** Server without a database: get one of your own with `freshRedisUrl()`. */
    redisUrl: string
  }
}
