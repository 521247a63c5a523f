import { expect, test } from 'vitest'

import { runBench } from './run-bench.ts'

test('registry, tiny: every find and every save counts what the bench knows, on both databases', async () => {
  const printed = await runBench('registry.ts', '--quick')
  expect(printed.match(/^(sqlite|mariadb) · /gm)).toEqual(['sqlite · ', 'mariadb · '])
  // six searches, three kinds of saves
  expect(printed.match(/^(rare pair|common pair|all: |any: |not: ).* ×$/gm)).toHaveLength(12)
  expect(printed.match(/^(a new device|a known one|1 of 5).* ×/gm)).toHaveLength(6)
  expect(printed).toMatch(/right {5}all \d+ counts are what they have to be/)
})
