import type { Database, Session, Transaction } from '@lhspn/database'

import { DispatcherError } from './errors.ts'
import { MAX_RATE } from './parse-push.ts'
import type { PushEvent, PushState, Standing } from './push-state.ts'
import { endPlanning, forgiveLeases, liftLimit, switchMismatchOff, writeRate } from './statements/commands.ts'
import { findNumber, movePush } from './statements/pushes.ts'

/** What a push is to be from now on. */
export interface PushChanges {
  /** `running`: what is paused goes on with what it was, without what has paused it. */
  readonly state?: 'paused' | 'running' | 'canceled' | undefined
  /** Notifications a second; null: as fast as it goes. */
  readonly rate?: number | null | undefined
}

type Effect = (transaction: Transaction, number: number, before: Standing) => Promise<void>

/**
 * All of it happens, or nothing. Pausing what is paused and canceling what is canceled change nothing. What goes on loses
 * what has paused it: somebody has looked. @throws DispatcherError `unknown-push`, `state-conflict`, `invalid-push`
 */
export async function changePush(database: Database, id: string, { state, rate }: PushChanges): Promise<void> {
  if (rate !== undefined) checkRate(rate)
  const number = await numberOf(database, id)
  await database.transaction(async (transaction) => {
    if (rate !== undefined) await giveRate(transaction, { id, number }, rate)
    if (state === undefined) return
    const { event, effect } = CHANGES[state]
    await move(transaction, { id, number }, event, effect)
  })
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

async function move(
  transaction: Transaction,
  { id, number }: { readonly id: string; readonly number: number },
  event: PushEvent,
  effect: Effect = async () => undefined,
): Promise<void> {
  const moved = await movePush(transaction, number, event)
  if (moved === undefined) throw unknownPush(id)
  if (moved.after === undefined)
    throw conflict(id, `is ${moved.before.state}`, REFUSALS[event.kind](moved.before.state))
  if (moved.after !== moved.before) await effect(transaction, number, moved.before)
}

async function giveRate(
  session: Session,
  { id, number }: { readonly id: string; readonly number: number },
  rate: number | null,
): Promise<void> {
  if (!(await writeRate(session, number, rate))) throw conflict(id, 'has ended', 'has no rate any more')
}

function checkRate(rate: number | null): void {
  if (rate === null || (Number.isInteger(rate) && rate >= 1 && rate <= MAX_RATE)) return
  throw new DispatcherError('invalid-push', `A rate is a whole number from 1 to ${MAX_RATE}`, 'Correct it.', {
    faults: [{ pointer: '/rate', detail: `Must be a whole number from 1 to ${MAX_RATE}, or null.` }],
  })
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

const CHANGES: Record<NonNullable<PushChanges['state']>, { readonly event: PushEvent; readonly effect?: Effect }> = {
  paused: { event: { kind: 'pause', because: 'operator' } },
  running: { event: { kind: 'resume' }, effect: takeCauseAway },
  canceled: { event: { kind: 'cancel' }, effect: endPlanning },
}
