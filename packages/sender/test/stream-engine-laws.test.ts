import * as fc from 'fast-check'
import { expect } from 'vitest'

import { commonPlan, commonLaws, lawOf, play } from './engine-laws.ts'
import { type Answer, ProviderWorld } from './provider-world.ts'

const answer: fc.Arbitrary<Answer> = fc.oneof(
  { weight: 4, arbitrary: fc.constant({ status: 200 }) },
  {
    weight: 4,
    arbitrary: fc.constantFrom<Answer>(
      { status: 400, reason: 'BadDeviceToken' },
      { status: 400, reason: 'NeverHeardOf' },
      { status: 410, reason: 'Unregistered' },
      { status: 404 },
      { status: 413, reason: 'PayloadTooLarge' },
      { status: 429, reason: 'TooManyRequests' },
      { status: 429, reason: 'TooManyRequests', retryAfter: 3 },
      { status: 429, reason: 'TooManyRequests', retryAfter: 61 },
      { status: 429, reason: 'TooManyProviderTokenUpdates' },
      { status: 500, reason: 'InternalServerError' },
      { status: 503, reason: 'ServiceUnavailable', retryAfter: 2 },
      { status: 503, reason: 'ServiceUnavailable', retryAfter: 100 },
      { status: 503, reason: 'Shutdown' },
      { status: 400, reason: 'IdleTimeout' },
    ),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom<Answer>(
      { status: 403, reason: 'ExpiredProviderToken' },
      { status: 403, reason: 'UnrelatedKeyIdInToken' },
    ),
  },
)

/** One thing that happens to the world; `pipe` chooses among the connections that there are. */
const pipe = fc.nat(5)
const which = fc.nat(8)
const step = fc.oneof(
  fc.record({ do: fc.constant('open' as const), pipe, limit: fc.integer({ min: 1, max: 6 }) }),
  fc.record({ do: fc.constant('allow' as const), pipe, limit: fc.nat(8) }),
  { weight: 4, arbitrary: fc.record({ do: fc.constant('answer' as const), pipe, which, answer }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('deliver' as const), pipe, messages: fc.integer({ min: 1, max: 5 }) }),
  },
  fc.record({ do: fc.constant('swallow' as const), pipe, which, takes: fc.boolean() }),
  fc.record({ do: fc.constant('reset' as const), pipe, which, takes: fc.option(fc.boolean(), { nil: undefined }) }),
  fc.record({ do: fc.constant('goaway' as const), pipe, which }),
  fc.record({ do: fc.constant('cut' as const), pipe }),
  fc.record({ do: fc.constant('block' as const), pipe, blocked: fc.boolean() }),
  fc.record({ do: fc.constant('tick' as const), ms: fc.constantFrom(1, 30, 250, 1000, 3000, 20_000, 61_000) }),
  fc.record({ do: fc.constant('calm' as const), ms: fc.constantFrom(0, 10, 300) }),
)

const plan = fc.record({ ...commonPlan, steps: fc.array(step, { maxLength: 80, size: 'max' }) })

type Plan = typeof plan extends fc.Arbitrary<infer T> ? T : never

function run(chosen: Plan): ProviderWorld {
  const { connections, connectionsPerSecond } = chosen
  const world = new ProviderWorld({ connections, connectionsPerSecond })
  return play(world, chosen, (happening) => {
    if (happening.do === 'tick') return world.tick(happening.ms)
    if (happening.do === 'calm') return world.calm(happening.ms)
    const on = world.pipe(happening.pipe)
    if (on === undefined) return world.tick(100)
    if (happening.do === 'open') return world.open(on, happening.limit)
    if (!on.open) return world.tick(1)
    if (happening.do === 'allow') return world.allow(on, happening.limit)
    if (happening.do === 'answer') return world.answer(on, happening.which, happening.answer)
    if (happening.do === 'deliver') return world.deliver(on, happening.messages)
    if (happening.do === 'swallow') return world.swallow(on, happening.which, happening.takes)
    if (happening.do === 'reset') return world.resetStream(on, happening.which, happening.takes)
    if (happening.do === 'goaway') return world.goaway(on, happening.which)
    if (happening.do === 'cut') return world.cut(on)
    on.link.blocked = happening.blocked
  })
}

const law = lawOf(plan, run, 1000)

commonLaws(law)

law('no stream above the limit, one until the token is proven, none before its Retry-After is over', (world) => {
  expect(world.complaints).toEqual([])
})

law('nothing is accepted without a 200, nothing unsent or refused that was taken', (world, { onUnconfirmed }) => {
  for (const [number, { kind, status }] of world.outcomes) {
    const taken = world.taken.get(number) ?? 0
    if (kind === 'accepted') expect(taken, `times that ${number} was taken`).not.toBe(0)
    if (kind === 'unsent') expect(taken, `times that ${number} was taken`).toBe(0)
    if (kind === 'rejected' || kind === 'unregistered') {
      expect(world.refusals.get(number)).toContain(status)
      // One that was sent again may have been taken the first time, and be refused now.
      if (onUnconfirmed === 'report') expect(taken).toBe(0)
    }
  }
})

law('what was provably not processed never leaves as unconfirmed', (world) => {
  for (const [number, { kind }] of world.outcomes) {
    if (kind === 'unconfirmed') expect(world.unknown.has(number), `${number} was at an unknown position`).toBe(true)
  }
})
