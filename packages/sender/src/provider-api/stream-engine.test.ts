import { describe, expect, test } from 'vitest'

import { told } from '../../test/engine-world.ts'
import { numbered, numbers } from '../../test/numbered.ts'
import { type Answer, type Pipe, ProviderWorld } from '../../test/provider-world.ts'
import { make } from '../../test/raw-frames.ts'
import type { Call } from '../call.ts'
import type { StreamEngineOptions } from './stream-engine.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
const OK: Answer = { status: 200 }
const UNAVAILABLE: Answer = { status: 503, reason: 'ServiceUnavailable' }

/** A world in which a connection is open and its credentials are proven. */
function provenWorld(options: Partial<StreamEngineOptions> = {}, limit = 1000): ProviderWorld {
  const world = new ProviderWorld(options)
  world.send([1000])
  while (!world.finished) {
    for (const pipe of world.pipes) {
      world.open(pipe, limit)
      answerAll(world, pipe, OK)
    }
    world.tick(1)
  }
  world.outcomes.clear()
  world.calls = []
  return world
}

function only(world: ProviderWorld): Pipe {
  expect(world.pipes.length).toBe(1)
  return world.pipes[0] as Pipe
}

function answerAll(world: ProviderWorld, pipe: Pipe, answer: Answer): void {
  world.deliver(pipe, Infinity)
  while (pipe.requests.length > 0 && !pipe.ended) {
    world.answer(pipe, 0, answer)
    world.deliver(pipe, Infinity)
  }
}

/** Lets time pass in small steps until something holds; answers how much did. */
function wait(world: ProviderWorld, until: () => boolean, step = 10): number {
  const start = world.now
  while (!until()) {
    if (world.now > start + 24 * 60 * MINUTE) throw new Error('it does not happen within a day')
    world.tick(step)
  }
  return world.now - start
}

/** How many have each outcome. */
function counts(world: ProviderWorld): Record<string, number> {
  const found: Record<string, number> = {}
  for (const { kind, reason = '' } of world.outcomes.values()) {
    const key = `${kind} ${reason}`.trim()
    found[key] = (found[key] ?? 0) + 1
  }
  return found
}

/** Twenty answers of 503, one after the other, and so a hold. */
function heldWorld(): ProviderWorld {
  const world = provenWorld({}, 1)
  world.send(numbers(100))
  answerAll(world, only(world), UNAVAILABLE)
  return world
}

/** An answer to our PING: the connection lives. */
function pong(world: ProviderWorld, pipe: Pipe): void {
  if (pipe.link.pingedAt !== undefined) world.engine.received(pipe.link, make.ping(true, Buffer.alloc(8)), world.now)
}

function errorOf(call: Call): string | undefined {
  return call.error?.code
}

describe('provider tokens', () => {
  test('over a day, on one connection: none is too old, and none is changed within 20 minutes', () => {
    const world = provenWorld()
    const pipe = only(world)
    const seen: { readonly text: string; readonly at: number }[] = []
    for (let number = 0; number < 24 * 60; number++) {
      world.send([number])
      pong(world, pipe)
      world.pump()
      answerAll(world, pipe, OK)
      const text = pipe.received.authorization
      if (seen.at(-1)?.text !== text) seen.push({ text, at: world.now })
      world.tick(MINUTE)
    }
    expect(counts(world)).toEqual({ accepted: 24 * 60 })
    expect(only(world)).toBe(pipe)
    const stays = seen.slice(1).map(({ at }, index) => at - (seen[index]?.at ?? 0))
    expect(Math.min(...stays)).toBeGreaterThanOrEqual(20 * MINUTE)
    expect(Math.max(...stays)).toBeLessThanOrEqual(55 * MINUTE)
    expect(new Set(seen.map(({ text }) => text)).size).toBe(seen.length)
  })

  test.for([
    { minutes: 24, made: 1 },
    { minutes: 26, made: 2 },
  ])('a connection opened $minutes minutes after the first: $made made in all', ({ minutes, made }) => {
    const world = provenWorld()
    world.cut(only(world))
    world.tick(minutes * MINUTE)
    world.send([0])
    wait(world, () => world.pipes.length > 0)
    world.calm(0)
    expect([told(world), world.tokens]).toEqual(['0 accepted', made])
  })

  test('a connection keeps its token for 20 minutes, also when another one begins with a new one meanwhile', () => {
    const world = provenWorld({ connections: 2 }, 1)
    world.cut(only(world))
    world.tick(10 * MINUTE)
    world.send([0])
    wait(world, () => world.pipes.length > 0)
    const older = only(world)
    world.open(older, 1)
    answerAll(world, older, OK)
    world.tick(16 * MINUTE)
    // One request at a time on each, and a second that waits: another connection is opened.
    world.send([1, 2])
    pong(world, older)
    world.pump()
    wait(world, () => world.pipes.length > 1)
    const younger = world.pipes.find((pipe) => pipe !== older) as Pipe
    world.open(younger, 1)
    world.deliver(younger, Infinity)
    expect([older, younger].map(({ received }) => received.authorization)).toEqual(['bearer token-1', 'bearer token-2'])
    for (const [index, text] of ['token-1', 'token-2'].entries()) {
      answerAll(world, older, OK)
      answerAll(world, younger, OK)
      world.tick(index * 5 * MINUTE)
      world.send([3 + 2 * index, 4 + 2 * index])
      for (const pipe of world.pipes) pong(world, pipe)
      world.pump()
      expect(older.received.authorization).toBe(`bearer ${text}`)
    }
  })

  test('one that Apple calls expired is renewed once for all that were refused with it', () => {
    const world = provenWorld()
    world.send(numbers(5))
    const pipe = only(world)
    for (let i = 0; i < 5; i++) world.answer(pipe, 0, { status: 403, reason: 'ExpiredProviderToken' })
    world.deliver(pipe, Infinity)
    expect(world.tokens).toBe(2)
    for (let round = 0; round < 100; round++) world.calm(10)
    expect(told(world)).toBe(
      numbers(5)
        .map((number) => `${number} accepted`)
        .join(', '),
    )
  })
})

