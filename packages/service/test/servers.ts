import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { freshMysqlUrl } from '@lhspn/test-servers/vitest'
import { onTestFinished } from 'vitest'

/** Both kinds of database, each with a way to an empty one that lasts as long as the test. */
export const DATABASES: readonly (readonly [name: string, url: () => Promise<string>])[] = [
  ['SQLite', async () => `sqlite:${join(temporaryFolder(), 'lhspn.db')}`],
  ['MariaDB', freshMysqlUrl],
]

/** A folder that is gone after the test. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'lhspn-service-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return folder
}
