import { type Journal, parseScript } from '@lhspn/apns-simulator'
import type { Counts } from '@lhspn/dispatcher'
import { expect, test } from 'vitest'

import { countFigures, type PushJournal, type Settled, watchJournal } from './figures.ts'
import {
  INCIDENTS,
  makeDevices,
  planGatewayTrouble,
  planGone,
  planRefusals,
  planTrouble,
  type PushPlan,
  REJECTED_AS,
  scriptOf,
} from './plan.ts'

const devices = makeDevices(1, 1000)
const tokens = devices.map(({ token }) => token)
const PLANS = { refusals: planRefusals(tokens), trouble: planTrouble(tokens), gateway: planGatewayTrouble(tokens) }

/** What a true dispatcher tells, how often the simulator took each token, and what it answered. */
interface Run {
  readonly outcomes: Settled[]
  remaining: number
  readonly taken: Map<string, number>
  readonly answers: Record<string, number>
  /** The token that each connection threw away first. */
  readonly discardedFirst: string[]
  violations: number
}

function trueRun(plan: PushPlan): Run {
  const { over, rejected, gone, incidents } = plan
  const cutAt = plan.tokens.indexOf(incidents.get('cut') ?? 'none')
  const taken = new Map<string, number>()
  const outcomes = plan.tokens.map((token, at): Settled => {
    if (rejected.has(token)) return { token, outcome: 'rejected', reason: REJECTED_AS[over] }
    if (gone.has(token)) return { token, outcome: 'unregistered', reason: 'Unregistered' }
    if (cutAt < 0 || at < cutAt) taken.set(token, 1)
    if (cutAt >= 0 && at >= cutAt - 10) return { token, outcome: 'unconfirmed', reason: 'ConnectionLost' }
    return { token, outcome: 'accepted' }
  })
  const says = [...incidents.keys()].map((kind) => ({ says: undefined, ...INCIDENTS[kind] }).says)
  const answers = {
    [REJECTED_AS[over]]: rejected.size,
    ...(gone.size > 0 && { Unregistered: gone.size }),
    ...Object.fromEntries(says.flatMap((reason) => (reason === undefined ? [] : [[reason, 1]]))),
    // barriers
    ...(over === 'gateway' && { MissingDeviceToken: 3 }),
  }
  const discardedFirst = [...incidents].flatMap(([kind, token]) => ('says' in INCIDENTS[kind] ? [] : [token]))
  return { outcomes, remaining: 0, taken, answers, discardedFirst, violations: 0 }
}

function wrongIn(
  plan: PushPlan,
  { outcomes, remaining, taken, answers, discardedFirst, violations }: Run,
): readonly string[] {
  const journal: PushJournal = {
    accepted: [...taken.values()].reduce((sum, times) => sum + times, 0),
    discarded: 7,
    connections: 1,
    violations,
    answers,
    acceptedTimes: (token) => taken.get(token) ?? 0,
    discardedFirst: (token) => discardedFirst.filter((each) => each === token).length,
  }
  return countFigures(plan, countsOf(outcomes, remaining), outcomes, journal).wrong
}

function countsOf(outcomes: readonly Settled[], remaining: number): Counts {
  const count = (kind: Settled['outcome']): number => outcomes.filter(({ outcome }) => outcome === kind).length
  return {
    planned: outcomes.length + remaining,
    accepted: count('accepted'),
    rejected: count('rejected'),
    unregistered: count('unregistered'),
    unconfirmed: count('unconfirmed'),
    remaining,
  }
}

function outcomeOf(at: number, outcome: Settled['outcome']): Settled {
  return { token: tokens[at] ?? '', outcome }
}

test.for(Object.entries(PLANS))('a true run has no wrong figure: %s', ([, plan]) => {
  expect(wrongIn(plan, trueRun(plan))).toEqual([])
})

test('no figure is wrong where the one that goes again over the gateway is in flight at the cut, taken or not', () => {
  const plan = PLANS.gateway
  const at = tokens.indexOf(plan.incidents.get('processingError') ?? '')
  for (const isTaken of [true, false]) {
    const run = trueRun(plan)
    run.outcomes[at] = { ...outcomeOf(at, 'unconfirmed'), reason: 'ConnectionLost' }
    if (!isTaken) run.taken.delete(tokens[at] ?? '')
    expect(wrongIn(plan, run)).toEqual([])
  }
})

test('the same seed makes the same devices, no plan meets anybody twice, and the simulator can play each', () => {
  expect(makeDevices(1, 1000)).toEqual(devices)
  expect(makeDevices(2, 1)[0]).not.toEqual(devices[0])
  for (const plan of Object.values(PLANS)) {
    const met = [...plan.rejected, ...plan.gone, ...plan.incidents.values()]
    expect(new Set(met).size).toBe(met.length)
    const { rules, provider } = parseScript(scriptOf(plan, 1))
    expect(rules ?? provider?.rules).toHaveLength(met.length)
  }
  expect(PLANS.refusals.rejected.size).toBe(6)
  expect(new Set(planGone(tokens)).size).toBe(18)
})

const shutdown = PLANS.gateway.incidents.get('shutdown') ?? ''
const refused = [...PLANS.gateway.rejected][0] ?? ''

