import { describe, expect, test } from 'vitest'

import { told } from '../../test/engine-world.ts'
import { type Answer, GatewayWorld, type Pipe } from '../../test/gateway-world.ts'
import { numbered, numbers } from '../../test/numbered.ts'
import type { Ending } from '../call.ts'
import { SenderError } from '../errors.ts'
import type { ResendEngineOptions } from './resend-engine.ts'

/** A world in which the lone barrier has had its answer and the connection to be written next is open. */
function provenWorld(options: Partial<ResendEngineOptions> = {}): GatewayWorld {
  const world = new GatewayWorld(true, options)
  world.send([1000])
  while (!world.finished) world.calm(1)
  // So long after the last barrier that the next one waits for nothing.
  world.tick(5000)
  world.outcomes.clear()
  world.taken.clear()
  world.calls = []
  return world
}

/** The connection that carries notifications which are not settled. */
function active(world: GatewayWorld): Pipe {
  const pipe = world.pipes.find(({ link }) => link.window.size > 0)
  if (pipe === undefined) throw new Error('nothing is in flight')
  return pipe
}

/** Opens what is to be opened until something is in flight. */
function write(world: GatewayWorld): Pipe {
  while (world.pipes.every(({ link }) => link.window.size === 0)) {
    for (const pipe of world.pipes) world.open(pipe)
    world.tick(1)
  }
  return active(world)
}

/** The numbers that the gateway finds on a connection, barriers as `|`. */
function onWire(pipe: Pipe): string {
  return pipe.unread.map(({ token }) => (token === '' ? '|' : String(Number.parseInt(token, 16) - 1))).join(' ')
}

describe('before anything is known', () => {
  test('a lone barrier is written ahead of any notification', () => {
    const world = new GatewayWorld(true)
    world.send(numbers(3))
    const [first] = world.pipes
    world.open(first as Pipe)
    expect(onWire(first as Pipe)).toBe('|')
  })

  test('its answer proves barriers; then a single notification is proven at once', () => {
    const world = new GatewayWorld(true)
    world.send([0])
    for (let round = 0; round < 4; round++) world.calm(0)
    expect([told(world), world.now]).toEqual(['0 accepted', 0])
  })

  test.for([3, 6])('status %i to it is a fault of the credentials: nothing is spent', (status) => {
    const world = new GatewayWorld(false)
    const call = world.send(numbers(3))
    const [first] = world.pipes as [Pipe]
    world.open(first)
    world.engine.received(first.link, new Uint8Array([8, status, 0, 0, 0, 1]), world.now)
    world.pump()
    expect(told(world)).toBe('0 unsent Stopped ×0, 1 unsent Stopped ×0, 2 unsent Stopped ×0')
    expect(call.error).toMatchObject({ code: 'credentials-refused' })
    expect(world.send([9]).error).toBe(call.error)
  })

  test('a bare close, and another one with nothing written, is a fault of the credentials', () => {
    const world = new GatewayWorld(false)
    const call = world.send([0])
    world.open(world.pipes[0] as Pipe)
    world.cut(world.pipes[0] as Pipe)
    world.tick(1000)
    const probe = world.pipes[0] as Pipe
    world.open(probe)
    expect(onWire(probe)).toBe('')
    world.tick(2999)
    world.cut(probe)
    expect([told(world), call.error?.code]).toEqual(['0 unsent Stopped ×0', 'credentials-refused'])
  })

  test('a bare close, and a connection that stays, means no barriers: notifications leave after the quiet time', () => {
    const world = new GatewayWorld(false)
    world.send([0])
    world.open(world.pipes[0] as Pipe)
    world.cut(world.pipes[0] as Pipe)
    world.tick(1000)
    world.open(world.pipes[0] as Pipe)
    world.tick(3000)
    expect(onWire(active(world))).toBe('0')
    world.tick(2999)
    expect(told(world)).toBe('')
    world.tick(1)
    expect(told(world)).toBe('0 unconfirmed Quiet')
  })

  test('silence for the quiet time means no barriers; an answer that comes late means barriers after all', () => {
    const world = new GatewayWorld(true)
    world.send([0])
    const [lone] = world.pipes as [Pipe]
    world.open(lone)
    world.tick(3000)
    const writing = write(world)
    expect(onWire(writing)).toBe('0')
    world.read(lone, 1)
    world.deliver(lone, 6)
    expect(onWire(writing)).toBe('0 |')
    expect(world.events).toEqual([
      { kind: 'barriers', answered: false },
      { kind: 'barriers', answered: true },
    ])
  })

  test('a gateway that seemed to answer no barriers is asked again after a minute, on a connection of its own', () => {
    const world = new GatewayWorld(true)
    world.send([0])
    world.open(world.pipes[0] as Pipe)
    world.cut(world.pipes[0] as Pipe)
    world.tick(1000)
    world.open(world.pipes[0] as Pipe)
    world.tick(3000)
    const writing = active(world)
    world.tick(3000)
    expect(told(world)).toBe('0 unconfirmed Quiet')
    world.tick(55_000)
    world.send([1])
    world.tick(1)
    const asking = world.pipes.find((pipe) => pipe !== writing) as Pipe
    world.open(asking)
    expect([onWire(writing), onWire(asking)]).toEqual(['0 1', '|'])
    world.read(asking, 1)
    world.deliver(asking, 6)
    expect(onWire(writing)).toBe('0 1 |')
    world.read(writing, 3)
    world.deliver(writing, 6)
    expect(told(world)).toBe('0 unconfirmed Quiet, 1 accepted')
  })

  test('a TLS alert stops the sender with the error that it was given', () => {
    const world = new GatewayWorld(true)
    const call = world.send([0])
    const alert = new SenderError('credentials-refused', 'alert', 'mend it')
    world.engine.closed((world.pipes[0] as Pipe).link, alert, 0)
    world.pump()
    expect([told(world), call.error]).toEqual(['0 unsent Stopped ×0', alert])
  })
})

