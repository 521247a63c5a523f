import { startRedis } from '@lhspn/test-servers'
import { Redis } from 'ioredis'
import { expect, onTestFinished, test } from 'vitest'

import { type Check, examine, parseConfig } from '../src/index.ts'

async function examined(url: string): Promise<readonly Check[]> {
  const variables = { LHSPN_QUEUE_URL: url, LHSPN_DATABASE_URL: 'sqlite::memory:' }
  const checks: Check[] = []
  for await (const check of examine(() => parseConfig({ variables }))) checks.push(check)
  return checks.filter(({ check }) => check.startsWith('redis'))
}

test('a Redis that keeps what it has is good', async () => {
  const redis = await startRedis({ durable: true })
  onTestFinished(() => redis.stop())
  const { url } = redis
  expect(await examined(url)).toEqual([
    {
      check: 'redis',
      verdict: 'ok',
      found: expect.stringMatching(/^redis:\S+: Redis \d+\.\d+\.\d+, reached in \d+ ms$/),
    },
    { check: 'redis memory', verdict: 'ok', found: 'maxmemory-policy noeviction' },
    { check: 'redis persistence', verdict: 'ok', found: 'on' },
  ])
})

test('one that forgets when it ends is told, and one that forgets to make room is a fault', async () => {
  const redis = await startRedis()
  onTestFinished(() => redis.stop())
  const { url } = redis
  const client = new Redis(url)
  onTestFinished(() => client.disconnect())
  await client.config('SET', 'maxmemory-policy', 'allkeys-lru')
  const [, memory, persistence] = await examined(url)
  expect(memory).toMatchObject({ verdict: 'fail', found: 'maxmemory-policy allkeys-lru' })
  expect(persistence).toMatchObject({ verdict: 'warn', found: 'off: neither appendonly nor save is set' })

  await client.config('SET', 'save', '900 1')
  expect((await examined(url))[2]).toMatchObject({ verdict: 'ok' })
  // as a provider would run it
  await client.call('ACL', 'SETUSER', 'ours', 'on', '>hush', '~*', '&*', '+@all', '-config')
  const [reached, , unseen] = await examined(url.replace('//', '//ours:hush@'))
  expect(reached?.found).toMatch(/^redis:\/\/\[redacted\]@/)
  expect(unseen).toMatchObject({ verdict: 'warn', found: 'this user may not see it (CONFIG GET)' })
  const [refused] = await examined(url.replace('//', '//ours:wrong@'))
  expect(refused).toMatchObject({ verdict: 'fail', found: expect.stringContaining('WRONGPASS') })
})

test('one that is not there is a fault, and nothing more is said of it', async () => {
  expect(await examined('redis://127.0.0.1:1')).toEqual([
    {
      check: 'redis',
      verdict: 'fail',
      found: expect.stringContaining('ECONNREFUSED'),
      remedy: expect.stringContaining('queue.url'),
    },
  ])
})
