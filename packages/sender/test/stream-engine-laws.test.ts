import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import type { Ending } from '../src/call.ts'
import { type Answer, ProviderWorld } from './provider-world.ts'

const NOTIFICATIONS = 60

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

const schedule = fc.record({
  onUnconfirmed: fc.constantFrom('report' as const, 'resend' as const),
  split: fc.integer({ min: 1, max: NOTIFICATIONS }),
  steps: fc.array(step, { maxLength: 80, size: 'max' }),
  ending: fc.option(fc.constantFrom<Ending>('Aborted', 'Draining'), { nil: undefined }),
})

type Plan = typeof schedule extends fc.Arbitrary<infer T> ? T : never

function run(plan: Plan): ProviderWorld {
  const world = new ProviderWorld()
  const numbers = Array.from({ length: NOTIFICATIONS }, (_, number) => number)
  world.send(numbers.slice(0, plan.split), plan.onUnconfirmed)
  if (plan.split < NOTIFICATIONS) world.send(numbers.slice(plan.split), plan.onUnconfirmed)
  for (const happening of plan.steps) {
    if (happening.do === 'tick') world.tick(happening.ms)
    else if (happening.do === 'calm') world.calm(happening.ms)
    else {
      const chosen = world.pipes[happening.pipe % Math.max(1, world.pipes.length)]
      if (chosen === undefined) world.tick(100)
      else if (happening.do === 'open') world.open(chosen, happening.limit)
      else if (!chosen.open) world.tick(1)
      else if (happening.do === 'allow') world.allow(chosen, happening.limit)
      else if (happening.do === 'answer') world.answer(chosen, happening.which, happening.answer)
      else if (happening.do === 'deliver') world.deliver(chosen, happening.messages)
      else if (happening.do === 'swallow') world.swallow(chosen, happening.which, happening.takes)
      else if (happening.do === 'reset') world.resetStream(chosen, happening.which, happening.takes)
      else if (happening.do === 'goaway') world.goaway(chosen, happening.which)
      else if (happening.do === 'cut') world.cut(chosen)
      else chosen.link.blocked = happening.blocked
    }
  }
  if (plan.ending !== undefined) for (const call of world.calls) world.engine.intake.end(call, plan.ending)
  world.pump()
  for (let round = 0; round < 400 && !world.finished; round++) world.calm(500)
  return world
}

/** A law holds for every schedule. LHSPN_LAW_RUNS tries more of them. */
function law(name: string, check: (world: ProviderWorld, plan: Plan) => void): void {
  test(name, () => {
    expect.hasAssertions()
    fc.assert(
      fc.property(schedule, (plan) => check(run(plan), plan)),
      { numRuns: Number(process.env['LHSPN_LAW_RUNS'] ?? 1000) },
    )
  })
}

law('whatever happens, every notification has exactly one outcome, and the calls come to an end', (world) => {
  expect(world.finished).toBe(true)
  expect(world.outcomes.size).toBe(NOTIFICATIONS)
})

law('no stream above the limit, one until the token is proven, none before its Retry-After is over', (world) => {
  expect(world.complaints).toEqual([])
})

law('nothing is accepted without a 200, nothing unsent or refused that was taken', (world, plan) => {
  for (const [number, { kind, status }] of world.outcomes) {
    const taken = world.taken.get(number) ?? 0
    if (kind === 'accepted') expect(taken, `times that ${number} was taken`).not.toBe(0)
    if (kind === 'unsent') expect(taken, `times that ${number} was taken`).toBe(0)
    if (kind === 'rejected' || kind === 'unregistered') {
      expect(world.refusals.get(number)).toContain(status)
      // One that was sent again may have been taken the first time, and be refused now.
      if (plan.onUnconfirmed === 'report') expect(taken).toBe(0)
    }
  }
})

law('what was provably not processed never leaves as unconfirmed', (world) => {
  for (const [number, { kind }] of world.outcomes) {
    if (kind === 'unconfirmed') expect(world.unknown.has(number), `${number} was at an unknown position`).toBe(true)
  }
})

law('with report, nothing is taken twice', (world, plan) => {
  if (plan.onUnconfirmed === 'report') expect(Math.max(0, ...world.taken.values())).toBeLessThanOrEqual(1)
})

law('no notification counts more attempts than it may', (world) => {
  for (const outcome of world.outcomes.values()) expect(outcome.attempts).toBeLessThanOrEqual(world.options.attempts)
})

law('connections are opened no faster than allowed', (world) => {
  expect(world.hastyOpenings).toBe(0)
})