const it = (status: number): Answer => ({ status, names: 'it' })

describe('an error response', () => {
  test.for([
    {
      rule: 'status 8: before it taken, it refused, behind it again',
      answer: it(8),
      settled: '0 accepted, 1 accepted, 2 rejected InvalidToken',
      again: '3 4 |',
    },
    {
      rule: 'status 10: it was the last that was taken',
      answer: it(10),
      settled: '0 accepted, 1 accepted, 2 accepted',
      again: '3 4 |',
    },
    {
      rule: 'status 1: it waits, those behind it do not',
      answer: it(1),
      settled: '0 accepted, 1 accepted',
      again: '3 4 |',
    },
    { rule: 'status 255: the same', answer: it(255), settled: '0 accepted, 1 accepted', again: '3 4 |' },
    {
      rule: 'a status that Apple never named: the same',
      answer: it(77),
      settled: '0 accepted, 1 accepted',
      again: '3 4 |',
    },
    {
      rule: 'status 7: about the content',
      answer: it(7),
      settled: '0 accepted, 1 accepted, 2 rejected InvalidPayloadSize',
      again: '3 4 |',
    },
    {
      rule: 'status 3: the credentials',
      answer: it(3),
      settled: '0 accepted, 1 accepted, 2 unsent Stopped ×0, 3 unsent Stopped ×0, 4 unsent Stopped ×0',
      again: undefined,
    },
    {
      rule: 'status 0 proves nothing',
      answer: it(0),
      settled: numbers(5)
        .map((n) => `${n} unconfirmed PositionUnknown`)
        .join(', '),
      again: undefined,
    },
    {
      rule: 'status 128 proves nothing',
      answer: it(128),
      settled: numbers(5)
        .map((n) => `${n} unconfirmed PositionUnknown`)
        .join(', '),
      again: undefined,
    },
    {
      rule: 'identifier 0 proves nothing',
      answer: { status: 8, names: 'zero' } as const,
      settled: numbers(5)
        .map((n) => `${n} unconfirmed PositionUnknown`)
        .join(', '),
      again: undefined,
    },
    {
      rule: 'an identifier never sent proves nothing',
      answer: { status: 8, names: 'never-sent' } as const,
      settled: numbers(5)
        .map((n) => `${n} unconfirmed PositionUnknown`)
        .join(', '),
      again: undefined,
    },
  ])('$rule', ({ answer, settled, again }) => {
    const world = provenWorld()
    world.send(numbers(5))
    const pipe = write(world)
    world.read(pipe, 3, answer)
    world.deliver(pipe, 6)
    expect(told(world)).toBe(settled)
    if (again !== undefined) {
      const next = write(world)
      world.tick(2000)
      expect(onWire(next).replace(' 2', '')).toBe(again)
    }
  })

  test.for([
    { status: 1, attempts: 3, reason: 'ProcessingError' },
    { status: 255, attempts: 2, reason: 'Unknown' },
  ])('status $status again and again: rejected after $attempts attempts', ({ status, attempts, reason }) => {
    const world = provenWorld()
    world.send([0])
    for (let round = 0; round < 20 && !world.finished; round++) {
      const pipe = write(world)
      world.read(pipe, 1, { status, names: 'it' })
      world.deliver(pipe, 6)
      world.tick(500)
    }
    expect(told(world)).toBe(`0 rejected ${reason} ×${attempts}`)
  })

  test('what goes again goes ahead of what was never written', () => {
    const world = provenWorld()
    world.send(numbers(20))
    const pipe = write(world)
    expect(onWire(pipe)).toBe('0 1 2 3 4 5 6 7 |')
    world.read(pipe, 4, { status: 8, names: 'it' })
    world.deliver(pipe, 6)
    for (let round = 0; round < 50 && !world.finished; round++) world.calm(500)
    expect(world.complaints).toEqual([])
    expect(world.outcomes.size).toBe(20)
  })

  test('naming the barrier, or 0 with status 2, proves the whole window', () => {
    for (const identifier of [4, 0]) {
      const world = provenWorld()
      world.send(numbers(3))
      const pipe = write(world)
      expect(onWire(pipe)).toBe('0 1 2 |')
      world.engine.received(pipe.link, new Uint8Array([8, 2, 0, 0, 0, identifier]), world.now)
      world.pump()
      expect(told(world)).toBe('0 accepted, 1 accepted, 2 accepted')
    }
  })

  test('split at any byte, and followed by garbage, it is the same', () => {
    for (let cut = 1; cut < 6; cut++) {
      const world = provenWorld()
      world.send(numbers(3))
      const pipe = write(world)
      const bytes = new Uint8Array([8, 8, 0, 0, 0, 2, 8, 8, 0, 0, 0, 1, 99])
      world.engine.received(pipe.link, bytes.subarray(0, cut), world.now)
      world.engine.received(pipe.link, bytes.subarray(cut), world.now)
      world.pump()
      expect(told(world)).toBe('0 accepted, 1 rejected InvalidToken')
    }
  })

  test('bytes that are none leave the position unknown', () => {
    const world = provenWorld()
    world.send([0])
    const pipe = write(world)
    world.engine.received(pipe.link, new Uint8Array([72, 84]), world.now)
    world.pump()
    expect(told(world)).toBe('0 unconfirmed PositionUnknown')
  })
})