describe('waiting', () => {
  test.for([1, 7, 60])('Retry-After of %i s: it goes again when they are over, and soon', (seconds) => {
    const world = provenWorld()
    world.send([0, 1])
    const pipe = only(world)
    world.answer(pipe, 0, { status: 429, reason: 'TooManyRequests', retryAfter: seconds })
    answerAll(world, pipe, OK)
    const waited = wait(world, () => {
      pong(world, pipe)
      return world.writes.get(0) === 2
    })
    expect(waited).toBeGreaterThanOrEqual(seconds * SECOND)
    expect(waited).toBeLessThanOrEqual(seconds * SECOND + 100)
    answerAll(world, pipe, OK)
    expect([told(world), world.complaints]).toEqual(['0 accepted ×2, 1 accepted', []])
  })

  test('without Retry-After each attempt waits longer', () => {
    const world = provenWorld({ attempts: 5 })
    world.send([0])
    const waits = numbers(4).map((number) => {
      answerAll(world, only(world), { status: 429, reason: 'TooManyRequests' })
      return wait(world, () => world.writes.get(0) === number + 2, 1)
    })
    expect(waits).toEqual([75, 150, 300, 600])
    answerAll(world, only(world), { status: 429, reason: 'TooManyRequests' })
    expect(told(world)).toBe('0 rejected TooManyRequests ×5')
  })

  test('its expiration passes meanwhile: it is not written again', () => {
    const world = provenWorld()
    const call = world.engine.intake.openCall('report', undefined)
    const { content, ...rest } = numbered(0)
    call.enqueue([{ ...rest, content: { ...content, expiration: Math.floor(world.unixMs / 1000) + 3 } }])
    call.inputEnded = true
    world.calls.push(call)
    world.pump()
    answerAll(world, only(world), { status: 429, reason: 'TooManyRequests', retryAfter: 5 })
    wait(world, () => world.finished)
    expect([told(world), world.writes.get(0)]).toEqual(['0 rejected Expired', 1])
  })

  test('its deadline comes meanwhile: it is given back then', () => {
    const world = provenWorld()
    world.send([0], 'report', () => 3 * SECOND)
    answerAll(world, only(world), { status: 429, reason: 'TooManyRequests', retryAfter: 50 })
    wait(world, () => world.finished)
    expect(told(world)).toBe('0 unsent Deadline')
    expect(world.now).toBeLessThanOrEqual(3 * SECOND + 10)
  })
})

test.for([201, 204, 299])('an answer of %i is no proof, and not asked for twice', (status) => {
  const world = provenWorld()
  world.send([0])
  answerAll(world, only(world), { status })
  expect([told(world), world.writes.get(0)]).toEqual(['0 unconfirmed PositionUnknown', 1])
})

