import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import type { Ending, OnUnconfirmed } from '../src/call.ts'
import type { Link } from '../src/engine.ts'
import type { EnginePipe, EngineWorld } from './engine-world.ts'
import { numbers } from './numbered.ts'

const NOTIFICATIONS = 60

/** What every plan has beside the steps of its world: how connections are opened, and one call or two, what they want and how they end. */
export const commonPlan = {
  connections: fc.constantFrom(1, 3),
  // So few that it matters: longer waits between fruitless openings keep them below four by themselves.
  connectionsPerSecond: fc.constantFrom(1, 2, 4),
  onUnconfirmed: fc.constantFrom<OnUnconfirmed>('report', 'resend'),
  split: fc.integer({ min: 1, max: NOTIFICATIONS }),
  ending: fc.option(fc.constantFrom<Ending>('Aborted', 'Draining'), { nil: undefined }),
}

export interface Plan<Step> {
  readonly onUnconfirmed: OnUnconfirmed
  /** The first call has so many notifications, a second one the rest. */
  readonly split: number
  readonly steps: readonly Step[]
  readonly ending: Ending | undefined
}

/** Sends, lets everything happen that is planned, and then nothing ill any more until all calls have ended. */
export function play<Step, W extends EngineWorld<L, P>, L extends Link, P extends EnginePipe<L>>(
  world: W,
  { onUnconfirmed, split, steps, ending }: Plan<Step>,
  happen: (step: Step) => void,
): W {
  world.send(numbers(split), onUnconfirmed)
  if (split < NOTIFICATIONS) world.send(numbers(NOTIFICATIONS - split, split), onUnconfirmed)
  for (const step of steps) happen(step)
  if (ending !== undefined) for (const call of world.calls) world.engine.intake.end(call, ending)
  world.pump()
  for (let round = 0; round < 400 && !world.finished; round++) world.calm(500)
  return world
}

export type Law<World, P> = (name: string, check: (world: World, plan: P) => void) => void

/** A law holds for every plan. @param runs how many are tried; LHSPN_LAW_RUNS tries more of them */
export function lawOf<World, P>(plan: fc.Arbitrary<P>, run: (plan: P) => World, runs: number): Law<World, P> {
  return (name, check) =>
    test(name, () => {
      expect.hasAssertions()
      fc.assert(
        fc.property(plan, (chosen) => check(run(chosen), chosen)),
        { numRuns: Number(process.env['LHSPN_LAW_RUNS'] ?? runs) },
      )
    })
}

/** What holds on both interfaces. */
export function commonLaws<World extends EngineWorld<L, P>, L extends Link, P extends EnginePipe<L>>(
  law: Law<World, Pick<Plan<unknown>, 'onUnconfirmed'>>,
): void {
  law('whatever happens, every notification has exactly one outcome, and the calls come to an end', (world) => {
    expect(world.finished).toBe(true)
    expect(world.outcomes.size).toBe(NOTIFICATIONS)
  })

  law('with report, nothing is taken twice', (world, { onUnconfirmed }) => {
    if (onUnconfirmed === 'report') expect(Math.max(0, ...world.taken.values())).toBeLessThanOrEqual(1)
  })

  law('no notification counts more attempts than it may', (world) => {
    for (const { attempts } of world.outcomes.values()) expect(attempts).toBeLessThanOrEqual(world.options.attempts)
  })

  law('connections are opened no faster than allowed', (world) => {
    expect(world.hastyOpenings).toBe(0)
  })
}