describe('at an unknown position', () => {
  test('resend sends again until the attempts are used up, and then reports', () => {
    const world = provenWorld()
    world.send([0], 'resend')
    for (let round = 0; round < 3; round++) {
      world.cut(write(world))
      world.tick(2000)
    }
    expect(told(world)).toBe('0 unconfirmed ConnectionLost ×3')
  })

  test('one that went back from there never leaves as unsent, nor as rejected by the service', () => {
    const aborted = provenWorld()
    const call = aborted.send([0], 'resend')
    aborted.cut(write(aborted))
    aborted.engine.intake.end(call, 'Aborted')
    aborted.pump()
    expect(told(aborted)).toBe('0 unconfirmed PositionUnknown')

    const refused = provenWorld({ attempts: 2 })
    refused.send([0], 'resend')
    refused.cut(write(refused))
    refused.tick(2000)
    const pipe = write(refused)
    refused.read(pipe, 1, { status: 1, names: 'it' })
    refused.deliver(pipe, 6)
    expect(told(refused)).toBe('0 unconfirmed PositionUnknown ×2')
  })
})

describe('windows and barriers', () => {
  test('a full window ends with a barrier, and the next connection is written to meanwhile', () => {
    const world = provenWorld()
    world.send(numbers(12))
    const full = write(world)
    const next = world.pipes.find((pipe) => pipe !== full) ?? write(world)
    world.open(next)
    world.tick(0)
    expect([onWire(full), onWire(next)]).toEqual(['0 1 2 3 4 5 6 7 |', '8 9 10 11 |'])
  })

  test('a quarter of the next window is written ahead, the rest when the full one has its answer', () => {
    const world = provenWorld({ window: 1024 })
    world.send(numbers(4000))
    const full = write(world)
    const next = world.pipes.find((pipe) => pipe !== full) ?? write(world)
    world.open(next)
    const ahead = next.link.window.size
    // What was begun to be written is written to the end of its buffer, here of 16 KiB.
    expect([full.link.window.size, ahead >= 256, ahead < 256 + 256]).toEqual([1024, true, true])
    world.tick(240)
    expect(next.link.window.size).toBe(ahead)
    world.read(full, Infinity)
    world.deliver(full, 6)
    expect(next.link.window.size).toBe(1024)
  })

  test('an answer that takes its time holds nothing back: every connection is written to', () => {
    const world = provenWorld({ window: 1024 })
    world.send(numbers(4000))
    const full = write(world)
    world.open(world.pipes.find((pipe) => pipe !== full) ?? write(world))
    expect(world.engine.wakeAt() - world.now).toBeLessThanOrEqual(250)
    world.tick(250)
    for (let round = 0; round < 10; round++) {
      for (const pipe of world.pipes) world.open(pipe)
      world.tick(250)
    }
    expect(world.pipes.map(({ link }) => link.window.size)).toEqual([1024, 1024, 1024])
  })

  test('a window goes on while its connection is blocked, but nothing is added to it', () => {
    const world = provenWorld()
    world.send([99])
    while (!world.finished) world.calm(0)
    world.send([0])
    const pipe = write(world)
    pipe.link.blocked = true
    world.send(numbers(3, 1))
    expect(onWire(pipe)).toBe('0')
    world.tick(2000)
    expect(onWire(pipe)).toBe('0 |')
  })

  test('replacing a connection that a full window ended is free: a broadcast is not slowed down', () => {
    const world = provenWorld()
    const start = world.now
    world.send(numbers(800))
    while (!world.finished) world.calm(1)
    expect(world.now - start).toBeLessThan(3000)
  })

  test('no more connections have something unsettled than may', () => {
    const world = provenWorld({ connections: 2 })
    // Two calls, since the room of one is as large as the windows of all connections.
    world.send(numbers(100))
    world.send(numbers(100, 100))
    for (let round = 0; round < 20; round++) {
      for (const pipe of world.pipes) world.open(pipe)
      world.tick(500)
    }
    expect(world.pipes.filter(({ link }) => link.window.size > 0)).toHaveLength(2)
  })

  test('windows that are not full get their barriers 2 s apart', () => {
    const world = provenWorld()
    world.send([0])
    expect(onWire(write(world))).toBe('0 |')
    while (!world.finished) world.calm(0)
    world.send([1])
    const pipe = write(world)
    expect(onWire(pipe)).toBe('1')
    world.tick(2000)
    expect(onWire(pipe)).toBe('1 |')
  })

  test('a quarter of a window that nothing is added to gets its barrier soon, and so does what is left behind it', () => {
    const world = provenWorld({ window: 64 })
    world.send([0])
    while (!world.finished) world.calm(0)
    // sooner than 2 s after that barrier
    world.send(numbers(16, 1))
    const pipe = write(world)
    const large = onWire(pipe)
    world.tick(40)
    expect(onWire(pipe)).toBe(large)
    world.tick(10)
    expect(onWire(pipe)).toBe(`${large} |`)
    while (!world.finished) world.calm(0)
    world.send([17])
    const rest = write(world)
    world.tick(50)
    expect(onWire(rest)).toBe('17 |')
    while (!world.finished) world.calm(0)
    world.send(numbers(15, 18))
    const small = write(world)
    world.tick(1000)
    expect(onWire(small)).not.toContain('|')
  })

  test.for<Ending>(['Aborted', 'Draining'])(
    '%s: the barrier is written at once, what was not written leaves unsent',
    (ending) => {
      const world = provenWorld()
      world.send([99])
      while (!world.finished) world.calm(0)
      const call = world.send(numbers(4))
      const pipe = write(world)
      world.engine.intake.end(call, ending)
      world.pump()
      expect(onWire(pipe)).toBe('0 1 2 3 |')
    },
  )

  test('a barrier that is not answered in time leaves its window unconfirmed', () => {
    const world = provenWorld()
    world.send([0])
    write(world)
    world.tick(19_998)
    expect(told(world)).toBe('')
    world.tick(2)
    expect(told(world)).toBe('0 unconfirmed NoAnswer')
  })

  test('without barriers an error response settles what has not left, and sends all behind it again where it has', () => {
    const world = new GatewayWorld(false, { window: 8 })
    world.send(numbers(2))
    world.open(world.pipes[0] as Pipe)
    world.tick(3000)
    const pipe = write(world)
    expect(onWire(pipe)).toBe('0 1')
    world.tick(3000)
    expect(told(world)).toBe('0 unconfirmed Quiet, 1 unconfirmed Quiet')
    world.send([2, 3])
    expect(onWire(pipe)).toBe('0 1 2 3')
    world.engine.received(pipe.link, new Uint8Array([8, 8, 0, 0, 0, 1]), world.now)
    world.pump()
    expect(world.outcomes.size).toBe(2)
    expect(onWire(write(world))).toBe('2 3')
  })

  test('a gateway that stays silent may be assumed to accept', () => {
    const world = new GatewayWorld(false, { assumeAccepted: true })
    world.send([0])
    world.open(world.pipes[0] as Pipe)
    world.tick(3000)
    write(world)
    world.tick(3000)
    expect(told(world)).toBe('0 accepted Assumed')
  })
})

