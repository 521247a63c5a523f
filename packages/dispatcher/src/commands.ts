import type { Database, Transaction } from '@lhspn/database'

import { DispatcherError } from './errors.ts'
import type { PausedBecause, PushEvent, PushState, Standing } from './push-state.ts'
import { endPlanning, forgiveLeases, liftLimit, switchMismatchOff, writeRate } from './statements/commands.ts'
import { findNumber, movePush } from './statements/pushes.ts'

/** Notifications a second that may be asked for. */
const MAX_RATE = 1_000_000

/** Pauses a push; one that is paused stays as it is. @throws DispatcherError `unknown-push`, `state-conflict` */
export async function pausePush(database: Database, id: string): Promise<number> {
  const { number } = await command(database, id, { kind: 'pause', because: 'operator' })
  return number
}

/**
 * Lets a paused push go on with what it was, and takes away what paused it: somebody has looked. Answers what that was,
 * null where it was not paused. @throws DispatcherError `unknown-push`, `state-conflict`
 */
export async function resumePush(
  database: Database,
  id: string,
): Promise<{ readonly number: number; readonly pausedBecause: PausedBecause | null }> {
  const { number, before } = await command(database, id, { kind: 'resume' }, takeCauseAway)
  return { number, pausedBecause: before.pausedBecause }
}

/** Ends a push; what is in flight still settles. @throws DispatcherError `unknown-push`, `state-conflict` */
export async function cancelPush(database: Database, id: string): Promise<number> {
  const { number } = await command(database, id, { kind: 'cancel' }, endPlanning)
  return number
}

/**
 * Changes how fast a push is delivered: notifications a second, null = as fast as it goes.
 * @throws DispatcherError `unknown-push`, `state-conflict`, `invalid-push`
 */
export async function setPushRate(database: Database, id: string, rate: number | null): Promise<number> {
  if (rate !== null && !(Number.isInteger(rate) && rate >= 1 && rate <= MAX_RATE))
    throw new DispatcherError('invalid-push', `A rate is a whole number from 1 to ${MAX_RATE}`, 'Correct it.', {
      faults: [{ pointer: '/rate', detail: `Must be a whole number from 1 to ${MAX_RATE}, or null.` }],
    })
  const number = await numberOf(database, id)
  if (!(await writeRate(database, number, rate))) throw conflict(id, 'has ended', 'has no rate any more')
  return number
}

/** @throws DispatcherError `unknown-push` */
export async function numberOf(database: Database, id: string): Promise<number> {
  const number = await findNumber(database, id)
  if (number === undefined) throw unknownPush(id)
  return number
}

export function unknownPush(id: string): DispatcherError {
  return new DispatcherError(
    'unknown-push',
    `There is no push ${id.slice(0, 64)}`,
    'Look it up among all pushes; ids begin with psh_.',
  )
}

async function command(
  database: Database,
  id: string,
  event: PushEvent,
  effect: (transaction: Transaction, number: number, before: Standing) => Promise<void> = async () => undefined,
): Promise<{ readonly number: number; readonly before: Standing }> {
  const number = await numberOf(database, id)
  const before = await database.transaction(async (transaction) => {
    const moved = await movePush(transaction, number, event)
    if (moved === undefined) throw unknownPush(id)
    if (moved.after === undefined)
      throw conflict(id, `is ${moved.before.state}`, REFUSALS[event.kind](moved.before.state))
    if (moved.after !== moved.before) await effect(transaction, number, moved.before)
    return moved.before
  })
  return { number, before }
}

const REFUSALS: Record<PushEvent['kind'], (state: PushState) => string> = {
  pause: () => 'cannot be paused',
  resume: (state) => (state === 'scheduled' ? 'begins by itself when its time comes' : 'cannot go on'),
  cancel: () => 'cannot be canceled',
  due: () => 'is not waiting for its time',
  start: () => 'is not waiting to begin',
  complete: () => 'cannot be completed',
}

function conflict(id: string, how: string, therefore: string): DispatcherError {
  return new DispatcherError('state-conflict', `The push ${id} ${how}: it ${therefore}`, 'Look at its state first.')
}

/** Leases that ran out count from anew whatever the cause: they may have run out while it stood still for another. */
async function takeCauseAway(transaction: Transaction, number: number, { pausedBecause }: Standing): Promise<void> {
  await forgiveLeases(transaction, number)
  if (pausedBecause === 'audience-too-large') await liftLimit(transaction, number)
  if (pausedBecause === 'environment-mismatch') await switchMismatchOff(transaction, number)
}
