import type { Journal } from '@lhspn/apns-simulator'
import type { Outcome } from '@lhspn/sender'

import type { Plan } from './plan.ts'

/** Counted on our side, by outcome, and on the simulator's, by what it took. */
export interface Figures {
  readonly sent: number
  readonly accepted: number
  readonly rejected: number
  readonly unconfirmed: number
  readonly unsent: number
  /** Notifications that the simulator took. */
  readonly taken: number
  /** Of those that we call accepted, how many it took exactly once. */
  readonly acceptedTakenOnce: number
  /** Of those that we call unconfirmed, how many it took. */
  readonly unconfirmedTaken: number
  /** Error responses that it wrote, by status. */
  readonly answers: Readonly<Record<string, number>>
  /** What it threw away after an answer, and what was lost with the cut. */
  readonly discarded: number
  readonly barriers: number
  /** Connections that reached it. */
  readonly connections: number
  /** Every figure that is not as it must be, in words; empty if all are. */
  readonly wrong: readonly string[]
}

/** Counts, and checks each figure against the plan. They hold for every timing: only how many are unconfirmed is free. */
export function countFigures(plan: Plan, outcomes: readonly Outcome[], journal: Journal): Figures {
  const byToken = new Map(outcomes.map((outcome) => [outcome.notification.token, outcome]))
  const ofKind = (kind: Outcome['kind']): string[] =>
    outcomes.filter((outcome) => outcome.kind === kind).map(({ notification }) => notification.token)
  const accepted = ofKind('accepted')
  const rejected = ofKind('rejected')
  const unconfirmed = ofKind('unconfirmed')
  const counts = journal.counts()
  const figures = {
    sent: plan.tokens.length,
    accepted: accepted.length,
    rejected: rejected.length,
    unconfirmed: unconfirmed.length,
    unsent: ofKind('unsent').length,
    taken: journal.accepted,
    acceptedTakenOnce: accepted.filter((token) => journal.acceptedTimes(token) === 1).length,
    unconfirmedTaken: unconfirmed.filter((token) => journal.acceptedTimes(token) === 1).length,
    answers: Object.fromEntries(journal.answers()),
    discarded: counts.discarded,
    barriers: counts.barrier,
    connections: journal.connections,
  }
  const { rejected: planned } = plan
  const shutdown = byToken.get(plan.shutdown)
  const transient = byToken.get(plan.transient)
  const wrong = [
    must(outcomes.length, figures.sent, 'outcomes'),
    must(plan.tokens.filter((token) => byToken.has(token)).length, figures.sent, 'notifications with an outcome'),
    must(figures.acceptedTakenOnce, figures.accepted, 'accepted notifications that the simulator took exactly once'),
    must(figures.taken, figures.accepted + figures.unconfirmedTaken, 'notifications that the simulator took'),
    must(plan.tokens.filter((token) => journal.acceptedTimes(token) > 1).length, 0, 'notifications taken twice'),
    must(figures.rejected, planned.size, 'rejected notifications'),
    must(
      rejected.filter((token) => planned.has(token) && byToken.get(token)?.status === 8).length,
      planned.size,
      'rejections with status 8 of the tokens that were to be rejected',
    ),
    must(figures.unsent, 0, 'unsent notifications'),
    must(unconfirmed.includes(plan.cut) ? 1 : 0, 1, 'unconfirmed notifications at the cut itself'),
    must(
      unconfirmed.filter((token) => byToken.get(token)?.reason === 'ConnectionLost').length,
      unconfirmed.length,
      'unconfirmed notifications for the lost connection',
    ),
    must(figures.answers['8'] ?? 0, planned.size, 'answers with status 8'),
    must(figures.answers['10'] ?? 0, 1, 'answers with status 10'),
    must(figures.answers['1'] ?? 0, 1, 'answers with status 1'),
    must(
      shutdown?.kind === 'accepted' ? shutdown.attempts : 0,
      1,
      'attempts of the notification that the shutdown named, accepted',
    ),
    // it waits a little before it goes again, so it may be on the connection that is cut
    must(
      transient?.kind === 'accepted' || transient?.kind === 'unconfirmed' ? transient.attempts : 0,
      2,
      'attempts of the notification that met status 1',
    ),
  ].filter((text) => text !== undefined)
  return { ...figures, wrong }
}

/** Says what is wrong, or nothing. */
export function must(counted: number, due: number, what: string): string | undefined {
  return counted === due ? undefined : `${what}: counted ${counted}, must be ${due}`
}