describe('connections', () => {
  test('ten in a row that fail to open make it unreachable; the next call tries again', () => {
    const world = new GatewayWorld(true)
    const call = world.send(numbers(2))
    let failed = 0
    while (!call.finished) {
      for (const pipe of world.pipes) {
        world.cut(pipe)
        failed++
      }
      world.tick(100)
    }
    expect([failed, told(world), call.error?.code]).toEqual([
      10,
      '0 unsent Unreachable ×0, 1 unsent Unreachable ×0',
      'unreachable',
    ])
    world.send([2])
    world.tick(2000)
    expect(world.pipes).toHaveLength(1)
  })

  test('ten in a row that settle nothing of what they had make it unreachable', () => {
    const world = provenWorld()
    const call = world.send(numbers(1000))
    let lost = 0
    for (; !call.finished; lost++) {
      world.cut(write(world))
      world.tick(2000)
    }
    expect([lost, call.error?.code]).toEqual([10, 'unreachable'])
    expect([...world.outcomes.values()].filter(({ kind }) => kind === 'unconfirmed')).toHaveLength(80)
    expect([...world.outcomes.values()].filter(({ kind }) => kind === 'unsent')).toHaveLength(920)
  })

  test('one that does not open in time counts as failed', () => {
    const world = new GatewayWorld(true)
    world.send([0])
    const [slow] = world.pipes
    world.tick(20_000)
    expect(world.pipes).not.toContain(slow)
  })

  test('an idle one is not trusted after a minute', () => {
    const world = provenWorld()
    world.send(numbers(20))
    while (!world.finished) world.calm(0)
    for (const pipe of world.pipes) world.open(pipe)
    world.tick(60_000)
    expect(world.pipes).toEqual([])
  })

  test('at most four a second are opened, those not counted that replace one which ended as it should', () => {
    const world = provenWorld()
    world.send(numbers(100))
    let opened = 0
    for (let ms = 0; ms < 1000; ms += 10) {
      const fresh = world.pipes.filter((pipe) => !pipe.open)
      opened += fresh.length
      for (const pipe of fresh) {
        world.open(pipe)
        world.cut(pipe)
      }
      world.tick(10)
    }
    expect(opened).toBeLessThanOrEqual(4)
  })
})

