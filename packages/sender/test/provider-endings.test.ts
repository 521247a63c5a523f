import { FRAME, HTTP2_ERROR, renderHeaderBlock, SETTING } from '@lhspn/apns-protocol/http2'
import { afterAll, describe, expect, test } from 'vitest'

import { deliverAll, expectNoLeftovers, outcomesOf, range, tally } from './delivery.ts'
import { eventsOf, openProviderSender } from './provider-delivery.ts'
import { dataFrame, frame, headersFrames, make } from './raw-frames.ts'
import { openRawServer, type RawBehaviour, type RawConnection } from './raw-http2-server.ts'

afterAll(expectNoLeftovers)

const OK = renderHeaderBlock([[':status', '200']])
const TEN_STREAMS = [[SETTING.MAX_CONCURRENT_STREAMS, 10]] as const
const MOST_STREAM = 2 ** 31 - 1

/** Answers the first request, then collects ten and lets `end` do with them what it wants; other connections are fine. */
function collects(end: (connection: RawConnection, streams: readonly number[]) => void): (nth: number) => RawBehaviour {
  return (nth) => ({
    settings: TEN_STREAMS,
    request: (connection, { stream }) => {
      const count = connection.requests.length
      if (nth > 1 || count === 1 || count > 11) connection.answer(stream, 200)
      else if (count === 11) end(connection, connection.streams.slice(1))
    },
  })
}

describe('GOAWAY', () => {
  test('what is above its last stream goes again; what is not, and has its answer, is done', async (context) => {
    const server = await openRawServer(
      context,
      collects((connection, streams) => {
        connection.write(make.goaway(streams[3] as number, HTTP2_ERROR.NO_ERROR))
        for (const stream of streams.slice(0, 4).toReversed()) connection.answer(stream, 200)
      }),
    )
    const { sender, events } = await openProviderSender(context, server.address)
    expect(tally(await outcomesOf(sender.send([range(0, 30)])))).toEqual({ accepted: 30 })
    await server.until(({ connections }) => connections.some(({ closed }) => closed))
    expect(server.connections.map(({ requests }) => requests.length)).toEqual([11, 25])
    expect(eventsOf(events, 'resent')).toEqual([{ kind: 'resent', count: 6, cause: 'goaway' }])
    expect(server.complaints).toEqual([])
    // Ahead of all that was never written, in their order; the first one waits alone for the connection to prove itself.
    expect(server.connections[1]?.requests.slice(0, 7).map(({ token }) => Number.parseInt(token, 16))).toEqual([
      6, 7, 8, 9, 10, 11, 12,
    ])
  })

  test('twice: the first one only announces the second', async (context) => {
    const server = await openRawServer(
      context,
      collects((connection, streams) => {
        connection.write(make.goaway(MOST_STREAM, HTTP2_ERROR.NO_ERROR))
        for (const stream of streams.slice(0, 3)) connection.answer(stream, 200)
        setImmediate(() => {
          connection.write(make.goaway(streams[5] as number, HTTP2_ERROR.NO_ERROR, '{"reason":"Shutdown"}'))
          for (const stream of streams.slice(3, 6)) connection.answer(stream, 200)
        })
      }),
    )
    const { sender, events } = await openProviderSender(context, server.address)
    expect(tally(await outcomesOf(sender.send([range(0, 30)])))).toEqual({ accepted: 30 })
    expect(server.connections.map(({ requests }) => requests.length)).toEqual([11, 23])
    expect(eventsOf(events, 'goaway')).toEqual([
      { kind: 'goaway', code: 0, reason: undefined },
      { kind: 'goaway', code: 0, reason: 'Shutdown' },
    ])
  })

  test('and then an end without answers: only what may have been processed is unconfirmed', async (context) => {
    const server = await openRawServer(
      context,
      collects((connection, streams) => {
        connection.write(make.goaway(streams[1] as number, HTTP2_ERROR.INTERNAL_ERROR))
        connection.close()
      }),
    )
    const { sender } = await openProviderSender(context, server.address)
    expect(tally(await outcomesOf(sender.send([range(0, 30)])))).toEqual({
      accepted: 28,
      'unconfirmed ConnectionLost': 2,
    })
    expect(server.requests.length).toBe(1 + 10 + 27)
  })

  test('and then silence: it is waited for as long as for any answer, on another connection meanwhile', async (context) => {
    const server = await openRawServer(
      context,
      collects((connection, streams) => connection.write(make.goaway(streams[1] as number, HTTP2_ERROR.NO_ERROR))),
    )
    const { sender } = await openProviderSender(context, server.address, { requestTimeoutMs: 1000 })
    const { outcomes } = await deliverAll(sender, range(0, 30), { onUnconfirmed: 'resend' })
    expect(tally(outcomes)).toEqual({ accepted: 28, 'accepted x2': 2 })
  })

  test('with a reason that is about credentials stops the sender', async (context) => {
    const server = await openRawServer(
      context,
      collects((connection) => connection.write(make.goaway(0, 0, '{"reason":"BadCertificateEnvironment"}'))),
    )
    const { sender } = await openProviderSender(context, server.address)
    const { outcomes, error } = await deliverAll(sender, range(0, 30))
    expect([tally(outcomes), error?.code]).toEqual([{ accepted: 1, 'unsent Stopped': 29 }, 'credentials-refused'])
  })

  test.for(['', 'no longer', '\0\u{1}\u{ff}', '{"reason":', '[]', '{"reason":{"a":1}}', 'x'.repeat(10_000)])(
    'with debug data that say nothing: %j',
    async (debug, context) => {
      const server = await openRawServer(
        context,
        collects((connection) => connection.write(make.goaway(0, HTTP2_ERROR.ENHANCE_YOUR_CALM, debug))),
      )
      const { sender } = await openProviderSender(context, server.address)
      expect(tally(await outcomesOf(sender.send([range(0, 30)])))).toEqual({ accepted: 30 })
    },
  )

  test('before anything was sent', async (context) => {
    const server = await openRawServer(context, (nth) => {
      if (nth > 2) return {}
      return { greeting: Buffer.concat([make.settings([]), make.goaway(0, HTTP2_ERROR.NO_ERROR)]) }
    })
    const { sender } = await openProviderSender(context, server.address)
    expect(tally(await outcomesOf(sender.send([range(0, 10)])))).toEqual({ accepted: 10 })
    expect(server.connections.length).toBe(3)
  })
})

