import * as fc from 'fast-check'
import { expect } from 'vitest'

import { commonPlan, commonLaws, lawOf, play } from './engine-laws.ts'
import { type Answer, GatewayWorld } from './gateway-world.ts'

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

const plan = fc.record({
  ...commonPlan,
  answersBarriers: fc.boolean(),
  assumeAccepted: fc.boolean(),
  steps: fc.array(step, { maxLength: 60, size: 'max' }),
})

type Plan = typeof plan extends fc.Arbitrary<infer T> ? T : never

function run(chosen: Plan): GatewayWorld {
  const { answersBarriers, assumeAccepted, connections, connectionsPerSecond } = chosen
  const world = new GatewayWorld(answersBarriers, { assumeAccepted, connections, connectionsPerSecond })
  return play(world, chosen, (happening) => {
    if (happening.do === 'tick') return world.tick(happening.ms)
    if (happening.do === 'calm') return world.calm(happening.ms)
    const on = world.pipe(happening.pipe)
    if (on === undefined) return world.tick(100)
    if (happening.do === 'open') return world.open(on)
    if (happening.do === 'read') return world.read(on, happening.count, happening.answer)
    if (happening.do === 'deliver') return world.deliver(on, happening.bytes)
    if (happening.do === 'cut') return world.cut(on)
    on.link.blocked = happening.blocked
  })
}

const law = lawOf(plan, run, 1500)

commonLaws(law)

law('what goes again goes in its order, ahead of anything new, and no more is in flight than may be', (world) => {
  expect(world.complaints).toEqual([])
})

law(
  'nothing is accepted by proof that the gateway did not take, nothing unsent or rejected that it took',
  (world, { onUnconfirmed }) => {
    for (const [number, { kind, reason, status }] of world.outcomes) {
      const taken = world.taken.get(number) ?? 0
      if (kind === 'accepted' && reason === undefined) expect(taken, `times that ${number} was taken`).not.toBe(0)
      if (kind === 'unsent') expect(taken, `times that ${number} was taken`).toBe(0)
      if (kind === 'rejected') expect(world.refusals.get(number)).toContain(status)
      // One that was sent again may have been taken the first time, and be refused now.
      if (kind === 'rejected' && onUnconfirmed === 'report') expect(taken).toBe(0)
    }
  },
)
