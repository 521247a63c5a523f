import type { Journal } from '@lhspn/apns-simulator'
import type { Outcome } from '@lhspn/sender'
import { expect, test } from 'vitest'

import { countFigures, journalFromNow } from './figures.ts'
import { makeDevices, planGone, planRefusals, planTrouble, scriptOf } from './plan.ts'

const devices = makeDevices(1)
const plan = planTrouble(devices.map(({ token }) => token))
const content = { payload: { aps: { alert: 'Hello' } } }
const [shutdown, transient, cut] = [plan.shutdown ?? '', plan.transient ?? '', plan.cut ?? '']

/** What a true sender tells, and how often the gateway took each token. */
function trueRun(): { outcomes: Outcome[]; taken: Map<string, number> } {
  const cutAt = plan.tokens.indexOf(cut)
  const taken = new Map<string, number>()
  const outcomes = plan.tokens.map((token, at): Outcome => {
    const notification = { token, content }
    if (plan.rejected.has(token))
      return { notification, kind: 'rejected', reason: 'InvalidToken', status: 8, attempts: 1 }
    if (at < cutAt) taken.set(token, 1)
    if (at >= cutAt - 10) return { notification, kind: 'unconfirmed', reason: 'ConnectionLost', attempts: 1 }
    return { notification, kind: 'accepted', attempts: token === transient ? 2 : 1 }
  })
  return { outcomes, taken }
}

function outcomeOf(at: number, kind: Outcome['kind']): Outcome {
  return { notification: { token: plan.tokens[at] ?? '', content }, kind, attempts: 1 }
}

function wrongIn({ outcomes, taken }: ReturnType<typeof trueRun>, answers = { 1: 1, 8: 1, 10: 1 }): readonly string[] {
  const journal = {
    accepted: [...taken.values()].reduce((sum, times) => sum + times, 0),
    connections: 1,
    acceptedTimes: (token: string) => taken.get(token) ?? 0,
    counts: () => ({ accepted: taken.size, rejected: 2, discarded: 0, barrier: 1 }),
    answers: () => new Map(Object.entries(answers).map(([status, count]) => [Number(status), count])),
  }
  return countFigures(plan, outcomes, journal).wrong
}

test('a true run has no wrong figure', () => expect(wrongIn(trueRun())).toEqual([]))

test('no figure is wrong where the one that goes again is in flight at the cut, taken or not', () => {
  for (const isTaken of [true, false]) {
    const run = trueRun()
    const again = {
      ...outcomeOf(plan.tokens.indexOf(transient), 'unconfirmed'),
      reason: 'ConnectionLost',
      attempts: 2,
    } as const
    run.outcomes[plan.tokens.indexOf(transient)] = again
    if (!isTaken) run.taken.delete(transient)
    expect(wrongIn(run)).toEqual([])
  }
})

test('the same seed makes the same devices, and each plan meets nobody twice', () => {
  expect(makeDevices(1)).toEqual(devices)
  expect(makeDevices(2)[0]).not.toEqual(devices[0])
  expect(new Set([...plan.rejected, shutdown, transient, cut]).size).toBe(4)
  expect(planRefusals(plan.tokens).rejected.size).toBe(6)
  expect(new Set(planGone(plan.tokens)).size).toBe(12)
  expect(scriptOf(plan).rules).toHaveLength(4)
})

test.for<[lie: string, tell: (run: ReturnType<typeof trueRun>) => void, figure: RegExp]>([
  ['one is lost', ({ outcomes }) => outcomes.pop(), /^outcomes: counted 999, must be 1000$/],
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
    ({ taken }) => taken.set([...plan.rejected][0] ?? '', 1),
    /^notifications that the simulator took: counted 970, must be 969$/,
  ],
  [
    'a rejected one counts as accepted',
    ({ outcomes }) => (outcomes[950] = outcomeOf(950, 'accepted')),
    /^rejected notifications: counted 0, must be 1$/,
  ],
  ['one is unsent', ({ outcomes }) => (outcomes[1] = outcomeOf(1, 'unsent')), /^unsent notifications: counted 1/],
])('a figure is wrong where %s', ([, tell, figure]) => {
  const run = trueRun()
  tell(run)
  expect(wrongIn(run)).toContainEqual(expect.stringMatching(figure))
})

test('a figure is wrong where a scripted answer was not given', () => {
  expect(wrongIn(trueRun(), { 1: 1, 8: 1, 10: 0 })).toEqual(['answers with status 10: counted 0, must be 1'])
})

test('a push without trouble must leave nothing unconfirmed', () => {
  const quiet = planRefusals(plan.tokens)
  const outcomes = plan.tokens.map((_, at) => outcomeOf(at, at === 3 ? 'unconfirmed' : 'accepted'))
  const journal = {
    accepted: 1000,
    connections: 1,
    acceptedTimes: () => 1,
    counts: () => ({ accepted: 1000, rejected: 0, discarded: 0, barrier: 0 }),
    answers: () => new Map<number, number>(),
  }
  expect(countFigures(quiet, outcomes, journal).wrong).toContain('unconfirmed notifications: counted 1, must be 0')
})

test('a journal from now on does not see what was before', () => {
  const taken = new Map([['aa', 2]])
  const journal = {
    accepted: 2,
    connections: 3,
    acceptedTimes: (token: string) => taken.get(token) ?? 0,
    acceptedTokens: () => taken.keys(),
    counts: () => ({ accepted: journal.accepted, rejected: 1, discarded: 5, barrier: 1 }),
    answers: () => new Map([[8, journal.accepted]]),
  }
  const later = journalFromNow(journal as unknown as Journal)
  expect([later.accepted, later.connections, later.acceptedTimes('aa')]).toEqual([0, 0, 0])
  journal.accepted++
  taken.set('aa', 3).set('bb', 1)
  expect([later.accepted, later.acceptedTimes('aa'), later.acceptedTimes('bb')]).toEqual([1, 1, 1])
  expect(later.counts()).toEqual({ accepted: 1, rejected: 0, discarded: 0, barrier: 0 })
  expect(later.answers()).toEqual(new Map([[8, 1]]))
})