describe('resets', () => {
  test('a refused stream goes again and does not count', async (context) => {
    const server = await openRawServer(
      context,
      collects((connection, streams) => {
        for (const [index, stream] of streams.entries()) {
          if (index % 2 === 0) connection.answer(stream, 200)
          else connection.reset(stream, HTTP2_ERROR.REFUSED_STREAM)
        }
      }),
    )
    const { sender, events } = await openProviderSender(context, server.address)
    expect(tally(await outcomesOf(sender.send([range(0, 11)])))).toEqual({ accepted: 11 })
    expect(eventsOf(events, 'resent').length).toBe(5)
    expect(server.requests.length).toBe(16)
  })

  test('any other reset leaves it open whether it was taken', async (context) => {
    const codes = [0, 1, 2, 3, 5, 8, 11, 13, 0xffff_ffff]
    const server = await openRawServer(
      context,
      collects((connection, streams) => {
        for (const [index, stream] of streams.entries()) connection.reset(stream, codes[index % codes.length] as number)
      }),
    )
    const { sender } = await openProviderSender(context, server.address)
    expect(tally(await outcomesOf(sender.send([range(0, 11)])))).toEqual({
      accepted: 1,
      'unconfirmed StreamReset': 10,
    })
  })

  test('a request that is answered before it was written is answered; its rest is not written', async (context) => {
    const server = await openRawServer(context, {
      settings: [[SETTING.INITIAL_WINDOW_SIZE, 0]],
      widenTo: 0,
      headers: (connection, stream) => connection.write(headersFrames(stream, OK, { endStream: true })),
    })
    const { sender } = await openProviderSender(context, server.address)
    expect(tally(await outcomesOf(sender.send([range(0, 20)])))).toEqual({ accepted: 20 })
    await server.until(({ connections }) => connections[0]?.resets.length === 20)
    expect(server.connections[0]?.dataFrames).toEqual([])
    expect(server.complaints).toEqual([])
  })
})

