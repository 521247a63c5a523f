import { ERROR_STATUSES, isErrorStatus } from '@lhspn/apns-protocol'
import type { Journal, JournalEntry, RequestEntry } from '@lhspn/apns-simulator'
import { type Counts, type NotificationRecord, SETTLED_KINDS } from '@lhspn/dispatcher'

import { CommandError } from '../errors.ts'
import { INCIDENTS, type IncidentKind, type PushPlan, REJECTED_AS } from './plan.ts'

/** Counted on our side, by outcome, and on the simulator's, by what it took and answered. */
export interface Figures {
  readonly planned: number
  readonly accepted: number
  readonly rejected: number
  readonly unregistered: number
  readonly unconfirmed: number
  readonly remaining: number
  /** Notifications that the simulator took. */
  readonly taken: number
  /** Of those that we call accepted, how many it took exactly once. */
  readonly acceptedTakenOnce: number
  /** Of those that we call unconfirmed, how many it took. */
  readonly unconfirmedTaken: number
  /** Errors that it answered, by reason. */
  readonly answers: Readonly<Record<string, number>>
  /** How often each thing on the way has happened there. */
  readonly incidents: Readonly<Partial<Record<IncidentKind, number>>>
  /** What it threw away or lost on purpose. */
  readonly discarded: number
  /** Connections that reached it. */
  readonly connections: number
  /** What it found wrong with requests beside what was scripted. */
  readonly violations: number
  /** Every figure that is not as it must be, in words; empty if all are. */
  readonly wrong: readonly string[]
}

/** What the simulator saw of one push. */
export interface PushJournal {
  readonly accepted: number
  readonly discarded: number
  readonly connections: number
  readonly violations: number
  /** Errors that it answered, by reason. */
  readonly answers: Readonly<Record<string, number>>
  acceptedTimes(token: string): number
  /** On how many connections this token was the first that was thrown away: what did that happened to it. */
  discardedFirst(token: string): number
}

/** Looks at a journal now; what it answers looks again, and sees what came since. */
export function watchJournal(journal: Journal): () => PushJournal {
  const { accepted, connections } = journal
  const times = new Map([...journal.acceptedTokens()].map((token) => [token, journal.acceptedTimes(token)]))
  const { discarded } = journal.counts()
  const violations = journal.violations().length
  const answers = answersOf(journal)
  const [frames, requests] = [journal.entries().length, journal.requests().length]
  return () => ({
    accepted: journal.accepted - accepted,
    discarded: journal.counts().discarded - discarded,
    connections: journal.connections - connections,
    violations: journal.violations().length - violations,
    answers: Object.fromEntries(
      [...answersOf(journal)]
        .map(([reason, count]) => [reason, count - (answers.get(reason) ?? 0)] as const)
        .filter(([, count]) => count > 0),
    ),
    acceptedTimes: (token) => journal.acceptedTimes(token) - (times.get(token) ?? 0),
    discardedFirst: (token) =>
      firstDiscarded([...journal.entries().slice(frames), ...journal.requests().slice(requests)]).filter(
        (each) => each === token,
      ).length,
  })
}

/** The token that each connection threw away first. Of both interfaces: a push goes over one of them. */
function firstDiscarded(entries: readonly (JournalEntry | RequestEntry)[]): readonly string[] {
  const first = new Map<number, string>()
  for (const { connection, token, verdict } of entries)
    if (verdict === 'discarded' && !first.has(connection)) first.set(connection, token)
  return [...first.values()]
}

/** Of both interfaces: a push goes over one of them. */
function answersOf(journal: Journal): Map<string, number> {
  const answers = new Map(journal.refusals())
  for (const [status, count] of journal.answers()) {
    const reason = isErrorStatus(status) ? ERROR_STATUSES[status].name : String(status)
    answers.set(reason, (answers.get(reason) ?? 0) + count)
  }
  return answers
}

/** What is known of a notification that has settled. */
export type Settled = Pick<NotificationRecord, 'token' | 'outcome' | 'reason'>

/**
 * Counts, and checks each figure against the plan. They hold for every timing: only how many are unconfirmed at a cut is
 * free.
 * @param counts the dispatcher's own sums
 * @param records everything that has settled
 */
