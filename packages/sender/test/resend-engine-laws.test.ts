import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import type { Ending } from '../src/call.ts'
import { type Answer, GatewayWorld } from './gateway-world.ts'

const NOTIFICATIONS = 60

const answer: fc.Arbitrary<Answer | undefined> = fc.oneof(
  { weight: 4, arbitrary: fc.constant(undefined) },
  { weight: 1, arbitrary: fc.constant('close' as const) },
  {
    weight: 5,
    arbitrary: fc
      .record({
        status: fc.constantFrom(0, 1, 2, 4, 5, 7, 8, 8, 8, 10, 99, 128, 255),
        names: fc.constantFrom('it' as const, 'it' as const, 'it' as const, 'zero' as const, 'never-sent' as const),
        // Only a barrier has no token, so that no gateway has cause to answer anything else with status 2 and 0.
      })
      .filter(({ status, names }) => status !== 2 || names !== 'zero'),
  },
)

/** One thing that happens to the world; `pipe` chooses among the connections that there are. */
const step = fc.oneof(
  fc.record({ do: fc.constant('open' as const), pipe: fc.nat(5) }),
  fc.record({ do: fc.constant('read' as const), pipe: fc.nat(5), count: fc.integer({ min: 1, max: 9 }), answer }),
  fc.record({ do: fc.constant('deliver' as const), pipe: fc.nat(5), bytes: fc.integer({ min: 1, max: 6 }) }),
  fc.record({ do: fc.constant('deliver' as const), pipe: fc.nat(5), bytes: fc.constant(6) }),
  fc.record({ do: fc.constant('cut' as const), pipe: fc.nat(5) }),
  fc.record({ do: fc.constant('block' as const), pipe: fc.nat(5), blocked: fc.boolean() }),
  fc.record({ do: fc.constant('tick' as const), ms: fc.constantFrom(1, 50, 250, 1000, 2000, 3000, 20_000) }),
  fc.record({ do: fc.constant('calm' as const), ms: fc.constantFrom(0, 10, 300) }),
)

const schedule = fc.record({
  answersBarriers: fc.boolean(),
  assumeAccepted: fc.boolean(),
  onUnconfirmed: fc.constantFrom('report' as const, 'resend' as const),
  split: fc.integer({ min: 1, max: NOTIFICATIONS }),
  steps: fc.array(step, { maxLength: 60, size: 'max' }),
  ending: fc.option(fc.constantFrom<Ending>('Aborted', 'Draining'), { nil: undefined }),
})

function run(plan: typeof schedule extends fc.Arbitrary<infer T> ? T : never): GatewayWorld {
  const world = new GatewayWorld(plan.answersBarriers, { assumeAccepted: plan.assumeAccepted })
  const numbers = Array.from({ length: NOTIFICATIONS }, (_, number) => number)
  world.send(numbers.slice(0, plan.split), plan.onUnconfirmed)
  if (plan.split < NOTIFICATIONS) world.send(numbers.slice(plan.split), plan.onUnconfirmed)
  for (const happening of plan.steps) {
    if (happening.do === 'tick') world.tick(happening.ms)
    else if (happening.do === 'calm') world.calm(happening.ms)
    else {
      const pipe = world.pipes[happening.pipe % Math.max(1, world.pipes.length)]
      if (pipe === undefined) world.tick(100)
      else if (happening.do === 'open') world.open(pipe)
      else if (happening.do === 'read') world.read(pipe, happening.count, happening.answer)
      else if (happening.do === 'deliver') world.deliver(pipe, happening.bytes)
      else if (happening.do === 'cut') world.cut(pipe)
      else pipe.link.blocked = happening.blocked
    }
  }
  if (plan.ending !== undefined) for (const call of world.calls) world.engine.intake.end(call, plan.ending)
  world.pump()
  for (let round = 0; round < 300 && !world.finished; round++) world.calm(500)
  return world
}

type Plan = Parameters<typeof run>[0]

/** A law holds for every schedule. LHSPN_LAW_RUNS tries more of them. */
function law(name: string, check: (world: GatewayWorld, plan: Plan) => void): void {
  test(name, () => {
    expect.hasAssertions()
    fc.assert(
      fc.property(schedule, (plan) => check(run(plan), plan)),
      { numRuns: Number(process.env['LHSPN_LAW_RUNS'] ?? 1500) },
    )
  })
}

law('whatever happens, every notification has exactly one outcome, and the calls come to an end', (world) => {
  expect(world.finished).toBe(true)
  expect(world.outcomes.size).toBe(NOTIFICATIONS)
  expect(world.complaints).toEqual([])
})

law(
  'nothing is accepted by proof that the gateway did not take, nothing unsent or rejected that it took',
  (world, plan) => {
    for (const [number, { kind, reason, status }] of world.outcomes) {
      const taken = world.taken.get(number) ?? 0
      if (kind === 'accepted' && reason === undefined) expect(taken, `times that ${number} was taken`).not.toBe(0)
      if (kind === 'unsent') expect(taken, `times that ${number} was taken`).toBe(0)
      if (kind === 'rejected') expect(world.refusals.get(number)).toContain(status)
      // One that was sent again may have been taken the first time, and be refused now.
      if (kind === 'rejected' && plan.onUnconfirmed === 'report') expect(taken).toBe(0)
    }
  },
)

law('with report, the gateway takes nothing twice', (world, plan) => {
  if (plan.onUnconfirmed === 'report') expect(Math.max(0, ...world.taken.values())).toBeLessThanOrEqual(1)
})

law('no notification counts more attempts than it may, whatever the gateway does', (world) => {
  const { attempts } = world.options
  for (const outcome of world.outcomes.values()) expect(outcome.attempts).toBeLessThanOrEqual(attempts)
})

law(
  'connections are opened no faster than allowed, those left out that replace one which ended as it should',
  (world) => {
    expect(world.hastyOpenings).toBe(0)
  },
)
