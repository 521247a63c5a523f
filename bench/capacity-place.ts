import { mkdtemp, open, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { type Redis, startMariaDb, startRedis } from '@lhspn/test-servers'

import { openDriver } from './registry-driver.ts'

/** What the servers have used since they were started; 0 of what there is none of. */
export interface Costs {
  /** Microseconds. */
  readonly databaseCpu: number
  readonly redisCpu: number
  /** Written to the database's log. */
  readonly logBytes: number
  readonly commits: number
}

/** A database of its own, durable as in production, whose costs are seen from outside. */
export interface CapacityPlace {
  readonly engine: 'sqlite' | 'mariadb'
  readonly url: string
  /** On disk, as far as it is used. */
  bytes(): Promise<number>
  costs(): Promise<Costs>
  /** How long this disk takes to flush one page, at the median. */
  flushMs(): Promise<number>
  /** URL of a Redis, which is started when it is first asked for. */
  redis(): Promise<string>
  remove(): Promise<void>
}

const FLUSHES = 101
const PAGE_BYTES = 4096
/** Of the kernel's accounts. */
const TICK_US = 10_000

export async function openPlace(engine: CapacityPlace['engine']): Promise<CapacityPlace> {
  const folder = await mkdtemp(join(tmpdir(), 'lhspn-capacity-'))
  let redis: Redis | undefined
  const own = await (engine === 'sqlite' ? sqlitePlace(join(folder, 'lhspn.db')) : mariaDbPlace())
  return {
    engine,
    url: own.url,
    bytes: own.bytes,
    costs: async () => ({
      ...(await own.counted()),
      databaseCpu: await cpuOf('mariadbd'),
      redisCpu: await cpuOf('redis-server'),
    }),
    flushMs: () => flushMs(join(folder, 'flushed')),
    redis: async () => (redis ??= await startRedis()).url,
    remove: async () => {
      await redis?.stop()
      await own.remove()
      await rm(folder, { recursive: true })
    },
  }
}

async function sqlitePlace(file: string) {
  const url = `sqlite:${file}`
  return {
    url,
    bytes: async () => {
      const driver = await openDriver(url)
      await driver.query('PRAGMA wal_checkpoint(TRUNCATE)')
      await driver.close()
      return (await stat(file)).size
    },
    counted: async () => ({ logBytes: 0, commits: 0 }),
    remove: async () => undefined,
  }
}

async function mariaDbPlace() {
  const server = await startMariaDb({ durable: true })
  const url = await server.database()
  const driver = await openDriver(url)
  await driver.query('SET GLOBAL innodb_buffer_pool_size = 1073741824')
  await driver.query('SET GLOBAL innodb_log_file_size = 1073741824')
  const status = async (name: string): Promise<number> => {
    const [row] = await driver.query(`SHOW GLOBAL STATUS LIKE '${name}'`)
    return Number(row?.['Value'])
  }
  return {
    url,
    bytes: async () => {
      const [row] = await driver.query(
        'SELECT SUM(FILE_SIZE) AS bytes FROM information_schema.INNODB_SYS_TABLESPACES WHERE NAME LIKE CONCAT(DATABASE(), "/%")',
      )
      return Number(row?.['bytes'])
    },
    counted: async () => ({
      logBytes: await status('Innodb_os_log_written'),
      commits: await status('Com_commit'),
    }),
    remove: async () => {
      await driver.close()
      await server.stop()
    },
  }
}

async function flushMs(path: string): Promise<number> {
  const file = await open(path, 'w')
  const page = Buffer.alloc(PAGE_BYTES, 1)
  const times: number[] = []
  for (let index = 0; index < FLUSHES; index++) {
    await file.write(page, 0, page.length, index * page.length)
    const startedAt = performance.now()
    await file.datasync()
    times.push(performance.now() - startedAt)
  }
  await file.close()
  return times.toSorted((a, b) => a - b)[FLUSHES >> 1] as number
}

/** Microseconds that children of this process with this name have had, user and system. */
async function cpuOf(name: string): Promise<number> {
  let ticks = 0
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
    // pid (name) state parent … 14: user, 15: system
    const [, found, rest = ''] = /^\d+ \((.*)\) (.*)$/.exec(text.trim()) ?? []
    const fields = rest.split(' ')
    if (found === name && Number(fields[1]) === process.pid) ticks += Number(fields[11]) + Number(fields[12])
  }
  return ticks * TICK_US
}
