import { startMariaDb, startRedis } from '@lhspn/test-servers'
import { expect, test } from 'vitest'

import { type KillOptions, runKills, type Victim } from './kills/kills.ts'
import { Deck, Random } from './kills/random.ts'

/**
 * Kills in all; each test has a third of them, half on the gateway and half on the provider API. A long run, as before a
 * release: `LHSPN_KILLS=200 LHSPN_KILLS_SEED=7 pnpm exec vitest run --project cli kills`
 */
const KILLS = Number(process.env['LHSPN_KILLS'] ?? 30)
const SEED = Number(process.env['LHSPN_KILLS_SEED'] ?? 1)
const INTERFACES = ['gateway', 'provider-api'] as const
const EACH = Math.ceil(KILLS / 3 / INTERFACES.length)
const TIMEOUT_MS = 180_000 + 2 * EACH * 20_000

type Place = Omit<KillOptions, 'context' | 'interface' | 'seed' | 'kills' | 'victims'>

test.concurrent('on SQLite, no kill costs or doubles an outcome', { timeout: TIMEOUT_MS }, async (context) => {
  await killOnBoth(context, SEED, ['serve', 'work', 'send', 'drained', 'apple'], async () => ({
    programs: ['serve', 'work'],
    databaseUrl: 'sqlite:lhspn.db',
  }))
})

test.concurrent('on MariaDB, no kill costs or doubles an outcome', { timeout: TIMEOUT_MS }, async (context) => {
  const mariaDb = await startMariaDb({ durable: true })
  context.onTestFinished(() => mariaDb.stop())
  await killOnBoth(context, SEED + 2, ['serve', 'work', 'send', 'drained', 'database', 'apple'], async () => ({
    programs: ['serve', 'work'],
    databaseUrl: await mariaDb.database(),
    database: mariaDb,
  }))
})

test.concurrent(
  'on MariaDB and Redis with two workers, no kill costs or doubles an outcome',
  { timeout: TIMEOUT_MS },
  async (context) => {
    const [mariaDb, redis] = await Promise.all([startMariaDb({ durable: true }), startRedis()])
    context.onTestFinished(async () => {
      await Promise.all([mariaDb.stop(), redis.stop()])
    })
    await killOnBoth(context, SEED + 4, ['serve', 'work', 'send', 'database', 'redis', 'apple'], async () => ({
      programs: ['storing', 'work', 'work'],
      databaseUrl: await mariaDb.database(),
      redisUrl: redis.url,
      database: mariaDb,
      redis,
    }))
  },
)

/** Pushes over one interface, and then over the other; each victim is met as often as any other. */
async function killOnBoth(
  context: KillOptions['context'],
  seed: number,
  victims: readonly Victim[],
  placeFor: () => Promise<Place>,
): Promise<void> {
  const deck = new Deck(victims, new Random(seed))
  for (const [index, each] of INTERFACES.entries()) {
    const place = await placeFor()
    const options = { context, interface: each, seed: seed + index, kills: EACH, victims: deck, ...place }
    const report = await runKills(options)
    expect(report.notifications).toBeGreaterThan(0)
    expect(report.answers.dispatcher).toBeGreaterThan(0)
    expect(report.answers.api).toBeGreaterThan(0)
    process.stdout.write(`${each} ${JSON.stringify(report)}\n`)
  }
}
