import { renderErrorBody } from '@lhspn/apns-protocol'
import { encodeTableSizeUpdate, FLAG, FRAME, HTTP2_ERROR, renderHeaderBlock, SETTING } from '@lhspn/apns-protocol/http2'
import { afterAll, describe, expect, test } from 'vitest'

import { expectNoLeftovers, outcomesOf, range, tally } from './delivery.ts'
import { eventsOf, openProviderSender } from './provider-delivery.ts'
import { answerFrames, dataFrame, frame, type HeaderShape, headersFrames, make } from './raw-frames.ts'
import { openRawServer, type RawConnection } from './raw-http2-server.ts'

afterAll(expectNoLeftovers)

const GONE = renderErrorBody('Unregistered', 1_700_000_000_000)
const FIELDS = [
  ['apns-id', '8e1a9f44-5d2b-8b6c-9f00-0123456789ab'],
  ['x-unheard-of', 'ü'.repeat(40)],
] as const
const OK = renderHeaderBlock([[':status', '200'], ...FIELDS])
const GONE_BLOCK = renderHeaderBlock([[':status', '410'], ...FIELDS])

describe('an answer is understood', () => {
  const shapes: readonly { readonly shape: string; readonly how: HeaderShape }[] = [
    { shape: 'plain', how: {} },
    { shape: 'with padding of no bytes', how: { padding: 0 } },
    { shape: 'with padding of 255 bytes', how: { padding: 255 } },
    { shape: 'with a priority', how: { priority: true } },
    { shape: 'with a priority and padding', how: { priority: true, padding: 7 } },
    { shape: 'in CONTINUATIONs of one byte', how: { cuts: Array.from(OK, (_, index) => index) } },
    { shape: 'in CONTINUATIONs, some empty, the first frame padded', how: { cuts: [0, 0, 1, 9, 9], padding: 3 } },
  ]
  for (const { shape, how } of shapes) {
    for (const pieces of ['at once', 'byte by byte'] as const) {
      test(`${shape}, ${pieces}`, async (context) => {
        const server = await openRawServer(context, {
          request: (connection, { stream, token }) => {
            const body = Number.parseInt(token, 16) % 2 === 0
            const block = body ? GONE_BLOCK : OK
            const bytes = Buffer.concat([
              headersFrames(stream, block, { ...how, endStream: !body }),
              ...(body ? [dataFrame(stream, GONE, { ...how, endStream: true })] : []),
            ])
            if (pieces === 'at once') connection.write(bytes)
            else connection.trickle(bytes)
            connection.end(stream)
          },
        })
        const { sender } = await openProviderSender(context, server.address)
        const outcomes = await outcomesOf(sender.send([range(0, 10)]))
        expect(tally(outcomes)).toEqual({ accepted: 5, 'unregistered Unregistered': 5 })
        expect(outcomes.find(({ kind }) => kind === 'unregistered')).toMatchObject({
          since: 1_700_000_000_000,
          status: 410,
        })
        expect(server.complaints).toEqual([])
        expect(server.requests.length).toBe(10)
      })
    }
  }

  const sequences: readonly { readonly what: string; readonly frames: (stream: number) => Buffer[] }[] = [
    {
      what: 'after three interim ones',
      frames: (stream) => [
        ...[100, 103, 103].map((status) => headersFrames(stream, renderHeaderBlock([[':status', String(status)]]))),
        answerFrames(stream, 200),
      ],
    },
    {
      what: 'with a body that nobody asked for, in pieces, some empty',
      frames: (stream) => [
        headersFrames(stream, OK),
        dataFrame(stream, Buffer.from('{"a"'), { padding: 200 }),
        dataFrame(stream, Buffer.alloc(0)),
        dataFrame(stream, Buffer.from(':1}')),
        dataFrame(stream, Buffer.alloc(0), { endStream: true }),
      ],
    },
    {
      what: 'with a body of 60,000 bytes, which is not read to its end',
      frames: (stream) => [
        headersFrames(stream, OK),
        ...Array.from({ length: 6 }, (_, index) => dataFrame(stream, Buffer.alloc(10_000), { endStream: index === 5 })),
      ],
    },
    {
      what: 'with trailers',
      frames: (stream) => [
        headersFrames(stream, OK),
        dataFrame(stream, Buffer.from('{}')),
        headersFrames(stream, renderHeaderBlock([['x-checksum', '1']]), { endStream: true }),
      ],
    },
    {
      what: 'that is reset behind its headers',
      frames: (stream) => [headersFrames(stream, OK), make.rstStream(stream, HTTP2_ERROR.INTERNAL_ERROR)],
    },
    {
      what: 'that is reset behind its end',
      frames: (stream) => [answerFrames(stream, 200), make.rstStream(stream, HTTP2_ERROR.NO_ERROR)],
    },
    {
      what: 'among frames and settings that nobody knows',
      frames: (stream) => [
        frame(0xbe, 0xff, 0, Buffer.alloc(100)),
        frame(0xbe, 0xff, stream, Buffer.alloc(0)),
        make.settings([[0xabcd, 7]]),
        frame(FRAME.PRIORITY, 0, stream, Buffer.of(0, 0, 0, 0, 7)),
        frame(FRAME.PRIORITY, 0, stream + 1000, Buffer.of(0, 0, 0, 0, 7)),
        answerFrames(stream, 200),
        frame(FRAME.PRIORITY, 0, stream, Buffer.of(0, 0, 0, 0, 7)),
      ],
    },
    {
      what: 'among window updates for streams that are over',
      frames: (stream) => [
        answerFrames(stream, 200),
        make.windowUpdate(stream, 100),
        make.windowUpdate(0, 1),
        make.rstStream(stream, HTTP2_ERROR.CANCEL),
      ],
    },
    {
      what: 'that has its field in the table, and then shrinks the table',
      frames: (stream) => [
        headersFrames(stream, Buffer.concat([Buffer.of(0x88, 0x40, 1, 97, 1, 98), Buffer.of(0xbe, 0xbe)]), {
          endStream: false,
        }),
        headersFrames(stream, Buffer.concat([sizeUpdates(0, 4096), Buffer.of(0x40, 1, 97, 1, 98, 0xbe)]), {
          endStream: true,
        }),
      ],
    },
  ]
  test.for(sequences)('$what', async ({ frames }, context) => {
    const server = await openRawServer(context, {
      request: (connection, { stream }) => {
        connection.write(Buffer.concat(frames(stream)))
        connection.end(stream)
      },
    })
    const { sender, events } = await openProviderSender(context, server.address)
    expect(tally(await outcomesOf(sender.send([range(0, 20)])))).toEqual({ accepted: 20 })
    expect(server.complaints).toEqual([])
    expect(eventsOf(events, 'protocol-error')).toEqual([])
    expect(server.connections.length).toBe(1)
  })

  test('although its body never ends', async (context) => {
    const server = await openRawServer(context, {
      request: (connection, { stream, token }) => {
        const body = Number.parseInt(token, 16) % 2 === 0
        connection.write(headersFrames(stream, body ? GONE_BLOCK : OK))
        if (body) connection.write(dataFrame(stream, GONE))
      },
    })
    const { sender } = await openProviderSender(context, server.address, { requestTimeoutMs: 800 })
    expect(tally(await outcomesOf(sender.send([range(0, 2)])))).toEqual({
      accepted: 1,
      'unregistered Unregistered': 1,
    })
  })

  test('although its connection ends before it does', async (context) => {
    const server = await openRawServer(context, {
      request: (connection, { stream }) => {
        connection.write(headersFrames(stream, OK))
        connection.close()
      },
    })
    const { sender } = await openProviderSender(context, server.address)
    expect(tally(await outcomesOf(sender.send([range(0, 1)])))).toEqual({ accepted: 1 })
  })
})

