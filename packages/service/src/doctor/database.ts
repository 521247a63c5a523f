import { existsSync } from 'node:fs'
import { statfs } from 'node:fs/promises'
import { dirname } from 'node:path'

import { type Database, openDatabase } from '@lhspn/database'

import type { Config } from '../config.ts'
import { failure } from '../finding.ts'
import { schemaStatus } from '../schema.ts'
import type { Check, DoctorOptions } from './check.ts'
import { examineDevices } from './devices.ts'

/** Times of registrations are compared with times of Apple's, which are seconds. */
const MOST_CLOCK_MS = 1000
const LITTLE_SPACE = 1024 ** 3
const NO_SPACE = 64 * 1024 ** 2

/** Whether the database can be reached and is up to date, and what is in it. */
export async function* examineDatabase(
  config: Config,
  { signal }: DoctorOptions,
): AsyncGenerator<Check, void, undefined> {
  const { url, password } = config.database
  const shown = String(config.settings.find(({ key }) => key === 'database.url')?.value ?? url)
  const file = url.startsWith('sqlite:') && url !== 'sqlite::memory:' ? url.slice('sqlite:'.length) : undefined
  if (file !== undefined && !existsSync(file)) {
    const remedy = 'Run `lhspn migrate`, or correct database.url.'
    yield { check: 'database', verdict: 'fail', found: `${shown}: there is no such file`, remedy }
    return
  }
  const startedAt = performance.now()
  let database: Database
  try {
    database = await openDatabase(url, { password, signal })
  } catch (error) {
    signal?.throwIfAborted()
    yield { check: 'database', ...failure(error) }
    return
  }
  try {
    const answer = await examineAnswer(database, shown, startedAt)
    signal?.throwIfAborted()
    yield answer
    if (answer.verdict !== 'ok') return
    const schema = await examineSchema(database, config)
    yield schema
    if (file === undefined) yield await examineClock(database)
    else yield await examineSpace(file)
    if (schema.verdict === 'ok') yield* examineDevices(database, config)
  } finally {
    await database.close()
  }
}

async function examineAnswer(database: Database, shown: string, startedAt: number): Promise<Check> {
  const check = 'database'
  try {
    const version = await versionOf(database)
    const ms = Math.round(performance.now() - startedAt)
    return { check, verdict: 'ok', found: `${shown}: ${version}, reached in ${ms} ms` }
  } catch (error) {
    return { check, ...failure(error) }
  }
}

/** A transaction, because it waits for those who write, as a registration would. */
async function versionOf(database: Database): Promise<string> {
  const [name, sql] =
    database.dialect.name === 'mysql'
      ? ['MySQL', 'SELECT VERSION() AS version']
      : ['SQLite', 'SELECT sqlite_version() AS version']
  const [row] = await database.transaction((transaction) => transaction.query<{ version: string }>(sql))
  const version = row?.version ?? ''
  return /mariadb/i.test(version) ? `MariaDB ${version.replace(/-MariaDB.*/i, '')}` : `${name} ${version}`
}

async function examineSchema(database: Database, config: Config): Promise<Check> {
  const check = 'schema'
  try {
    const statuses = await schemaStatus(database)
    const newer = statuses.filter(({ version, latest }) => version > latest)
    if (newer.length > 0) {
      const found = newer.map(
        ({ owner, version, latest }) =>
          `the tables of ${owner} have version ${version}, and this program knows ${latest}`,
      )
      const remedy = 'Start a newer version, or restore a backup made before the upgrade.'
      return { check, verdict: 'fail', found: found.join('; '), remedy }
    }
    const due = statuses.flatMap(({ owner, pending }) => pending.map((name) => `${owner} ${name}`))
    if (due.length === 0) {
      return { check, verdict: 'ok', found: statuses.map(({ owner, version }) => `${owner} ${version}`).join(', ') }
    }
    const isManual = config.database.migrate === 'manual'
    const when = isManual ? 'nothing starts before they are run' : 'the next start runs them'
    const verdict = isManual ? 'fail' : 'warn'
    return { check, verdict, found: `due: ${due.join(', ')}; ${when}`, remedy: 'Run `lhspn migrate`.' }
  } catch (error) {
    return { check, ...failure(error) }
  }
}

async function examineClock(database: Database): Promise<Check> {
  const check = 'clock'
  try {
    const before = Date.now()
    const there = await database.now()
    const after = Date.now()
    const ms = Math.round(Math.abs(there - (before + after) / 2))
    const found = `the database's clock differs by ${ms} ms`
    if (ms <= MOST_CLOCK_MS + (after - before)) return { check, verdict: 'ok', found }
    const remedy = 'Synchronize the clocks of this machine and of the database (NTP).'
    return { check, verdict: 'warn', found, remedy }
  } catch (error) {
    return { check, ...failure(error) }
  }
}

async function examineSpace(file: string): Promise<Check> {
  const check = 'disk space'
  try {
    const { bavail, bsize } = await statfs(dirname(file))
    const bytes = bavail * bsize
    const found = `${(bytes / 1024 ** 3).toFixed(1)} GiB free beside ${file}`
    if (bytes >= LITTLE_SPACE) return { check, verdict: 'ok', found }
    return { check, verdict: bytes < NO_SPACE ? 'fail' : 'warn', found, remedy: 'Make room, or move the database.' }
  } catch (error) {
    return { check, ...failure(error) }
  }
}
