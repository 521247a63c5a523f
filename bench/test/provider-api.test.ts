import { expect, test } from 'vitest'

import { runBench } from './run-bench.ts'

test('provider-api: every contender delivers, ours without a violation and as the server counts', async () => {
  const printed = await runBench('provider-api.ts', '--quick')
  expect(printed.match(/^lhspn.* 0$/gm)).toHaveLength(6)
  expect(printed.match(/^(node:http2|@parse\/node-apn|apns2).* \d+$/gm)).toHaveLength(4)
  expect(printed).toContain('our outcomes and the counts of the server agree in every run')
})

test('million-provider, shortened: every outcome is what the server did', async () => {
  const printed = await runBench('million-provider.ts', '--from-sources', '--notifications', '50000', '--seed', '7')
  expect(printed).toContain('sender     49,900 accepted, 100 not')
  expect(printed).toContain('server     49,900 taken, 100 dead, 100 refused once')
  expect(printed).toMatch(/3 GOAWAYs, \d+ connections, 0 violations/)
  expect(printed).toContain('every outcome is what the server did')
})

test('goaways, a few: none is lost, and none taken twice', async () => {
  const printed = await runBench('goaways.ts', '--connections', '100')
  expect(printed).toContain('sender     2,000 accepted, 0 not, 100 GOAWAYs')
  expect(printed).toContain('server     2,000 taken, 0 violations')
})
