import { expect, test } from 'vitest'

import { GatewayWorld } from './gateway-world.ts'

/** What became of single notifications that were sent one after the other. */
interface Trickle {
  readonly connections: number
  /** Milliseconds that the slowest waited for its outcome. */
  readonly slowest: number
  readonly accepted: number
}

/** Sends one every `every` ms for a minute, in steps of half a round trip, and waits for all to settle. */
function trickle(every: number, step: number): Trickle {
  const world = new GatewayWorld(true, { window: 16_384, connections: 4 })
  const connections = new Set<unknown>()
  const sentAt: number[] = []
  const waited = new Map<number, number>()
  while (waited.size < sentAt.length || world.now < 60_000) {
    if (world.now < 60_000 && world.now >= sentAt.length * every) {
      sentAt.push(world.now)
      world.send([sentAt.length - 1])
    }
    for (const pipe of world.pipes.slice()) {
      connections.add(pipe.link)
      if (!pipe.open) world.open(pipe)
      else if (pipe.answer.length > 0) world.deliver(pipe, 6)
      else world.read(pipe, Infinity)
    }
    world.tick(step)
    for (const number of world.outcomes.keys()) {
      if (!waited.has(number)) waited.set(number, world.now - (sentAt[number] as number))
    }
    if (world.now > 120_000) throw new Error(`${sentAt.length - waited.size} have no outcome after a minute more`)
  }
  const accepted = [...world.outcomes.values()].filter(
    ({ kind, reason }) => kind === 'accepted' && reason === undefined,
  )
  return { connections: connections.size, slowest: Math.max(...waited.values()), accepted: accepted.length }
}

test.for([
  { every: 1000, step: 1 },
  { every: 1000, step: 50 },
  { every: 1000, step: 200 },
  { every: 100, step: 20 },
  { every: 3000, step: 20 },
])(
  'one every $every ms for a minute, $step ms a step: at most 35 connections, each proven within 5 s',
  ({ every, step }) => {
    const { connections, slowest, accepted } = trickle(every, step)
    expect(accepted).toBe(Math.ceil(60_000 / every))
    expect(connections).toBeLessThanOrEqual(35)
    expect(slowest).toBeLessThanOrEqual(5000)
  },
)

test('a single one is proven at once: after a lone barrier, in a few round trips', () => {
  const world = new GatewayWorld(true)
  world.send([0])
  let steps = 0
  for (; world.outcomes.size === 0; steps++) {
    for (const pipe of world.pipes.slice()) {
      world.open(pipe)
      world.read(pipe, Infinity)
      world.deliver(pipe, 6)
    }
    world.tick(10)
  }
  expect(world.outcomes.get(0)).toMatchObject({ kind: 'accepted' })
  expect(steps).toBeLessThanOrEqual(4)
})