describe('one stream that is answered against HTTP ends alone, and is unconfirmed', () => {
  test.for<{ what: string; frames: (stream: number) => Buffer }>([
    {
      what: 'no status',
      frames: (stream) => headersFrames(stream, renderHeaderBlock([['server', 'x']]), { endStream: true }),
    },
    { what: 'a status of two digits', frames: (stream) => answerFrames(stream, 42) },
    { what: 'a status of four digits', frames: (stream) => answerFrames(stream, 2000) },
    {
      what: 'a status that is no number',
      frames: (stream) => headersFrames(stream, renderHeaderBlock([[':status', '2x0']]), { endStream: true }),
    },
    { what: 'an interim answer that ends the stream', frames: (stream) => answerFrames(stream, 103) },
    { what: 'a body before its headers', frames: (stream) => dataFrame(stream, Buffer.from('{}')) },
    { what: 'an end without headers', frames: (stream) => dataFrame(stream, Buffer.alloc(0), { endStream: true }) },
    {
      what: 'a window update by nothing',
      frames: (stream) => frame(FRAME.WINDOW_UPDATE, 0, stream, Buffer.alloc(4)),
    },
  ])('$what', async ({ frames }, context) => {
    const server = await openRawServer(context, {
      request: (connection, { stream }) => {
        if (connection.requests.length === 3) connection.write(frames(stream))
        else connection.answer(stream, 200)
      },
    })
    const { sender, events } = await openProviderSender(context, server.address)
    expect(tally(await outcomesOf(sender.send([range(0, 20)])))).toEqual({ accepted: 19, 'unconfirmed StreamReset': 1 })
    await server.until(({ connections }) => connections[0]?.resets.length === 1)
    expect(server.connections[0]?.resets).toEqual([{ stream: 5, code: HTTP2_ERROR.PROTOCOL_ERROR }])
    expect(server.complaints).toEqual([])
    expect([server.connections.length, eventsOf(events, 'protocol-error')]).toEqual([1, []])
  })
})

