import type { Journal } from '@lhspn/apns-simulator'
import type { Outcome } from '@lhspn/sender'
import { expect, test } from 'vitest'

import { countFigures } from './figures.ts'
import { makePlan } from './plan.ts'

const plan = makePlan(1)
const content = { payload: { aps: { alert: 'Hello' } } }

/** What a true sender tells, and how often the gateway took each token. */
function trueRun(): { outcomes: Outcome[]; taken: Map<string, number> } {
  const cutAt = plan.tokens.indexOf(plan.cut)
  const taken = new Map<string, number>()
  const outcomes = plan.tokens.map((token, at): Outcome => {
    const notification = { token, content }
    if (plan.rejected.has(token))
      return { notification, kind: 'rejected', reason: 'InvalidToken', status: 8, attempts: 1 }
    if (at < cutAt) taken.set(token, 1)
    if (at >= cutAt - 20) return { notification, kind: 'unconfirmed', reason: 'ConnectionLost', attempts: 1 }
    return { notification, kind: 'accepted', attempts: token === plan.transient ? 2 : 1 }
  })
  return { outcomes, taken }
}

function outcomeOf(at: number, kind: Outcome['kind']): Outcome {
  return { notification: { token: plan.tokens[at] ?? '', content }, kind, attempts: 1 }
}

function wrongIn({ outcomes, taken }: ReturnType<typeof trueRun>, answers = { 1: 1, 8: 8, 10: 1 }): readonly string[] {
  const journal = {
    accepted: [...taken.values()].reduce((sum, times) => sum + times, 0),
    connections: 1,
    acceptedTimes: (token: string) => taken.get(token) ?? 0,
    counts: () => ({ accepted: taken.size, rejected: 9, discarded: 0, barrier: 1 }),
    answers: () => new Map(Object.entries(answers).map(([status, count]) => [Number(status), count])),
  }
  return countFigures(plan, outcomes, journal as unknown as Journal).wrong
}

test('a true run has no wrong figure', () => expect(wrongIn(trueRun())).toEqual([]))

test('no figure is wrong where the one that goes again is in flight at the cut, taken or not', () => {
  for (const isTaken of [true, false]) {
    const run = trueRun()
    const again = {
      ...outcomeOf(plan.tokens.indexOf(plan.transient), 'unconfirmed'),
      reason: 'ConnectionLost',
      attempts: 2,
    } as const
    run.outcomes[plan.tokens.indexOf(plan.transient)] = again
    if (!isTaken) run.taken.delete(plan.transient)
    expect(wrongIn(run)).toEqual([])
  }
})

test('the same seed makes the same plan', () => {
  expect(makePlan(1)).toEqual(plan)
  expect(makePlan(2).tokens[0]).not.toBe(plan.tokens[0])
})

test.for<[lie: string, tell: (run: ReturnType<typeof trueRun>) => void, figure: RegExp]>([
  ['one is lost', ({ outcomes }) => outcomes.pop(), /^outcomes: counted 5999, must be 6000$/],
  [
    'one comes out twice',
    ({ outcomes }) => (outcomes[10] = outcomeOf(11, 'accepted')),
    /^notifications with an outcome: counted 5999/,
  ],
  [
    'an accepted one was not taken',
    ({ taken }) => taken.delete(plan.shutdown),
    /^accepted notifications that the simulator took/,
  ],
  [
    'one was taken twice',
    ({ taken }) => taken.set(plan.shutdown, 2),
    /^notifications taken twice: counted 1, must be 0$/,
  ],
  [
    'a rejected one was taken',
    ({ taken }) => taken.set(plan.tokens[0] ?? '', 1),
    /^notifications that the simulator took: counted 5893, must be 5892$/,
  ],
  [
    'a rejected one counts as accepted',
    ({ outcomes }) => (outcomes[0] = outcomeOf(0, 'accepted')),
    /^rejected notifications: counted 7, must be 8$/,
  ],
  ['one is unsent', ({ outcomes }) => (outcomes[1] = outcomeOf(1, 'unsent')), /^unsent notifications: counted 1/],
])('a figure is wrong where %s', ([, tell, figure]) => {
  const run = trueRun()
  tell(run)
  expect(wrongIn(run)).toContainEqual(expect.stringMatching(figure))
})

test('a figure is wrong where a scripted answer was not given', () => {
  expect(wrongIn(trueRun(), { 1: 1, 8: 8, 10: 0 })).toEqual(['answers with status 10: counted 0, must be 1'])
})
