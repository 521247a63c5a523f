import { openDatabase } from '@lhspn/database'
import { startRedis } from '@lhspn/test-servers'
import { freshMysqlUrl } from '@lhspn/test-servers/vitest'
import { Queue, Worker } from 'bullmq'
import { Redis } from 'ioredis'
import { expect, onTestFinished, test } from 'vitest'

import { openBullMqQueue } from '../src/chunk-queue/bullmq.ts'
import { MIGRATIONS, OWNER } from '../src/migrations/index.ts'
import { LEASE_MS, leaseOne, leases, storePush } from './queues.ts'

/** A Redis that may be killed, and what stands on it. */
async function openPlace() {
  const redis = await startRedis({ durable: true })
  onTestFinished(() => redis.stop())
  const database = await openDatabase(await freshMysqlUrl())
  onTestFinished(() => database.close())
  await database.migrate(OWNER, MIGRATIONS)
  const errors: Error[] = []
  const queue = await openBullMqQueue({
    database,
    redisUrl: redis.url,
    leaseMs: LEASE_MS,
    onError: (error) => errors.push(error),
  })
  onTestFinished(() => queue.close())
  return { redis, database, queue, errors }
}

function connect(url: string): Redis {
  const client = new Redis(url, { maxRetriesPerRequest: null })
  onTestFinished(() => client.disconnect())
  return client
}

test('a Redis that forgets everything loses no push', async () => {
  const { redis, database, queue } = await openPlace()
  const push = await storePush(database, { chunks: [3, 3, 3] })
  await queue.offer({ push, light: true, afterMs: 0 })
  expect(await leases(queue, 1)).toHaveLength(1)
  await connect(redis.url).flushall()
  const another = await storePush(database, { chunks: [1000, 1000] })
  expect(new Set((await leases(queue, 4)).map(({ push: { number } }) => number))).toEqual(new Set([push, another]))
})

test('while Redis is away the database hands out the turns, and offering waits for nothing', async () => {
  const { redis, database, queue, errors } = await openPlace()
  const push = await storePush(database, { chunks: [3, 3, 3] })
  await queue.offer({ push, light: true, afterMs: 0 })
  expect(await leases(queue, 1)).toHaveLength(1)
  await redis.kill()
  await queue.offer({ push, light: true, afterMs: 0 })
  const lease = await leaseOne(queue)
  await queue.release(lease, { afterMs: 0, waits: 0 })
  expect(await leases(queue, 1)).toHaveLength(1)
  expect(errors).not.toEqual([])
  await redis.restart()
  expect(await leases(queue, 1)).toHaveLength(1)
})

test('a turn whose holder died comes back', async () => {
  const { redis, database, queue } = await openPlace()
  const push = await storePush(database, { chunks: [3, 3] })
  const thief = new Worker('light-turns', null, { connection: connect(redis.url), prefix: 'lhspn', autorun: false })
  onTestFinished(() => thief.close(true))
  await queue.offer({ push, light: true, afterMs: 0 })
  expect(await thief.getNextJob('thief', { block: false })).toBeDefined()
  // By the database at once; in line it stands again when its turn is taken from the dead.
  expect(await leases(queue, 2)).toHaveLength(2)
})

test('a push stands in line once, and leaves it when it has nothing to lease', async () => {
  const { redis, database, queue } = await openPlace()
  const line = new Queue('light-turns', { connection: connect(redis.url), prefix: 'lhspn' })
  onTestFinished(() => line.close())
  const push = await storePush(database, { chunks: [3, 3] })
  for (let times = 0; times < 3; times++) await queue.offer({ push, light: true, afterMs: 0 })
  expect(await line.getJobCountByTypes('waiting', 'delayed')).toBe(1)
  expect(await leases(queue, 2)).toHaveLength(2)
  await expect.poll(() => line.getJobCountByTypes('waiting', 'delayed', 'active', 'completed', 'failed')).toBe(0)
})

test.for([
  { url: 'redis://127.0.0.1:1', fault: 'Redis cannot be reached' },
  { url: 'localhost:6379', fault: 'neither redis: nor rediss:' },
])('a Redis at $url that cannot be reached is told at once', async ({ url, fault }) => {
  const database = await openDatabase('sqlite::memory:')
  onTestFinished(() => database.close())
  await expect(openBullMqQueue({ database, redisUrl: url, leaseMs: LEASE_MS })).rejects.toMatchObject({
    code: 'redis-unreachable',
    message: expect.stringContaining(fault),
  })
})

test('a Redis behind a password is told the one of its URL', async () => {
  await using redis = await startRedis()
  await connect(redis.url).config('SET', 'requirepass', 'secret')
  const database = await openDatabase('sqlite::memory:')
  onTestFinished(() => database.close())
  const open = (redisUrl: string) => openBullMqQueue({ database, redisUrl, leaseMs: LEASE_MS })
  await expect(open(redis.url)).rejects.toMatchObject({ code: 'redis-unreachable' })
  await (await open(redis.url.replace('//', '//:secret@'))).close()
})
