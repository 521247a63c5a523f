import type { Session } from '@lhspn/database'

import { PUSH_STATES } from '../push-state.ts'
import { CHUNK, RUNNING } from './chunk-state.ts'

const SCHEDULED = PUSH_STATES.indexOf('scheduled')
const QUEUED = PUSH_STATES.indexOf('queued')
const PUSHES = 100

/** Pushes whose time has come are queued from now on. */
export async function queueDue(session: Session): Promise<void> {
  const isDue = `state = ${SCHEDULED} AND send_at <= ${session.dialect.now}`
  // Reading first: most of the time there is nothing to write, and whoever writes waits for others.
  const due = await session.query(`SELECT number FROM push WHERE ${isDue} LIMIT 1`)
  if (due.length > 0) await session.execute(`UPDATE push SET state = ${QUEUED} WHERE ${isDue}`)
}

/** What the queue of chunks is told about. */
export interface Running {
  readonly number: number
  readonly rate: number | null
  /** Members of its first chunk; null while it has none. */
  readonly size: number | null
}

const RUNNING_COLUMNS = `p.number, p.rate,
  (SELECT c.size FROM chunk c WHERE c.push_number = p.number ORDER BY c.seq LIMIT 1) AS size`

/**
 * Pushes that may begin: one whose audience is limited, only when all of it has been read. What is answered is running
 * now, and its expiration is fixed.
 */
export async function startQueued(session: Session): Promise<readonly Running[]> {
  const { now } = session.dialect
  const mayBegin = `state = ${QUEUED} AND (planning = 0 OR max_audience IS NULL)`
  const rows = await session.query<Running>(
    `SELECT ${RUNNING_COLUMNS} FROM push p WHERE ${mayBegin} ORDER BY p.number LIMIT ${PUSHES}`,
  )
  const started: Running[] = []
  for (const row of rows) {
    const { changes } = await session.execute(
      `UPDATE push SET state = ${RUNNING}, started_at = COALESCE(started_at, ${now}),
         expires_at = COALESCE(expires_at, ${now} + expires_after)
       WHERE number = ? AND ${mayBegin}`,
      [row.number],
    )
    if (changes === 1) started.push(row)
  }
  return started
}

/** All that run, from the one served longest ago. */
export async function readRunning(session: Session, limit: number): Promise<readonly Running[]> {
  return session.query<Running>(
    `SELECT ${RUNNING_COLUMNS} FROM push p WHERE p.state = ${RUNNING} ORDER BY p.served_at, p.number LIMIT ${limit}`,
  )
}

/** undefined: it does not run. */
export async function readRunningOne(session: Session, number: number): Promise<Running | undefined> {
  const [row] = await session.query<Running>(
    `SELECT ${RUNNING_COLUMNS} FROM push p WHERE p.number = ? AND p.state = ${RUNNING}`,
    [number],
  )
  return row
}

/** Those that run, are planned, and have no open chunk. */
export async function readCompletable(session: Session): Promise<readonly number[]> {
  const rows = await session.query<{ number: number }>(
    `SELECT p.number FROM push p WHERE p.state = ${RUNNING} AND p.planning = 0 AND NOT EXISTS
       (SELECT 1 FROM chunk c WHERE c.push_number = p.number AND c.state IN (${CHUNK.ready}, ${CHUNK.leased}))
     LIMIT ${PUSHES}`,
  )
  return rows.map(({ number }) => number)
}
