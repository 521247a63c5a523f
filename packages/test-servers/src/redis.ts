import { existsSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'

import { Redis as Client } from 'ioredis'

import { controlServer, freePort, makeFolder, type ServerControl } from './server-process.ts'

/** Databases of one server, and so the tests that can have one of their own in a run. */
const DATABASES = 1000

export interface RedisOptions {
  /** True: every write is flushed before it is answered. False (default): a restart finds nothing. */
  readonly durable?: boolean
}

/** A Redis of its own, on a free port of loopback, that evicts nothing. */
export interface Redis extends ServerControl {
  /** `redis://127.0.0.1:port`. */
  readonly url: string
}

/** Starts a server. It dies with the process that started it, however that ends. */
export async function startRedis({ durable = false }: RedisOptions = {}): Promise<Redis> {
  if (!existsSync('/usr/bin/redis-server')) throw new Error('Redis is missing: apt-get install redis-server')
  const folder = await makeFolder('lhspn-redis-')
  const port = await freePort()
  const url = `redis://127.0.0.1:${port}`
  try {
    const control = await controlServer(folder, {
      name: 'Redis',
      command: [
        'redis-server',
        '--bind',
        '127.0.0.1',
        '--port',
        String(port),
        '--dir',
        folder,
        '--logfile',
        `${folder}/redis.log`,
        '--databases',
        String(DATABASES),
        '--maxmemory-policy',
        'noeviction',
        '--save',
        '',
        '--appendonly',
        durable ? 'yes' : 'no',
        '--appendfsync',
        'always',
      ],
      // `ping` is answered with an error while the server still loads its data.
      ask: () => withClient(url, (client) => client.ping()),
      log: () => readFile(`${folder}/redis.log`, 'utf8'),
    })
    return { ...control, url }
  } catch (error) {
    await rm(folder, { recursive: true, force: true })
    throw error
  }
}

/** URL of an empty database, for the caller alone, on the server at `serverUrl`. */
export async function claimRedisDatabase(serverUrl: string): Promise<string> {
  const number = await withClient(serverUrl, (client) => client.incr('lhspn-databases'))
  if (number >= DATABASES) throw new Error(`All ${DATABASES - 1} databases of the Redis for tests are taken`)
  return new URL(`/${number}`, serverUrl).href
}

async function withClient<T>(url: string, work: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client(url, { lazyConnect: true, retryStrategy: null, maxRetriesPerRequest: 0 })
  // Without a listener a refused connection is written to the terminal; it is thrown anyway.
  client.on('error', () => undefined)
  try {
    await client.connect()
    return await work(client)
  } finally {
    client.disconnect()
  }
}
