import { readdirSync } from 'node:fs'
import { tmpdir } from 'node:os'

import { Redis as Client } from 'ioredis'
import { expect, onTestFinished, test } from 'vitest'

import { claimRedisDatabase, startRedis } from '../src/index.ts'

function connect(url: string): Client {
  const client = new Client(url, { retryStrategy: null, maxRetriesPerRequest: 0 })
  client.on('error', () => undefined)
  onTestFinished(() => client.disconnect())
  return client
}

const folders = () => readdirSync(tmpdir()).filter((name) => name.startsWith(`lhspn-redis-${process.pid}-`))

test.for([
  { durable: true, found: '7' },
  { durable: false, found: null },
])('after a kill and a restart, durable $durable, a key is $found; stop leaves nothing behind', async (row) => {
  await using server = await startRedis({ durable: row.durable })
  await connect(server.url).set('n', 7)
  await server.kill()
  await expect(connect(server.url).get('n')).rejects.toThrow(/closed|max retries/)
  await server.restart()
  expect(await connect(server.url).get('n')).toBe(row.found)
  expect(folders()).toHaveLength(1)
  await server.stop()
  expect(folders()).toEqual([])
})

test('everybody gets a database of its own, and none is ever evicted', async () => {
  await using server = await startRedis()
  const [one, another] = [await claimRedisDatabase(server.url), await claimRedisDatabase(server.url)]
  await connect(one).set('n', 7)
  expect(await connect(another).dbsize()).toBe(0)
  expect(await connect(one).config('GET', 'maxmemory-policy')).toEqual(['maxmemory-policy', 'noeviction'])
})
