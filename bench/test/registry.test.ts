import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

import { expect, test } from 'vitest'

const root = new URL('..', import.meta.url)

test('registry, tiny: every find and every save counts what the bench knows, on both databases', async () => {
  const node = ['--conditions=lhspn-source', '--import', 'tsx', 'registry.ts', '--quick']
  const { stdout } = await promisify(execFile)(process.execPath, node, { cwd: root })
  expect(stdout.match(/^(sqlite|mariadb) · /gm)).toEqual(['sqlite · ', 'mariadb · '])
  // six searches, three kinds of saves
  expect(stdout.match(/^(rare pair|common pair|all: |any: |not: ).* ×$/gm)).toHaveLength(12)
  expect(stdout.match(/^(a new device|a known one|1 of 5).* ×/gm)).toHaveLength(6)
  expect(stdout).toMatch(/right {5}all \d+ counts are what they have to be/)
})
