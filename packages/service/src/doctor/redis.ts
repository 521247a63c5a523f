import type { Redis } from 'ioredis'

import type { Config } from '../config.ts'
import { failure } from '../finding.ts'
import type { Check, DoctorOptions } from './check.ts'

/** An answer that takes longer does not come. */
const ANSWER_MS = 5_000

/** Where the queue is on Redis: whether it is reached, forgets nothing to make room, and keeps what it has. */
export async function* examineRedis(
  { queue: { url }, settings }: Config,
  { signal }: DoctorOptions,
): AsyncGenerator<Check, void, undefined> {
  if (url === undefined) return
  const shown = String(settings.find(({ key }) => key === 'queue.url')?.value ?? '')
  // Only who has a Redis pays for loading what speaks to it.
  const ioredis = await import('ioredis')
  const redis = new ioredis.Redis(url, {
    lazyConnect: true,
    retryStrategy: () => null,
    connectTimeout: ANSWER_MS,
    commandTimeout: ANSWER_MS,
    maxRetriesPerRequest: 0,
  })
  // What `connect` rejects with may say less than this.
  let cause: Error | undefined
  redis.on('error', (error) => (cause = error))
  const stop = (): void => redis.disconnect()
  signal?.addEventListener('abort', stop)
  try {
    const startedAt = performance.now()
    await redis.connect()
    const server = await factsOf(redis, 'server')
    const ms = Math.round(performance.now() - startedAt)
    yield {
      check: 'redis',
      verdict: 'ok',
      found: `${shown}: Redis ${server.get('redis_version')}, reached in ${ms} ms`,
    }
    yield judgePolicy((await factsOf(redis, 'memory')).get('maxmemory_policy'))
    yield judgePersistence(await persistenceOf(redis))
  } catch (error) {
    signal?.throwIfAborted()
    const { found } = failure(cause ?? error)
    const remedy =
      'Look whether Redis runs, and whether queue.url is right. Pushes go on without it, over the database.'
    yield { check: 'redis', verdict: 'fail', found: `${shown}: ${found}`, remedy }
  } finally {
    signal?.removeEventListener('abort', stop)
    redis.disconnect()
  }
}

function judgePolicy(policy: string | undefined): Check {
  const check = 'redis memory'
  const found = `maxmemory-policy ${policy}`
  if (policy === 'noeviction') return { check, verdict: 'ok', found }
  const remedy = 'Set maxmemory-policy to noeviction: turns of pushes must not be thrown away to make room.'
  return { check, verdict: 'fail', found, remedy }
}

/** @param persistence undefined: it may not be looked at */
function judgePersistence(persistence: boolean | undefined): Check {
  const check = 'redis persistence'
  if (persistence === true) return { check, verdict: 'ok', found: 'on' }
  const found =
    persistence === false ? 'off: neither appendonly nor save is set' : 'this user may not see it (CONFIG GET)'
  const remedy = 'Set appendonly to yes. Nothing is lost without it; after a restart, turns are found in the database.'
  return { check, verdict: 'warn', found, remedy }
}

async function persistenceOf(redis: Redis): Promise<boolean | undefined> {
  if ((await factsOf(redis, 'persistence')).get('aof_enabled') === '1') return true
  try {
    const [, points = ''] = (await redis.config('GET', 'save')) as string[]
    return points !== ''
  } catch {
    return undefined // those who run Redis for others often refuse this command
  }
}

async function factsOf(redis: Redis, section: string): Promise<ReadonlyMap<string, string>> {
  const lines = (await redis.info(section)).split(/\r?\n/).filter((line) => line.includes(':'))
  return new Map(lines.map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]))
}