describe('a server that is slow, or says nothing', () => {
  test('an answer late, but in time, is an answer', async (context) => {
    const server = await openRawServer(context, {
      request: (connection, { stream }) => {
        // It is asked for a sign of life, and gives one: the answer itself comes after that.
        void server.until(() => connection.pings > 0).then(() => connection.answer(stream, 200))
      },
    })
    const { sender } = await openProviderSender(context, server.address, { requestTimeoutMs: 2000 })
    expect(tally(await outcomesOf(sender.send([range(0, 1)])))).toEqual({ accepted: 1 })
  })

  test('no answer in time: unconfirmed, the stream is cancelled, and the others go on', async (context) => {
    const server = await openRawServer(context, {
      settings: TEN_STREAMS,
      request: (connection, { stream, token }) => {
        if (Number.parseInt(token, 16) % 5 !== 0) connection.answer(stream, 200)
      },
    })
    const { sender } = await openProviderSender(context, server.address, { requestTimeoutMs: 800 })
    expect(tally(await outcomesOf(sender.send([range(0, 40)])))).toEqual({ accepted: 32, 'unconfirmed NoAnswer': 8 })
    const resets = () => server.connections.flatMap((connection) => connection.resets)
    await server.until(() => resets().length === 8)
    expect(resets().map(({ code }) => code)).toEqual(Array.from({ length: 8 }, () => HTTP2_ERROR.CANCEL))
    expect(server.complaints).toEqual([])
  })

  test('no sign of life: the connection is left, and what was on it goes where its call wants it', async (context) => {
    const server = await openRawServer(
      context,
      collects((connection) => (connection.answersPings = false)),
    )
    const { sender } = await openProviderSender(context, server.address, { requestTimeoutMs: 800 })
    const report = deliverAll(sender, range(0, 6))
    const resend = deliverAll(sender, range(6, 12), { onUnconfirmed: 'resend' })
    const counts = [tally((await report).outcomes), tally((await resend).outcomes)]
    const lost = counts[0]?.['unconfirmed NoAnswer'] ?? 0
    expect(lost).toBeGreaterThan(0)
    expect(counts).toEqual([
      { accepted: 6 - lost, 'unconfirmed NoAnswer': lost },
      { accepted: lost - 4, 'accepted x2': 10 - lost },
    ])
  })

  test('no SETTINGS: nothing is written, and another connection is tried', async (context) => {
    const server = await openRawServer(context, (nth) => (nth < 3 ? { greeting: Buffer.alloc(0) } : {}))
    const { sender } = await openProviderSender(context, server.address, { requestTimeoutMs: 500 })
    expect(tally(await outcomesOf(sender.send([range(0, 5)])))).toEqual({ accepted: 5 })
    expect(server.connections.map(({ requests }) => requests.length)).toEqual([0, 0, 5])
  })
})

describe('a flood is not drunk up', () => {
  test.for<{ what: string; before?: (stream: number) => Buffer; drop: (stream: number) => Buffer }>([
    { what: 'of PINGs', drop: () => make.ping(false, Buffer.alloc(8)) },
    { what: 'of answers to PINGs', drop: () => make.ping(true, Buffer.alloc(8)) },
    { what: 'of settings', drop: () => make.settings([[SETTING.MAX_CONCURRENT_STREAMS, 5]]) },
    { what: 'of acknowledgements', drop: () => make.settingsAck() },
    { what: 'of window updates', drop: () => make.windowUpdate(0, 1) },
    {
      what: 'of empty data',
      before: (stream) => headersFrames(stream, OK),
      drop: (stream) => dataFrame(stream, Buffer.alloc(0)),
    },
    {
      what: 'of padding',
      before: (stream) => headersFrames(stream, OK),
      drop: (stream) => dataFrame(stream, Buffer.alloc(0), { padding: 0 }),
    },
    { what: 'of resets of streams that are over', drop: (stream) => make.rstStream(stream - 2, 0) },
    { what: 'of GOAWAYs', drop: () => make.goaway(MOST_STREAM, 0) },
    { what: 'of interim answers', drop: (stream) => headersFrames(stream, renderHeaderBlock([[':status', '103']])) },
    { what: 'of priorities', drop: (stream) => frame(FRAME.PRIORITY, 0, stream, Buffer.alloc(5)) },
    { what: 'of frames that nobody knows', drop: (stream) => frame(0xee, 0, stream) },
    {
      what: 'of answers on streams that are over',
      drop: (stream) => headersFrames(stream - 2, OK, { endStream: true }),
    },
    {
      what: 'of empty CONTINUATIONs',
      before: (stream) => frame(FRAME.HEADERS, 0, stream, OK),
      drop: (stream) => frame(FRAME.CONTINUATION, 0, stream),
    },
  ])('$what', async ({ before, drop }, context) => {
    const server = await openRawServer(context, (nth) => ({
      request: (connection, { stream }) => {
        if (nth > 1 || connection.requests.length !== 3) return connection.answer(stream, 200)
        const drops = Array.from({ length: 12_000 }, () => drop(stream))
        connection.write(Buffer.concat(before === undefined ? drops : [before(stream), ...drops]))
      },
    }))
    const { sender } = await openProviderSender(context, server.address)
    const counts = tally(await outcomesOf(sender.send([range(0, 20)])))
    const lost = counts['unconfirmed ConnectionLost'] ?? 0
    expect(counts).toEqual({ accepted: 20 - lost, 'unconfirmed ConnectionLost': lost })
    const first = server.connections[0] as RawConnection
    await server.until(() => first.closed)
    expect(first.goaways).toEqual([HTTP2_ERROR.ENHANCE_YOUR_CALM])
  })
})
