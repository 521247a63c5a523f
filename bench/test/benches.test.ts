import { expect, test } from 'vitest'

import { runBench } from './run-bench.ts'

test('gateway: every contender delivers, and our outcomes agree with what the gateway counts', async () => {
  const printed = await runBench('gateway.ts', '--quick')
  // the last column of our rows: how many notifications the gateway never saw
  expect(printed.match(/^lhspn.* 0$/gm)).toHaveLength(2)
  expect(printed.match(/^apn 1.7.8.* -?\d+$/gm)).toHaveLength(4)
  expect(printed).toContain('our outcomes and the counts of the gateway agree in every run')
})

test('million, shortened: every outcome is what the simulator did', async () => {
  const printed = await runBench('million.ts', '--from-sources', '--notifications', '50000', '--seed', '7')
  expect(printed).toContain('sender     49,900 accepted, 100 not')
  expect(printed).toMatch(/simulator {2}49,900 accepted, 100 rejected/)
  expect(printed).toContain('every outcome is what the simulator did')
})
