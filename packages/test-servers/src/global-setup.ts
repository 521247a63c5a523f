import type { TestProject } from 'vitest/node'

import { type MariaDb, startMariaDb } from './mariadb.ts'
import { type Redis, startRedis } from './redis.ts'

interface Servers {
  /** Undefined where a server of one's own was named. */
  readonly mariaDb: MariaDb | undefined
  readonly redis: Redis
}

/** One set of servers for all projects of a run, each of which loads a copy of this module of its own. */
const SHARED = Symbol.for('lhspn.test-servers')
type Shared = { servers: Promise<Servers>; users: number }
const holder = globalThis as { [SHARED]?: Shared | undefined }

/**
 * For `globalSetup` of vitest: provides `mysqlUrl` and `redisUrl`, a MariaDB and a Redis for the whole run. A MySQL server
 * named by LHSPN_TEST_MYSQL_URL (with the right to create databases) is used instead of the former.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const named = process.env['LHSPN_TEST_MYSQL_URL'] ?? ''
  const shared = (holder[SHARED] ??= { servers: start(named === ''), users: 0 })
  shared.users++
  const { mariaDb, redis } = await shared.servers
  project.provide('mysqlUrl', mariaDb?.url ?? named)
  project.provide('redisUrl', redis.url)
  return async () => {
    if (--shared.users > 0) return
    holder[SHARED] = undefined
    await Promise.all([mariaDb?.stop(), redis.stop()])
  }
}

async function start(withMariaDb: boolean): Promise<Servers> {
  const [mariaDb, redis] = await Promise.all([withMariaDb ? startMariaDb() : undefined, startRedis()])
  return { mariaDb, redis }
}
