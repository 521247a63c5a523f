import type { Session } from '@lhspn/database'

import { PUSH_STATES } from '../push-state.ts'

const SCHEDULED = PUSH_STATES.indexOf('scheduled')
const QUEUED = PUSH_STATES.indexOf('queued')
const RUNNING = PUSH_STATES.indexOf('running')
const PUSHES = 100

/** Pushes whose time has come are queued from now on. */
export async function queueDue(session: Session): Promise<void> {
  const { now } = session.dialect
  await session.execute(`UPDATE push SET state = ${QUEUED} WHERE state = ${SCHEDULED} AND send_at <= ${now}`)
}

/** What the queue of chunks is told about. */
export interface Running {
  readonly number: number
  readonly rate: number | null
  /** Members of its first chunk; null while it has none. */
  readonly size: number | null
}

/**
 * Pushes that may begin: one whose audience is limited, only when all of it has been read. What is answered is running
 * now, and its expiration is fixed.
 */
export async function startQueued(session: Session): Promise<readonly number[]> {
  const { now } = session.dialect
  const rows = await session.query<{ number: number }>(
    `SELECT number FROM push WHERE state = ${QUEUED} AND (planning = 0 OR max_audience IS NULL) ORDER BY number LIMIT ${PUSHES}`,
  )
  const started: number[] = []
  for (const { number } of rows) {
    const { changes } = await session.execute(
      `UPDATE push SET state = ${RUNNING}, started_at = COALESCE(started_at, ${now}),
         expires_at = COALESCE(expires_at, ${now} + expires_after)
       WHERE number = ? AND state = ${QUEUED} AND (planning = 0 OR max_audience IS NULL)`,
      [number],
    )
    if (changes === 1) started.push(number)
  }
  return started
}

/** All that run, from the one served longest ago. */
export async function readRunning(session: Session, limit: number): Promise<readonly Running[]> {
  return session.query<Running>(
    `SELECT p.number, p.rate, (SELECT c.size FROM chunk c WHERE c.push_number = p.number AND c.seq = 1) AS size
     FROM push p WHERE p.state = ${RUNNING} ORDER BY p.served_at, p.number LIMIT ${limit}`,
  )
}
