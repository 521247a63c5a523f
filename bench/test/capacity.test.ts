import { readFile } from 'node:fs/promises'

import { expect, test } from 'vitest'

import { capacityOf, needOf, RESOURCES, type Site, siteOf } from '../capacity-model.ts'
import { runBench } from './run-bench.ts'

const AMPLE: Partial<Site> = {
  workers: 1000,
  connections: 1000,
  flushMs: 0.01,
  cores: 1000,
  disk: 1e12,
  network: 1e12,
}

test.for<[string, Partial<Site>, number]>([
  ['streams', { workers: 2, connections: 3, streams: 500, roundTripMs: 100 }, 30_000],
  ['workers', { workers: 2, connections: 100 }, 400_000],
  ['network', { network: 1e6 }, 197],
  ['planning', {}, 1_500_000],
  ['commits', { workers: 1, flushMs: 100 }, 6_250],
  ['commits', { database: 'sqlite', flushMs: 100 }, 6_250],
  ['cores', { cores: 1, badges: true }, 169_492],
  ['disk', { disk: 6e6 }, 100_000],
])('what there is least of stops first: %s', ([resource, scarce, rate]) => {
  const capacity = capacityOf(siteOf({ ...AMPLE, ...scarce }))
  expect(capacity.first).toBe(resource)
  expect(Math.round(capacity.rate)).toBe(rate)
  expect(capacity.limits[capacity.first]).toBe(Math.min(...RESOURCES.map((each) => capacity.limits[each])))
})

test('a site that is built as is needed reaches all in time', () => {
  for (const database of ['sqlite', 'mariadb'] as const)
    for (const badges of [false, true]) {
      const site = siteOf({ database, badges, network: 1e12 })
      const need = needOf(site, 1e9, 600)
      const workers = Math.ceil(need.workers / need.installations)
      const { rate } = capacityOf({ ...site, workers })
      expect(rate * need.installations).toBeGreaterThanOrEqual(need.rate)
      expect((need.registry + need.push) / need.installations).toBeLessThanOrEqual(site.storage)
    }
})

test('docs/scaling.md shows what the program prints', async () => {
  const doc = await readFile(new URL('../../docs/scaling.md', import.meta.url), 'utf8')
  const [, shown] = /```\n\$ pnpm --silent --filter @lhspn\/bench capacity\n([^`]*)```/.exec(doc) ?? []
  expect(shown).toBe(await runBench('capacity.ts'))
})

test('an amount without its unit is refused', async () => {
  await expect(runBench('capacity.ts', '--round-trip', '40')).rejects.toThrow(
    '--round-trip is a number above 0 with ms',
  )
})

test('capacity-check, tiny: every push reaches every device', async () => {
  const printed = await runBench('capacity-check.ts', '--devices', '5000')
  expect(printed).toMatch(/right {5}all 39 counts are what they have to be/)
})