export function countFigures(
  plan: PushPlan,
  counts: Counts,
  records: readonly Settled[],
  journal: PushJournal,
): Figures {
  const byToken = new Map(records.map((record) => [record.token, record]))
  const ofKind = (kind: Settled['outcome']): string[] =>
    records.filter(({ outcome }) => outcome === kind).map(({ token }) => token)
  const accepted = ofKind('accepted')
  const unconfirmed = ofKind('unconfirmed')
  const figures = {
    planned: counts.planned,
    accepted: accepted.length,
    rejected: ofKind('rejected').length,
    unregistered: ofKind('unregistered').length,
    unconfirmed: unconfirmed.length,
    remaining: counts.remaining,
    taken: journal.accepted,
    acceptedTakenOnce: accepted.filter((token) => journal.acceptedTimes(token) === 1).length,
    unconfirmedTaken: unconfirmed.filter((token) => journal.acceptedTimes(token) === 1).length,
    answers: journal.answers,
    incidents: Object.fromEntries([...plan.incidents].map(([kind, token]) => [kind, timesOf(kind, token, journal)])),
    discarded: journal.discarded,
    connections: journal.connections,
    violations: journal.violations,
  }
  const { tokens } = plan
  const wrong = [
    must(counts.planned, tokens.length, 'planned notifications'),
    must(records.length, tokens.length, 'records'),
    must(tokens.filter((token) => byToken.has(token)).length, tokens.length, 'notifications with an outcome'),
    must(figures.acceptedTakenOnce, figures.accepted, 'accepted notifications that the simulator took exactly once'),
    must(figures.taken, figures.accepted + figures.unconfirmedTaken, 'notifications that the simulator took'),
    must(tokens.filter((token) => journal.acceptedTimes(token) > 1).length, 0, 'notifications taken twice'),
    must(counts.remaining, 0, 'remaining notifications'),
    ...SETTLED_KINDS.map((kind) => must(counts[kind], figures[kind], `${kind} by the sums of the push`)),
    must(figures.violations, 0, 'requests that were not in order'),
    ...checkSettled(plan, figures, byToken),
    ...checkAnswers(plan, figures.answers),
    ...[...plan.incidents].flatMap(([kind, token]) => [
      must(figures.incidents[kind] ?? 0, 1, `times that the simulator did this: ${INCIDENTS[kind].name}`),
      checkIncident(kind, byToken.get(token)),
    ]),
    ...checkUnconfirmed(plan, byToken, unconfirmed),
  ].filter((text) => text !== undefined)
  return { ...figures, wrong }
}

/** How often it happened: as often as the simulator said so, or else began to throw away with this token. */
function timesOf(kind: IncidentKind, token: string, journal: PushJournal): number {
  const says = saysOf(kind)
  return says === undefined ? journal.discardedFirst(token) : (journal.answers[says] ?? 0)
}

/** The reason that it is answered with; undefined where there is no answer. */
function saysOf(kind: IncidentKind): string | undefined {
  return { says: undefined, ...INCIDENTS[kind] }.says
}

type Outcomes = ReadonlyMap<string, Settled>
type Findings = readonly (string | undefined)[]

/** What was to be rejected or gone is exactly that. */
function checkSettled(
  { over, rejected, gone }: PushPlan,
  figures: Omit<Figures, 'wrong'>,
  byToken: Outcomes,
): Findings {
  const withReason = (tokens: ReadonlySet<string>, kind: Settled['outcome'], reason: string): number =>
    [...tokens].filter((token) => byToken.get(token)?.outcome === kind && byToken.get(token)?.reason === reason).length
  const reason = REJECTED_AS[over]
  return [
    must(figures.rejected, rejected.size, 'rejected notifications'),
    must(withReason(rejected, 'rejected', reason), rejected.size, `tokens that were to be rejected with ${reason}`),
    must(figures.unregistered, gone.size, 'unregistered notifications'),
    must(withReason(gone, 'unregistered', 'Unregistered'), gone.size, 'tokens that were to be unregistered'),
  ]
}

/** The simulator answered what was planned, and nothing else. */
function checkAnswers({ over, rejected, gone, incidents }: PushPlan, answers: Figures['answers']): Findings {
  const due = new Map<string, number>([
    [REJECTED_AS[over], rejected.size],
    ['Unregistered', gone.size],
  ])
  for (const kind of incidents.keys()) {
    const says = saysOf(kind)
    if (says !== undefined) due.set(says, 1)
  }
  // a confirmation barrier is answered with this, as often as there are windows
  const { MissingDeviceToken: _, ...told } = answers
  const reasons = new Set([...due.keys(), ...Object.keys(told)])
  return [...reasons].map((reason) => must(told[reason] ?? 0, due.get(reason) ?? 0, `answers with ${reason}`))
}

function checkIncident(kind: IncidentKind, settled: Settled | undefined): string | undefined {
  const { name, over } = INCIDENTS[kind]
  const isIt = settled?.outcome === (kind === 'cut' ? 'unconfirmed' : 'accepted')
  // at a gateway it may wait a little before it goes again, and then be on the connection that is cut
  const isCut = over === 'gateway' && settled?.outcome === 'unconfirmed'
  return must(isIt || isCut ? 1 : 0, 1, `notifications that met the ${name} and ended well`)
}

function checkUnconfirmed({ incidents }: PushPlan, byToken: Outcomes, unconfirmed: readonly string[]): Findings {
  if (!incidents.has('cut')) return [must(unconfirmed.length, 0, 'unconfirmed notifications')]
  const lost = unconfirmed.filter((token) => byToken.get(token)?.reason === 'ConnectionLost')
  return [must(lost.length, unconfirmed.length, 'unconfirmed notifications for the lost connection')]
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
