import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { startMariaDb, startRedis } from '@lhspn/test-servers'
import { expect, test } from 'vitest'

import { type KillReport, runKills } from './kills/kills.ts'

/**
 * Kills in all; a third of them in each test. A long run, as before a release:
 * `LHSPN_KILLS=200 LHSPN_KILLS_SEED=7 pnpm exec vitest run --project dispatcher kills`
 */
const KILLS = Number(process.env['LHSPN_KILLS'] ?? 30)
const SEED = Number(process.env['LHSPN_KILLS_SEED'] ?? 1)
const EACH = Math.ceil(KILLS / 3)
const TIMEOUT_MS = 120_000 + EACH * 20_000

test.concurrent(
  'on SQLite, no kill costs or doubles an outcome',
  { timeout: TIMEOUT_MS },
  async ({ onTestFinished }) => {
    const folder = await mkdtemp(join(tmpdir(), 'lhspn-kills-'))
    onTestFinished(() => rm(folder, { recursive: true, force: true }))
    const databaseUrl = `sqlite:${join(folder, 'kills.db')}`
    const victims = ['worker', 'worker', 'worker', 'drained', 'gateway'] as const
    tell(await runKills({ seed: SEED, kills: EACH, workers: 1, victims, databaseUrl }))
  },
)

test.concurrent('on MariaDB, no kill costs or doubles an outcome', { timeout: TIMEOUT_MS }, async () => {
  await using mariaDb = await startMariaDb({ durable: true })
  const databaseUrl = await mariaDb.database()
  const victims = ['worker', 'worker', 'worker', 'drained', 'database', 'gateway'] as const
  tell(await runKills({ seed: SEED + 1, kills: EACH, workers: 1, victims, databaseUrl, database: mariaDb }))
})

test(
  'on MariaDB and Redis with two workers, no kill costs or doubles an outcome',
  { timeout: TIMEOUT_MS },
  async () => {
    await using mariaDb = await startMariaDb({ durable: true })
    await using redis = await startRedis()
    const databaseUrl = await mariaDb.database()
    const victims = ['worker', 'worker', 'worker', 'drained', 'database', 'redis', 'gateway'] as const
    const servers = { database: mariaDb, redis, redisUrl: redis.url }
    tell(await runKills({ seed: SEED + 2, kills: EACH, workers: 2, victims, databaseUrl, ...servers }))
  },
)

function tell(report: KillReport): void {
  expect(report.notifications).toBeGreaterThan(0)
  expect(report.answers).toBeGreaterThan(0)
  process.stdout.write(`${JSON.stringify(report)}\n`)
}
