import type { Session } from '@lhspn/database'

import { PUSH_STATES } from '../push-state.ts'

/** Numbers of the states of a chunk. `done`: every member is settled, and every mark is written. */
export const CHUNK = { ready: 0, leased: 1, done: 2 } as const

/** Numbers of states of a push. */
export const RUNNING = PUSH_STATES.indexOf('running')
const COMPLETED = PUSH_STATES.indexOf('completed')

/** Completes a push if it is running and planned, and no chunk is open; false if it is not so. */
export async function completePush(session: Session, push: number): Promise<boolean> {
  const { changes } = await session.execute(
    `UPDATE push SET state = ${COMPLETED}, ended_at = ${session.dialect.now}
     WHERE number = ? AND state = ${RUNNING} AND planning = 0 AND NOT EXISTS
       (SELECT 1 FROM chunk c ${session.dialect.forceIndex('chunk_ready')} WHERE c.push_number = push.number AND c.state IN (${CHUNK.ready}, ${CHUNK.leased}))`,
    [push],
  )
  return changes === 1
}