describe('a server that breaks HTTP/2 is told why, and left', () => {
  const { PROTOCOL_ERROR, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, COMPRESSION_ERROR, ENHANCE_YOUR_CALM } = HTTP2_ERROR
  test.for<{ what: string; bytes: (stream: number) => Buffer; code: number }>([
    { what: 'text', bytes: () => Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), code: FRAME_SIZE_ERROR },
    { what: 'a frame above the largest', bytes: at(0, 0, 1, ...Buffer.alloc(16_385)), code: FRAME_SIZE_ERROR },
    { what: 'headers on the connection', bytes: at(FRAME.HEADERS, 5, 0, 0x88), code: PROTOCOL_ERROR },
    { what: 'headers on a stream of its own', bytes: at(FRAME.HEADERS, 5, 2, 0x88), code: PROTOCOL_ERROR },
    { what: 'headers on a stream of the future', bytes: at(FRAME.HEADERS, 5, 99_999, 0x88), code: PROTOCOL_ERROR },
    { what: 'data on a stream of the future', bytes: at(FRAME.DATA, 1, 99_999, 1), code: PROTOCOL_ERROR },
    { what: 'a reset of a stream of the future', bytes: () => make.rstStream(99_999, 7), code: PROTOCOL_ERROR },
    { what: 'a promise', bytes: at(FRAME.PUSH_PROMISE, 4, 1, 0, 0, 0, 2, 0x82), code: PROTOCOL_ERROR },
    { what: 'padding that is longer than the frame', bytes: at(FRAME.DATA, 8, 1, 9, 1), code: PROTOCOL_ERROR },
    { what: 'a continuation of nothing', bytes: at(FRAME.CONTINUATION, 4, 1, 0x88), code: PROTOCOL_ERROR },
    {
      what: 'a header block that is interrupted',
      bytes: (stream) => Buffer.concat([frame(FRAME.HEADERS, 0, stream, Buffer.of(0x88)), make.windowUpdate(0, 1)]),
      code: PROTOCOL_ERROR,
    },
    { what: 'a field that is in no table', bytes: at(FRAME.HEADERS, 5, 1, 0xff, 0), code: COMPRESSION_ERROR },
    {
      what: 'a table above the largest',
      bytes: (stream) => headersFrames(stream, Buffer.concat([sizeUpdates(8192), OK]), { endStream: true }),
      code: COMPRESSION_ERROR,
    },
    { what: 'a header block that is cut off', bytes: at(FRAME.HEADERS, 5, 1, 0x08, 9, 49), code: COMPRESSION_ERROR },
    { what: 'a window update by nothing', bytes: at(FRAME.WINDOW_UPDATE, 0, 0, 0, 0, 0, 0), code: PROTOCOL_ERROR },
    { what: 'a window above the largest', bytes: () => make.windowUpdate(0, 2 ** 31 - 1), code: FLOW_CONTROL_ERROR },
    { what: 'settings of five bytes', bytes: at(FRAME.SETTINGS, 0, 0, 0, 1, 0, 0, 0), code: FRAME_SIZE_ERROR },
    { what: 'settings of a stream', bytes: at(FRAME.SETTINGS, 0, 1), code: PROTOCOL_ERROR },
    { what: 'an acknowledgement with settings', bytes: at(4, FLAG.ACK, 0, 0, 1, 0, 0, 0, 0), code: FRAME_SIZE_ERROR },
    { what: 'leave to push', bytes: () => make.settings([[SETTING.ENABLE_PUSH, 1]]), code: PROTOCOL_ERROR },
    {
      what: 'an initial window above the largest',
      bytes: () => make.settings([[SETTING.INITIAL_WINDOW_SIZE, 2 ** 31]]),
      code: FLOW_CONTROL_ERROR,
    },
    {
      what: 'frames of one byte at most',
      bytes: () => make.settings([[SETTING.MAX_FRAME_SIZE, 1]]),
      code: PROTOCOL_ERROR,
    },
    { what: 'a PING of seven bytes', bytes: at(FRAME.PING, 0, 0, ...Buffer.alloc(7)), code: FRAME_SIZE_ERROR },
    { what: 'a PING of a stream', bytes: at(FRAME.PING, 0, 1, ...Buffer.alloc(8)), code: PROTOCOL_ERROR },
    { what: 'a reset of three bytes', bytes: at(FRAME.RST_STREAM, 0, 1, 0, 0, 0), code: FRAME_SIZE_ERROR },
    { what: 'a GOAWAY of seven bytes', bytes: at(FRAME.GOAWAY, 0, 0, ...Buffer.alloc(7)), code: FRAME_SIZE_ERROR },
    {
      what: 'a header block without an end',
      bytes: (stream) =>
        Buffer.concat([
          frame(FRAME.HEADERS, 0, stream, Buffer.alloc(16_000)),
          frame(FRAME.CONTINUATION, 0, stream, Buffer.alloc(16_000)),
        ]),
      code: ENHANCE_YOUR_CALM,
    },
    {
      what: 'headers that grow in the table to more than anybody sends',
      bytes: (stream) =>
        headersFrames(
          stream,
          Buffer.of(0x40, 1, 97, 0x7f, 0xe1, 0x0e, ...Buffer.alloc(2000), ...Buffer.alloc(200, 0xbe)),
        ),
      code: ENHANCE_YOUR_CALM,
    },
  ])('$what', async ({ bytes, code }, context) => {
    const server = await openRawServer(context, (nth) => ({
      request: (connection, { stream }) => {
        if (nth === 1 && connection.requests.length === 3) connection.write(bytes(stream))
        else connection.answer(stream, 200)
      },
    }))
    const { sender, events } = await openProviderSender(context, server.address)
    const counts = tally(await outcomesOf(sender.send([range(0, 50)])))
    const lost = counts['unconfirmed ConnectionLost'] ?? 0
    expect(counts).toEqual({ accepted: 50 - lost, 'unconfirmed ConnectionLost': lost })
    expect(lost).toBeGreaterThan(0)
    expect(eventsOf(events, 'protocol-error').length).toBe(1)
    const first = server.connections[0] as RawConnection
    await server.until(() => first.closed)
    expect(first.goaways).toEqual([code])
    expect(server.complaints).toEqual([])
  })

  test('with its first bytes already', async (context) => {
    const greetings = ['HTTP/1.1 400 Bad Request\r\nServer: x\r\n\r\n', '{"reason":"BadCertificate"}', '\0'.repeat(100)]
    const server = await openRawServer(context, (nth) => {
      const greeting = greetings[nth - 1]
      return greeting === undefined ? {} : { greeting: Buffer.from(greeting) }
    })
    const { sender, events } = await openProviderSender(context, server.address)
    expect(tally(await outcomesOf(sender.send([range(0, 5)])))).toEqual({ accepted: 5 })
    expect(eventsOf(events, 'protocol-error').length).toBe(greetings.length)
  })
})

function sizeUpdates(...sizes: readonly number[]): Buffer {
  const bytes = Buffer.alloc(20)
  let end = 0
  for (const size of sizes) end = encodeTableSizeUpdate(bytes, end, size)
  return bytes.subarray(0, end)
}

function at(type: number, flags: number, stream: number, ...bytes: number[]): () => Buffer {
  return () => frame(type, flags, stream, Buffer.from(bytes))
}
