import type { TestProject } from 'vitest/node'

import { type MariaDb, startMariaDb } from './mariadb.ts'

/** One server for all projects of a run, each of which loads a copy of this module of its own. */
const SHARED = Symbol.for('lhspn.test-servers')
type Shared = { server: Promise<MariaDb>; users: number }
const holder = globalThis as { [SHARED]?: Shared | undefined }

/**
 * For `globalSetup` of vitest: provides `mysqlUrl`, a MariaDB for the whole run. A server named by LHSPN_TEST_MYSQL_URL
 * (with the right to create databases) is used instead.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const named = process.env['LHSPN_TEST_MYSQL_URL']
  if (named !== undefined && named !== '') {
    project.provide('mysqlUrl', named)
    return async () => undefined
  }
  const shared = (holder[SHARED] ??= { server: startMariaDb(), users: 0 })
  shared.users++
  const server = await shared.server
  project.provide('mysqlUrl', server.url)
  return async () => {
    if (--shared.users > 0) return
    holder[SHARED] = undefined
    await server.stop()
  }
}
