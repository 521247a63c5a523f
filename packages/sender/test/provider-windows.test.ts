import { setImmediate } from 'node:timers/promises'

import { HTTP2_ERROR, SETTING } from '@lhspn/apns-protocol/http2'
import * as fc from 'fast-check'
import { afterAll, describe, expect, test } from 'vitest'

import { expectNoLeftovers, numbered, type Numbered, outcomesOf, range, tally } from './delivery.ts'
import { openProviderSender } from './provider-delivery.ts'
import { type HeaderShape, make } from './raw-frames.ts'
import { openRawServer, type RawConnection } from './raw-http2-server.ts'

afterAll(expectNoLeftovers)

const { HEADER_TABLE_SIZE, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, MAX_HEADER_LIST_SIZE } = SETTING

/** One with a payload of some thousand bytes at most. */
function sized(number: number, bytes: number): Numbered {
  return { ...numbered(number), content: { payload: { aps: { alert: 'x'.repeat(bytes) } } } }
}

describe('whatever a server allows is enough, and never passed', () => {
  test.for([
    { what: 'streams without a window, which is then opened', settings: [[INITIAL_WINDOW_SIZE, 0]], widenTo: 5000 },
    { what: 'windows of one byte, opened by one byte', settings: [[INITIAL_WINDOW_SIZE, 1]], widenTo: 1 },
    { what: 'windows of a hundred bytes', settings: [[INITIAL_WINDOW_SIZE, 100]], widenTo: 99 },
    { what: 'the largest windows', settings: [[INITIAL_WINDOW_SIZE, 2 ** 31 - 1]], widenTo: 65_535 },
    { what: 'the largest frames', settings: [[MAX_FRAME_SIZE, 2 ** 24 - 1]], widenTo: 65_535 },
    { what: 'no table of headers', settings: [[HEADER_TABLE_SIZE, 0]], widenTo: 65_535 },
    { what: 'a large table of headers', settings: [[HEADER_TABLE_SIZE, 2 ** 32 - 1]], widenTo: 65_535 },
    { what: 'one stream', settings: [[MAX_CONCURRENT_STREAMS, 1]], widenTo: 65_535 },
    { what: 'more streams than there are', settings: [[MAX_CONCURRENT_STREAMS, 2 ** 32 - 1]], widenTo: 65_535 },
    { what: 'short lists of headers', settings: [[MAX_HEADER_LIST_SIZE, 500]], widenTo: 65_535 },
  ] as const)('$what', async ({ settings, widenTo }, context) => {
    const server = await openRawServer(context, { settings, widenTo })
    const { sender } = await openProviderSender(context, server.address)
    const sent = Array.from({ length: 60 }, (_, number) => sized(number, 20 * number))
    expect(tally(await outcomesOf(sender.send([sent])))).toEqual({ accepted: 60 })
    expect(server.complaints).toEqual([])
    expect(server.connections.length).toBe(1)
    const arrived = new Map(server.requests.map(({ token, payload }) => [token, payload.toString()]))
    expect(arrived).toEqual(new Map(sent.map(({ token, content }) => [token, JSON.stringify(content.payload)])))
    expect(server.connections[0]?.settingsAcks).toBe(1)
  })
})

test('one stream until the first answer, then as many as are allowed, and never more', async (context) => {
  let most = 0
  const server = await openRawServer(context, {
    settings: [[MAX_CONCURRENT_STREAMS, 7]],
    request: (connection, { stream }) => {
      most = Math.max(most, connection.openStreams)
      if (connection.requests.length === 1) expect(connection.openStreams).toBe(1)
      void answerLater(connection, stream, 5)
    },
  })
  const { sender } = await openProviderSender(context, server.address)
  expect(tally(await outcomesOf(sender.send([range(0, 100)])))).toEqual({ accepted: 100 })
  expect([server.complaints, most]).toEqual([[], 7])
})

