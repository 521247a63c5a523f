import type { Journal } from '@lhspn/apns-simulator'
import type { Outcome } from '@lhspn/sender'

import { CommandError } from '../errors.ts'
import type { PushPlan } from './plan.ts'

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
  /** Connections that reached it. */
  readonly connections: number
  /** Every figure that is not as it must be, in words; empty if all are. */
  readonly wrong: readonly string[]
}

/** What the simulator saw of one push. */
export type PushJournal = Pick<Journal, 'accepted' | 'connections' | 'acceptedTimes' | 'counts' | 'answers'>

/** What a journal sees from now on. */
export function journalFromNow(journal: Journal): PushJournal {
  const { accepted, connections } = journal
  const times = new Map([...journal.acceptedTokens()].map((token) => [token, journal.acceptedTimes(token)]))
  const counts = { ...journal.counts() }
  const answers = new Map(journal.answers())
  return {
    get accepted() {
      return journal.accepted - accepted
    },
    get connections() {
      return journal.connections - connections
    },
    acceptedTimes: (token) => journal.acceptedTimes(token) - (times.get(token) ?? 0),
    counts: () => {
      const now = journal.counts()
      return {
        accepted: now.accepted - counts.accepted,
        rejected: now.rejected - counts.rejected,
        discarded: now.discarded - counts.discarded,
        barrier: now.barrier - counts.barrier,
      }
    },
    answers: () =>
      new Map([...journal.answers()].map(([status, count]) => [status, count - (answers.get(status) ?? 0)])),
  }
}

/** Counts, and checks each figure against the plan. They hold for every timing: only how many are unconfirmed is free. */
export function countFigures(plan: PushPlan, outcomes: readonly Outcome[], journal: PushJournal): Figures {
  const byToken = new Map(outcomes.map((outcome) => [outcome.notification.token, outcome]))
  const ofKind = (kind: Outcome['kind']): string[] =>
    outcomes.filter((outcome) => outcome.kind === kind).map(({ notification }) => notification.token)
  const accepted = ofKind('accepted')
  const rejected = ofKind('rejected')
  const unconfirmed = ofKind('unconfirmed')
  const figures = {
    sent: outcomes.length,
    accepted: accepted.length,
    rejected: rejected.length,
    unconfirmed: unconfirmed.length,
    unsent: ofKind('unsent').length,
    taken: journal.accepted,
    acceptedTakenOnce: accepted.filter((token) => journal.acceptedTimes(token) === 1).length,
    unconfirmedTaken: unconfirmed.filter((token) => journal.acceptedTimes(token) === 1).length,
    answers: Object.fromEntries(journal.answers()),
    discarded: journal.counts().discarded,
    connections: journal.connections,
  }
  const { tokens, rejected: planned } = plan
  const wrong = [
    must(outcomes.length, tokens.length, 'outcomes'),
    must(tokens.filter((token) => byToken.has(token)).length, tokens.length, 'notifications with an outcome'),
    must(figures.acceptedTakenOnce, figures.accepted, 'accepted notifications that the simulator took exactly once'),
    must(figures.taken, figures.accepted + figures.unconfirmedTaken, 'notifications that the simulator took'),
    must(tokens.filter((token) => journal.acceptedTimes(token) > 1).length, 0, 'notifications taken twice'),
    must(figures.rejected, planned.size, 'rejected notifications'),
    must(
      rejected.filter((token) => planned.has(token) && byToken.get(token)?.status === 8).length,
      planned.size,
      'rejections with status 8 of the tokens that were to be rejected',
    ),
    must(figures.unsent, 0, 'unsent notifications'),
    must(figures.answers['8'] ?? 0, planned.size, 'answers with status 8'),
    ...checkTrouble(plan, byToken, figures.answers),
    ...checkCut(plan, byToken, unconfirmed),
  ].filter((text) => text !== undefined)
  return { ...figures, wrong }
}

type Outcomes = ReadonlyMap<string, Outcome>

function checkTrouble(plan: PushPlan, byToken: Outcomes, answers: Figures['answers']): (string | undefined)[] {
  const shutdown = byToken.get(plan.shutdown ?? '')
  const transient = byToken.get(plan.transient ?? '')
  return [
    must(answers['10'] ?? 0, plan.shutdown === undefined ? 0 : 1, 'answers with status 10'),
    must(answers['1'] ?? 0, plan.transient === undefined ? 0 : 1, 'answers with status 1'),
    must(
      shutdown?.kind === 'accepted' ? shutdown.attempts : 0,
      plan.shutdown === undefined ? 0 : 1,
      'attempts of the notification that the shutdown named, accepted',
    ),
    // it waits a little before it goes again, so it may be on the connection that is cut
    must(
      transient?.kind === 'accepted' || transient?.kind === 'unconfirmed' ? transient.attempts : 0,
      plan.transient === undefined ? 0 : 2,
      'attempts of the notification that met status 1',
    ),
  ]
}

function checkCut({ cut }: PushPlan, byToken: Outcomes, unconfirmed: readonly string[]): (string | undefined)[] {
  if (cut === undefined) return [must(unconfirmed.length, 0, 'unconfirmed notifications')]
  return [
    must(unconfirmed.includes(cut) ? 1 : 0, 1, 'unconfirmed notifications at the cut itself'),
    must(
      unconfirmed.filter((token) => byToken.get(token)?.reason === 'ConnectionLost').length,
      unconfirmed.length,
      'unconfirmed notifications for the lost connection',
    ),
  ]
}

/** Says what is wrong, or nothing. */
export function must(counted: number, due: number, what: string): string | undefined {
  return counted === due ? undefined : `${what}: counted ${counted}, must be ${due}`
}

/** @throws CommandError `wrong-figure`, naming every one */
export function refuseWrong(wrong: readonly (string | undefined)[]): void {
  const lines = wrong.filter((line) => line !== undefined)
  if (lines.length === 0) return
  throw new CommandError(
    'wrong-figure',
    `The demo counted what must not be:${lines.map((line) => `\n  ${line}`).join('')}`,
    'This is a fault of LHSPN itself: please report it, with this output.',
  )
}
