import { mkdtemp, open, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { type Redis, startRedis } from '@lhspn/test-servers'

import { makeDatabase } from './own-database.ts'
import { type Driver, openDriver } from './registry-driver.ts'

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

/** @param devices how many will be in it */
export async function openPlace(engine: CapacityPlace['engine'], devices: number): Promise<CapacityPlace> {
  const folder = await mkdtemp(join(tmpdir(), 'lhspn-capacity-'))
  const own = await makeDatabase(engine, devices)
  const driver = await openDriver(own.url)
  let redis: Redis | undefined
  return {
    engine,
    url: own.url,
    bytes: () => bytesOf(driver),
    costs: async () => ({
      ...(await countersOf(driver)),
      databaseCpu: await cpuOf('mariadbd'),
      redisCpu: await cpuOf('redis-server'),
    }),
    flushMs: () => flushMs(join(folder, 'flushed')),
    redis: async () => (redis ??= await startRedis()).url,
    remove: async () => {
      await redis?.stop()
      await driver.close()
      await own.remove()
      await rm(folder, { recursive: true })
    },
  }
}

async function bytesOf(driver: Driver): Promise<number> {
  if (driver.engine === 'sqlite') await driver.query('PRAGMA wal_checkpoint(TRUNCATE)')
  const [row] = await driver.query(
    driver.engine === 'sqlite'
      ? 'SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size'
      : 'SELECT SUM(FILE_SIZE) AS bytes FROM information_schema.INNODB_SYS_TABLESPACES WHERE NAME LIKE CONCAT(DATABASE(), "/%")',
  )
  return Number(row?.['bytes'])
}

/** SQLite keeps no such account. */
async function countersOf(driver: Driver): Promise<Pick<Costs, 'logBytes' | 'commits'>> {
  if (driver.engine === 'sqlite') return { logBytes: 0, commits: 0 }
  const status = async (name: string): Promise<number> => {
    const [row] = await driver.query(`SHOW GLOBAL STATUS LIKE '${name}'`)
    return Number(row?.['Value'])
  }
  return { logBytes: await status('Innodb_os_log_written'), commits: await status('Com_commit') }
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