test.for<[lie: string, tell: (run: Run) => unknown, figure: RegExp]>([
  ['one is lost', ({ outcomes }) => outcomes.pop(), /^records: counted 999, must be 1000$/],
  [
    'one comes out twice',
    ({ outcomes }) => (outcomes[10] = outcomeOf(11, 'accepted')),
    /^notifications with an outcome: counted 999/,
  ],
  [
    'an accepted one was not taken',
    ({ taken }) => taken.delete(shutdown),
    /^accepted notifications that the simulator took/,
  ],
  ['one was taken twice', ({ taken }) => taken.set(shutdown, 2), /^notifications taken twice: counted 1, must be 0$/],
  [
    'a rejected one was taken',
    ({ taken }) => taken.set(refused, 1),
    /^notifications that the simulator took: counted 970, must be 969$/,
  ],
  [
    'a rejected one counts as accepted',
    ({ outcomes }) => (outcomes[950] = outcomeOf(950, 'accepted')),
    /^rejected notifications: counted 0, must be 1$/,
  ],
  ['one remains', (run) => (run.remaining = 1), /^remaining notifications: counted 1/],
  ['one was planned twice', (run) => (run.remaining = 1), /^planned notifications: counted 1001/],
  ['a scripted answer was not given', ({ answers }) => delete answers['Shutdown'], /^answers with Shutdown: counted 0/],
  [
    'no connection was cut',
    ({ discardedFirst }) => discardedFirst.pop(),
    /^times that the simulator did this: cut: counted 0, must be 1$/,
  ],
  ['another one was', ({ answers }) => (answers['ProtocolError'] = 1), /^answers with ProtocolError: counted 1/],
  ['a request was not in order', (run) => (run.violations = 1), /^requests that were not in order: counted 1/],
])('a figure is wrong where %s', ([, tell, figure]) => {
  const run = trueRun(PLANS.gateway)
  tell(run)
  expect(wrongIn(PLANS.gateway, run)).toContainEqual(expect.stringMatching(figure))
})

test('a figure is wrong where one whose app is gone is not told as that', () => {
  const plan = PLANS.refusals
  const run = trueRun(plan)
  const at = tokens.indexOf([...plan.gone][0] ?? '')
  run.outcomes[at] = outcomeOf(at, 'rejected')
  expect(wrongIn(plan, run)).toEqual([
    'rejected notifications: counted 7, must be 6',
    'unregistered notifications: counted 17, must be 18',
    'tokens that were to be unregistered: counted 17, must be 18',
  ])
})

test('a figure is wrong where one that met trouble did not end well', () => {
  const run = trueRun(PLANS.trouble)
  const at = tokens.indexOf(PLANS.trouble.incidents.get('goaway') ?? '')
  run.outcomes[at] = outcomeOf(at, 'rejected')
  expect(wrongIn(PLANS.trouble, run)).toContain(
    'notifications that met the GOAWAY and ended well: counted 0, must be 1',
  )
})

test('the sums of a push and the records of its notifications must agree', () => {
  const { outcomes, taken, answers, discardedFirst } = trueRun(PLANS.trouble)
  const journal = { accepted: 1000, discarded: 0, connections: 1, violations: 0, answers }
  const look = {
    ...journal,
    acceptedTimes: (token: string) => taken.get(token) ?? 0,
    discardedFirst: (token: string) => (discardedFirst.includes(token) ? 1 : 0),
  }
  const counts = { ...countsOf(outcomes, 0), accepted: 999, unconfirmed: 1 }
  expect(countFigures(PLANS.trouble, counts, outcomes, look).wrong).toEqual([
    'accepted by the sums of the push: counted 999, must be 1000',
    'unconfirmed by the sums of the push: counted 1, must be 0',
  ])
})

test('a push without a cut must leave nothing unconfirmed', () => {
  const run = trueRun(PLANS.trouble)
  run.outcomes[3] = outcomeOf(3, 'unconfirmed')
  expect(wrongIn(PLANS.trouble, run)).toEqual(['unconfirmed notifications: counted 1, must be 0'])
})

test('what is watched does not show what was before', () => {
  const taken = new Map([['aa', 2]])
  const frames = [{ connection: 3, token: 'cc', verdict: 'discarded' }]
  const journal = {
    accepted: 2,
    connections: 3,
    entries: () => frames,
    requests: () => [],
    acceptedTimes: (token: string) => taken.get(token) ?? 0,
    acceptedTokens: () => taken.keys(),
    counts: () => ({ accepted: journal.accepted, rejected: 1, discarded: 5 + journal.accepted, barrier: 1 }),
    violations: () => [{}],
    answers: () => new Map([[8, journal.accepted]]),
    refusals: () => new Map([['BadTopic', 1]]),
  }
  const look = watchJournal(journal as unknown as Journal)
  expect(look()).toMatchObject({ accepted: 0, connections: 0, discarded: 0, violations: 0, answers: {} })
  journal.accepted++
  taken.set('aa', 3).set('bb', 1)
  for (const token of ['dd', 'ee']) frames.push({ connection: 4, token, verdict: 'discarded' })
  const later = look()
  expect([later.accepted, later.acceptedTimes('aa'), later.acceptedTimes('bb')]).toEqual([1, 1, 1])
  expect(['cc', 'dd', 'ee'].map((token) => later.discardedFirst(token))).toEqual([0, 1, 0])
  expect([later.discarded, later.answers]).toEqual([1, { InvalidToken: 1 }])
})