test('fewer streams than are open: none is opened until enough have ended', async (context) => {
  const held: number[] = []
  const server = await openRawServer(context, {
    settings: [[MAX_CONCURRENT_STREAMS, 20]],
    request: (connection, { stream }) => {
      if (connection.requests.length <= 20 && connection.requests.length > 1) {
        held.push(stream)
        if (held.length === 19) connection.settings([[MAX_CONCURRENT_STREAMS, 3]])
      } else connection.answer(stream, 200)
    },
    acknowledged: (connection) => {
      if (connection.settingsAcks === 2) for (const stream of held.toReversed()) connection.answer(stream, 200)
    },
  })
  const { sender } = await openProviderSender(context, server.address)
  expect(tally(await outcomesOf(sender.send([range(0, 100)])))).toEqual({ accepted: 100 })
  expect(server.complaints).toEqual([])
})

test('no streams at all for a while: it waits, and goes on where it is allowed to', async (context) => {
  const server = await openRawServer(context, {
    request: (connection, { stream }) => {
      if (connection.requests.length === 5) connection.settings([[MAX_CONCURRENT_STREAMS, 0]])
      connection.answer(stream, 200)
    },
    acknowledged: (connection) => {
      if (connection.settingsAcks === 2) connection.settings([[MAX_CONCURRENT_STREAMS, 10]])
    },
  })
  const { sender } = await openProviderSender(context, server.address)
  expect(tally(await outcomesOf(sender.send([range(0, 50)])))).toEqual({ accepted: 50 })
  expect(server.complaints).toEqual([])
})

test('no streams at all for too long: another connection is opened', async (context) => {
  const server = await openRawServer(context, (nth) => (nth < 3 ? { settings: [[MAX_CONCURRENT_STREAMS, 0]] } : {}))
  const { sender } = await openProviderSender(context, server.address, { requestTimeoutMs: 500 })
  expect(tally(await outcomesOf(sender.send([range(0, 5)])))).toEqual({ accepted: 5 })
  expect(server.connections.map(({ requests }) => requests.length)).toEqual([0, 0, 5])
})

test('no window on the connection: what is begun waits for it', async (context) => {
  const server = await openRawServer(context, {
    widenTo: 0,
    request: (connection, { stream }) => connection.answer(stream, 200),
  })
  const { sender } = await openProviderSender(context, server.address)
  const sending = outcomesOf(sender.send([Array.from({ length: 40 }, (_, number) => sized(number, 3000))]))
  const arrived = (): number => server.connections[0]?.dataFrames.reduce((sum, { bytes }) => sum + bytes, 0) ?? 0
  for (let allowed = 65_535; allowed < 40 * 3100; allowed += 4000) {
    await server.until(() => arrived() === Math.min(allowed, 40 * (3000 + payloadBytes(0))))
    server.connections[0]?.widen(0, 4000)
  }
  expect(tally(await sending)).toEqual({ accepted: 40 })
  expect(server.complaints).toEqual([])
})

test('a window that the server takes back leaves a debt, which is paid before anything is written', async (context) => {
  const server = await openRawServer(context, {
    settings: [[INITIAL_WINDOW_SIZE, 50]],
    widenTo: 0,
    headers: (connection, stream) => {
      if (connection.streams.length === 1) connection.widen(stream, 5000)
      else if (connection.streams.length === 5) connection.settings([[INITIAL_WINDOW_SIZE, 10]])
    },
    acknowledged: (connection) => {
      // Each has had 50 bytes of window and written them: 40 are owed.
      if (connection.settingsAcks === 2) for (const stream of connection.streams) connection.widen(stream, 41)
      if (connection.settingsAcks === 2) connection.settings([[INITIAL_WINDOW_SIZE, 60_000]])
    },
  })
  const { sender } = await openProviderSender(context, server.address)
  const sent = Array.from({ length: 5 }, (_, number) => sized(number, 1000))
  expect(tally(await outcomesOf(sender.send([sent])))).toEqual({ accepted: 5 })
  expect(server.complaints).toEqual([])
})

test('a window that only becomes too large by the initial one ends the connection', async (context) => {
  const settings = [[INITIAL_WINDOW_SIZE, 0]] as const
  const server = await openRawServer(context, (nth) => ({
    settings,
    widenTo: nth === 1 ? 0 : 5000,
    headers: (connection, stream) => {
      const tooMuch = [make.windowUpdate(stream, 2 ** 31 - 1), make.settings([[INITIAL_WINDOW_SIZE, 1]])]
      if (nth === 1) connection.write(Buffer.concat(tooMuch))
    },
  }))
  const { sender } = await openProviderSender(context, server.address)
  expect(tally(await outcomesOf(sender.send([range(0, 5)])))).toEqual({ accepted: 4, 'unconfirmed ConnectionLost': 1 })
  await server.until(({ connections }) => connections.some(({ closed }) => closed))
  expect(server.connections[0]?.goaways).toEqual([HTTP2_ERROR.FLOW_CONTROL_ERROR])
})

