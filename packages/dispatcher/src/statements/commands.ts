import type { Session } from '@lhspn/database'

import { PUSH_STATES } from '../push-state.ts'
import { CHUNK } from './chunk-state.ts'

const ENDS = [PUSH_STATES.indexOf('completed'), PUSH_STATES.indexOf('canceled')].join(', ')

/** Leases that ran out count from anew. */
export async function forgiveLeases(session: Session, number: number): Promise<void> {
  await session.execute(`UPDATE chunk SET leases = 0 WHERE push_number = ? AND state <> ${CHUNK.done} AND leases > 0`, [
    number,
  ])
}

/** However large its audience is. */
export async function liftLimit(session: Session, number: number): Promise<void> {
  await session.execute('UPDATE push SET max_audience = NULL WHERE number = ?', [number])
}

/** However many tokens are rejected. */
export async function switchMismatchOff(session: Session, number: number): Promise<void> {
  await session.execute('UPDATE push SET mismatch_off = 1 WHERE number = ?', [number])
}

/** What is planned is all. */
export async function endPlanning(session: Session, number: number): Promise<void> {
  await session.execute('UPDATE push SET planning = 0 WHERE number = ?', [number])
}

/** False: the push has ended. Without a rate nothing waits for a slot any more. */
export async function writeRate(session: Session, number: number, rate: number | null): Promise<boolean> {
  const { changes } = await session.execute(
    `UPDATE push SET rate = ?${rate === null ? ', next_at = 0' : ''} WHERE number = ? AND state NOT IN (${ENDS})`,
    [rate, number],
  )
  return changes === 1
}