describe('a hold', () => {
  test('begins with the twentieth answer in a row, and lets one through after the other', () => {
    const world = heldWorld()
    expect(world.events.filter(({ kind }) => kind === 'hold')).toEqual([{ kind: 'hold', holding: true }])
    const waits: number[] = []
    for (let i = 0; i < 8; i++) {
      waits.push(wait(world, () => only(world).requests.length > 0, 1))
      expect(only(world).requests.length).toBe(1)
      answerAll(world, only(world), UNAVAILABLE)
    }
    expect(waits.slice(1)).toEqual([150, 300, 600, 1200, 1500, 1500, 1500])
    // None of the attempts during the hold counts.
    wait(world, () => only(world).requests.length > 0)
    answerAll(world, only(world), OK)
    wait(world, () => {
      answerAll(world, only(world), OK)
      return world.finished
    })
    expect(counts(world)).toEqual({ accepted: 100 })
    expect(Math.max(...[...world.outcomes.values()].map(({ attempts }) => attempts))).toBeLessThanOrEqual(2)
    expect(world.events.filter(({ kind }) => kind === 'hold').length).toBe(2)
  })

  test('an answer of 200 between starts the count again', () => {
    const world = provenWorld({}, 20)
    world.send(numbers(39))
    for (let i = 0; i < 19; i++) world.answer(only(world), 0, UNAVAILABLE)
    world.answer(only(world), 0, OK)
    for (let i = 0; i < 19; i++) world.answer(only(world), 0, UNAVAILABLE)
    world.deliver(only(world), Infinity)
    expect(world.events.filter(({ kind }) => kind === 'hold')).toEqual([])
  })

  test('of a minute gives everything back, and says until when', () => {
    const world = heldWorld()
    const call = world.calls[0] as Call
    const held = wait(world, () => {
      for (const pipe of world.pipes) {
        pong(world, pipe)
        answerAll(world, pipe, UNAVAILABLE)
      }
      return world.finished
    })
    expect(held).toBeGreaterThanOrEqual(59 * SECOND)
    expect(held).toBeLessThanOrEqual(62 * SECOND)
    expect(errorOf(call)).toBe('unavailable')
    expect(counts(world)).toEqual({ 'unsent RetryLater': 100 })
    for (const { retryAt } of world.outcomes.values()) expect(retryAt).toBeGreaterThanOrEqual(world.unixMs + MINUTE - 1)
    // Work that comes later waits for a minute of its own, and goes through where it may.
    world.send([500])
    wait(world, () => only(world).requests.length > 0)
    answerAll(world, only(world), OK)
    expect(world.outcomes.get(500)).toMatchObject({ kind: 'accepted' })
  })

  test('obeys Retry-After', () => {
    const world = heldWorld()
    wait(world, () => only(world).requests.length > 0)
    answerAll(world, only(world), { ...UNAVAILABLE, retryAfter: 30 })
    expect(wait(world, () => only(world).requests.length > 0)).toBeGreaterThanOrEqual(30 * SECOND)
  })

  test('ends as well where every stream is refused for ever', () => {
    const world = provenWorld({}, 20)
    const call = world.send(numbers(100))
    wait(world, () => {
      for (const pipe of world.pipes) {
        pong(world, pipe)
        while (pipe.requests.length > 0) world.resetStream(pipe, 0, undefined)
        world.deliver(pipe, Infinity)
      }
      return world.finished
    })
    expect([counts(world), errorOf(call)]).toEqual([{ 'unsent RetryLater': 100 }, 'unavailable'])
  })
})

