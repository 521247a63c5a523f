import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { startMariaDb, startRedis } from '@lhspn/test-servers'
import { expect, test } from 'vitest'

import { type KillOptions, runKills } from './kills/kills.ts'

/**
 * Kills in all; each test has a third of them, half on the gateway and half on the provider API. A long run, as before a
 * release: `LHSPN_KILLS=200 LHSPN_KILLS_SEED=7 pnpm exec vitest run --project dispatcher kills`
 */
const KILLS = Number(process.env['LHSPN_KILLS'] ?? 30)
const SEED = Number(process.env['LHSPN_KILLS_SEED'] ?? 1)
const INTERFACES = ['gateway', 'provider-api'] as const
const EACH = Math.ceil(KILLS / 3 / INTERFACES.length)
const TIMEOUT_MS = 180_000 + 2 * EACH * 20_000

type Place = Omit<KillOptions, 'interface' | 'seed' | 'kills'>

test.concurrent(
  'on SQLite, no kill costs or doubles an outcome',
  { timeout: TIMEOUT_MS },
  async ({ onTestFinished }) => {
    const folder = await mkdtemp(join(tmpdir(), 'lhspn-kills-'))
    onTestFinished(() => rm(folder, { recursive: true, force: true }))
    const victims = ['worker', 'worker', 'worker', 'drained', 'apple'] as const
    await killOnBoth(SEED, async (name) => ({
      workers: 1,
      victims,
      databaseUrl: `sqlite:${join(folder, `${name}.db`)}`,
    }))
  },
)

test.concurrent('on MariaDB, no kill costs or doubles an outcome', { timeout: TIMEOUT_MS }, async () => {
  await using mariaDb = await startMariaDb({ durable: true })
  const victims = ['worker', 'worker', 'drained', 'database', 'apple'] as const
  await killOnBoth(SEED + 2, async () => ({
    workers: 1,
    victims,
    databaseUrl: await mariaDb.database(),
    database: mariaDb,
  }))
})

test.concurrent(
  'on MariaDB and Redis with two workers, no kill costs or doubles an outcome',
  { timeout: TIMEOUT_MS },
  async () => {
    await using mariaDb = await startMariaDb({ durable: true })
    await using redis = await startRedis()
    const victims = ['worker', 'worker', 'database', 'redis', 'apple'] as const
    await killOnBoth(SEED + 4, async () => {
      const databaseUrl = await mariaDb.database()
      return { workers: 2, victims, databaseUrl, database: mariaDb, redis, redisUrl: redis.url }
    })
  },
)

/** Pushes over one interface, and then over the other. */
async function killOnBoth(seed: number, placeFor: (name: string) => Promise<Place>): Promise<void> {
  for (const [index, each] of INTERFACES.entries()) {
    const place = await placeFor(each)
    const report = await runKills({ interface: each, seed: seed + index, kills: EACH, ...place })
    expect(report.notifications).toBeGreaterThan(0)
    expect(report.answers).toBeGreaterThan(0)
    process.stdout.write(`${each} ${JSON.stringify(report)}\n`)
  }
}