test('a table of headers that the server makes smaller, again and again', async (context) => {
  const sizes = [4000, 0, 4096, 100, 65_536, 0]
  const server = await openRawServer(context, {
    request: (connection, { stream }) => {
      const size = sizes.shift()
      if (size !== undefined) connection.settings([[HEADER_TABLE_SIZE, size]])
      connection.answer(stream, 200)
    },
  })
  const { sender } = await openProviderSender(context, server.address)
  expect(tally(await outcomesOf(sender.send([range(0, 200)])))).toEqual({ accepted: 200 })
  expect(server.complaints).toEqual([])
})

interface Move {
  readonly settings: [number, number][]
  readonly turns: number
  readonly shape: HeaderShape
  readonly ping: boolean
}

const setting = fc.oneof(
  fc.tuple(fc.constant(HEADER_TABLE_SIZE), fc.constantFrom(0, 1, 100, 4096, 100_000)),
  fc.tuple(fc.constant(MAX_CONCURRENT_STREAMS), fc.constantFrom(0, 1, 2, 3, 10, 1000)),
  fc.tuple(fc.constant(INITIAL_WINDOW_SIZE), fc.constantFrom(0, 1, 10, 500, 65_535, 2 ** 30)),
  fc.tuple(fc.constant(MAX_FRAME_SIZE), fc.constantFrom(16_384, 100_000)),
)
const move: fc.Arbitrary<Move> = fc.record({
  settings: fc.array(setting, { maxLength: 3 }),
  turns: fc.nat(8),
  shape: fc.record(
    { padding: fc.nat(255), priority: fc.boolean(), cuts: fc.array(fc.nat(4), { maxLength: 3 }) },
    { requiredKeys: [] },
  ),
  ping: fc.boolean(),
})

test('whatever it allows, takes back and sends between, all is delivered and nothing is passed', async (context) => {
  expect.hasAssertions()
  const schedule = fc.record({
    moves: fc.array(move, { minLength: 1, maxLength: 12 }),
    widenTo: fc.integer({ min: 1, max: 300 }),
  })
  await fc.assert(
    fc.asyncProperty(schedule, async ({ moves, widenTo }) => {
      const server = await openRawServer(context, {
        widenTo,
        settings: moves[0]?.settings.filter(([id, value]) => id !== MAX_CONCURRENT_STREAMS || value > 0) ?? [],
        request: (connection, { stream }) => {
          const { settings, turns, shape, ping } = moves[connection.requests.length % moves.length] as Move
          if (settings.length > 0) connection.settings(settings)
          if (ping) connection.sendPing(Buffer.alloc(8, connection.requests.length))
          void answerLater(connection, stream, turns, shape)
        },
        acknowledged: (connection) => {
          if (connection.allows(MAX_CONCURRENT_STREAMS) === 0) connection.settings([[MAX_CONCURRENT_STREAMS, 5]])
        },
      })
      const { sender } = await openProviderSender(context, server.address)
      const sent = Array.from({ length: 60 }, (_, number) => sized(number, (number * 37) % 1000))
      expect(tally(await outcomesOf(sender.send([sent])))).toEqual({ accepted: 60 })
      expect(server.complaints).toEqual([])
      expect(server.requests.length).toBe(60)
      await sender.close()
    }),
    { numRuns: Number(process.env['LHSPN_LAW_RUNS'] ?? 60) },
  )
})

function payloadBytes(alert: number): number {
  return JSON.stringify(sized(0, alert).content.payload).length
}

async function answerLater(
  connection: RawConnection,
  stream: number,
  turns: number,
  shape: HeaderShape = {},
): Promise<void> {
  for (let turn = 0; turn < turns; turn++) await setImmediate()
  connection.answer(stream, 200, { shape })
}