describe('silence', () => {
  test('an idle connection is asked for life after an hour, and left where it gives none', () => {
    const world = provenWorld()
    const pipe = only(world)
    expect(wait(world, () => pipe.link.pingedAt !== undefined, SECOND)).toBeGreaterThanOrEqual(59 * MINUTE)
    pong(world, pipe)
    expect(wait(world, () => pipe.link.pingedAt !== undefined, SECOND)).toBeGreaterThanOrEqual(59 * MINUTE)
    expect(wait(world, () => world.pipes.length === 0)).toBe(10 * SECOND)
  })

  test('one that was quiet for a minute is asked before anything is written on it', () => {
    const world = provenWorld()
    const pipe = only(world)
    world.tick(2 * MINUTE)
    world.send([0])
    expect(pipe.requests.length).toBe(0)
    pong(world, pipe)
    world.pump()
    expect(pipe.requests.length).toBe(1)
  })

  test('and where it gives no sign, another one is opened, and nothing was written', () => {
    const world = provenWorld()
    world.tick(2 * MINUTE)
    world.send([0])
    wait(world, () => world.pipes.some(({ open }) => !open))
    for (let round = 0; round < 2000 && !world.finished; round++) world.calm(10)
    expect([told(world), world.writes.get(0)]).toEqual(['0 accepted', 1])
  })

  test('a server that answers nothing but PINGs: nothing is reached, within minutes', () => {
    const world = new ProviderWorld({ connectionsPerSecond: 4 })
    const call = world.send(numbers(100))
    const waited = wait(
      world,
      () => {
        for (const pipe of world.pipes) {
          world.open(pipe, 1000)
          world.deliver(pipe, Infinity)
          pong(world, pipe)
        }
        return world.finished
      },
      100,
    )
    expect(waited).toBeLessThanOrEqual(5 * MINUTE)
    expect([counts(world), errorOf(call)]).toEqual([
      { 'unconfirmed NoAnswer': 10, 'unsent Unreachable': 90 },
      'unreachable',
    ])
  })

  test('one that stops answering anything but PINGs is left after the time for an answer', () => {
    const world = provenWorld({}, 10)
    const mute = only(world)
    world.send(numbers(100))
    wait(
      world,
      () => {
        pong(world, mute)
        for (const pipe of world.pipes) {
          if (pipe === mute) continue
          world.open(pipe, 1000)
          answerAll(world, pipe, OK)
        }
        return world.finished
      },
      100,
    )
    expect(counts(world)).toEqual({ accepted: 90, 'unconfirmed NoAnswer': 10 })
    expect(world.pipes).not.toContain(mute)
  })

  test('a single silent stream among others that are answered costs nothing else', () => {
    const world = provenWorld({}, 10)
    const pipe = only(world)
    world.send([0])
    world.swallow(pipe, 0, false)
    for (let number = 1; number < 40; number++) {
      world.send([number])
      answerAll(world, pipe, OK)
      world.tick(SECOND)
    }
    expect(counts(world)).toEqual({ accepted: 39, 'unconfirmed NoAnswer': 1 })
    expect(only(world)).toBe(pipe)
  })
})

describe('connections', () => {
  test('ten in a row that cannot be opened: nothing is reached, with longer waits between', () => {
    const world = new ProviderWorld({ connectionsPerSecond: 100 })
    const call = world.send(numbers(100))
    const opened: number[] = []
    wait(
      world,
      () => {
        const [pipe] = world.pipes
        if (pipe !== undefined) {
          opened.push(world.now)
          world.cut(pipe)
        }
        return world.finished
      },
      1,
    )
    expect([counts(world), errorOf(call)]).toEqual([{ 'unsent Unreachable': 100 }, 'unreachable'])
    const waits = opened.slice(1).map((at, index) => at - (opened[index] ?? 0))
    expect(waits).toEqual([75, 150, 300, 600, 1200, 1500, 1500, 1500, 1500])
  })

  test.for([
    { what: 'a GOAWAY that names no stream', limit: 1000, goaway: true },
    { what: 'no leave for any stream', limit: 0, goaway: false },
  ])('ten in a row with $what: nothing is reached', ({ limit, goaway }) => {
    const world = new ProviderWorld({ connectionsPerSecond: 100 })
    const call = world.send(numbers(100))
    let opened = 0
    wait(world, () => {
      for (const pipe of world.pipes) {
        if (!pipe.open) {
          opened++
          world.open(pipe, limit)
          if (goaway) world.goaway(pipe, 0)
        }
        world.deliver(pipe, Infinity)
        pong(world, pipe)
      }
      return world.finished
    })
    expect([counts(world), errorOf(call), opened]).toEqual([{ 'unsent Unreachable': 100 }, 'unreachable', 10])
  })

  test('another one is opened only where answers take their time', () => {
    const quick = provenWorld({}, 10)
    quick.send(numbers(500))
    for (let round = 0; round < 100; round++) {
      for (const pipe of quick.pipes) answerAll(quick, pipe, OK)
      quick.tick(10)
    }
    expect([counts(quick), quick.pipes.length]).toEqual([{ accepted: 500 }, 1])
    const slow = provenWorld({ connections: 3 }, 10)
    slow.send(numbers(500))
    slow.tick(10)
    expect(slow.pipes.length).toBe(1)
    slow.tick(20)
    expect(slow.pipes.length).toBe(2)
    // One after the other: the second has to prove itself before a third is opened.
    slow.tick(100)
    expect(slow.pipes.length).toBe(2)
  })

  test('all are closed when the sender is, and only then', () => {
    const world = provenWorld()
    world.send(numbers(3))
    world.engine.intake.drain()
    world.pump()
    expect(world.pipes.length).toBe(1)
    answerAll(world, only(world), OK)
    world.pump()
    expect([told(world), world.pipes.length, world.engine.idle]).toEqual([
      '0 accepted, 1 accepted, 2 accepted',
      0,
      true,
    ])
  })
})