describe('calls', () => {
  test('take turns, so that one notification does not wait behind a broadcast', () => {
    const world = provenWorld({ window: 256 })
    world.send(numbers(1000))
    world.send([5000])
    const pipe = write(world)
    expect(onWire(pipe).split(' ').slice(0, 200)).toContain('5000')
  })

  test('who does not take outcomes stops only itself', () => {
    const world = provenWorld()
    const sleeper = world.engine.intake.openCall('report', undefined)
    sleeper.enqueue(numbers(1000, 5000).map(numbered))
    world.send(numbers(200))
    for (let round = 0; round < 300 && !world.finished; round++) world.calm(100)
    expect([world.finished, world.outcomes.size, sleeper.queued]).toEqual([true, 200, 1000 - 3 * 8])
    expect(sleeper.takeOutcomes()).toHaveLength(24)
    for (let round = 0; round < 100; round++) world.calm(100)
    expect(sleeper.queued).toBe(1000 - 6 * 8)
  })

  test('a deadline is read before every write', () => {
    const world = provenWorld()
    let deadline = world.now + 10_000
    world.send(numbers(12), 'report', () => deadline)
    deadline = world.now
    world.pump()
    expect([...world.outcomes.values()].every(({ reason }) => reason === 'Deadline')).toBe(true)
  })

  test('a deadline that is no number has come, and hides nobody else’s time', () => {
    const world = provenWorld()
    world.send([0], 'report', () => Number.NaN)
    expect(told(world)).toBe('0 unsent Deadline ×0')
    world.send([1], 'report', () => world.now + 500)
    expect(world.engine.wakeAt()).toBeLessThanOrEqual(world.now + 500)
  })

  test('what cannot be sent is refused alone, and its neighbours go', () => {
    const world = provenWorld()
    const call = world.engine.intake.openCall('report', undefined)
    const good = { number: 0, token: '01', content: { payload: { aps: { alert: 'Hi' } } } }
    call.enqueue([
      good,
      { ...good, number: 1, token: '' },
      { ...good, number: 2, token: 'xy' },
      { ...good, number: 3, badge: -1 },
      { ...good, number: 4, content: { payload: { aps: { alert: 'x'.repeat(2048) } } } },
      { ...good, number: 5, content: { ...good.content, expiration: 1_600_000_000 } },
      { ...good, number: 6, token: '07' },
      { ...good, number: 7, token: undefined },
      { ...good, number: 8, content: null },
      { ...good, number: 9, content: { ...good.content, expiration: -5 } },
    ] as never)
    call.inputEnded = true
    world.calls.push(call)
    while (!world.finished) world.calm(500)
    expect(told(world)).toBe(
      '0 accepted, 1 rejected MalformedToken ×0, 2 rejected MalformedToken ×0, 3 rejected MalformedBadge ×0, 4 rejected ContentRefused ×0, 5 rejected Expired ×0, 6 accepted, 7 rejected MalformedToken ×0, 8 rejected ContentRefused ×0, 9 rejected ContentRefused ×0',
    )
  })
})
