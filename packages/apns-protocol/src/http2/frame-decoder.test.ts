import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { FrameLog } from '../../test/frame-log.ts'
import { bytesOf } from '../../test/hpack-vectors.ts'
import { cutInto, everyCut, hexOf } from '../../test/vectors.ts'
import { ProtocolError } from '../errors.ts'
import { FrameDecoder, type FrameDecoderOptions } from './frame-decoder.ts'
import { CONNECTION_PREFACE, http2ErrorName } from './frame.ts'

interface Reading {
  readonly lines: readonly string[]
  /** The name of the code for the GOAWAY. */
  readonly error: string | undefined
}

/** Reads the chunks to their end or to the first error, which has to come again. */
function read(chunks: readonly Uint8Array[], options: FrameDecoderOptions = {}): Reading {
  const decoder = new FrameDecoder(options)
  const log = new FrameLog()
  const { maxFrameBytes = 16_384, maxHeaderBlockBytes = 16_384 } = options
  try {
    for (const chunk of chunks) {
      const own = chunk.slice()
      decoder.push(own, log)
      own.fill(0xaa) // as a socket does that reads into the same buffer again
      expect(decoder.held).toBeLessThanOrEqual(maxFrameBytes + 9 + maxHeaderBlockBytes)
    }
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    expect(error).toMatchObject({ code: 'http2-connection-error', http2Code: expect.any(Number) })
    const told = log.lines.length
    expect(() => decoder.push(SETTINGS, log)).toThrow(error)
    expect([decoder.held, log.lines.length]).toEqual([0, told])
    return { lines: log.lines, error: http2ErrorName(error.http2Code!) }
  }
  return { lines: log.lines, error: undefined }
}

const SETTINGS = bytesOf('000000 04 00 00000000')

/** A server's first frame, and the frames of `hex` behind it; the first line, of the former, is left out. */
function afterSettings(hex: string, options?: FrameDecoderOptions): Reading {
  const { lines, error } = read([SETTINGS, bytesOf(hex)], options)
  expect(lines[0]).toBe('SETTINGS')
  return { lines: lines.slice(1), error }
}

const SOUND: readonly { readonly rule: string; readonly hex: string; readonly lines: readonly string[] }[] = [
  { rule: 'HEADERS', hex: '000001 01 04 00000001 88', lines: ['HEADERS 1 88'] },
  { rule: 'HEADERS that end the stream', hex: '000001 01 05 00000003 88', lines: ['HEADERS 3 END 88'] },
  { rule: 'an unknown flag is ignored', hex: '000001 01 d5 00000003 88', lines: ['HEADERS 3 END 88'] },
  { rule: 'the reserved bit of a stream is ignored', hex: '000001 01 05 80000003 88', lines: ['HEADERS 3 END 88'] },
  { rule: 'HEADERS with padding', hex: '000004 01 0c 00000001 02 88 0000', lines: ['HEADERS 1 88'] },
  { rule: 'HEADERS with nothing but padding', hex: '000003 01 0d 00000001 02 0000', lines: ['HEADERS 1 END'] },
  { rule: 'HEADERS with a priority', hex: '000006 01 24 00000001 80000003 10 88', lines: ['HEADERS 1 88'] },
  {
    rule: 'HEADERS with padding and a priority',
    hex: '000008 01 2d 00000001 01 00000000 10 88 00',
    lines: ['HEADERS 1 END 88'],
  },
  {
    rule: 'CONTINUATIONs are joined, and the stream ends as HEADERS said',
    hex: '000003 01 09 00000001 01 88 00 000002 09 00 00000001 8990 000000 09 00 00000001 000001 09 04 00000001 91',
    lines: ['HEADERS 1 END 88899091'],
  },
  { rule: 'DATA', hex: '000003 00 00 00000001 616263', lines: ['DATA 1 616263 flow 3'] },
  { rule: 'empty DATA that ends the stream', hex: '000000 00 01 00000001', lines: ['DATA 1 END flow 0'] },
  {
    rule: 'padding of DATA counts against flow control',
    hex: '000006 00 09 00000001 02 616263 0000',
    lines: ['DATA 1 END 616263 flow 6'],
  },
  { rule: 'RST_STREAM', hex: '000004 03 00 00000005 00000007', lines: ['RST_STREAM 5 REFUSED_STREAM'] },
  {
    rule: 'SETTINGS, one after the other, also such that nobody knows',
    hex: '000012 04 00 00000000 0003 000003e8 0005 00ffffff abcd ffffffff',
    lines: ['setting 3 1000', 'setting 5 16777215', 'setting 43981 4294967295', 'SETTINGS'],
  },
  { rule: 'SETTINGS acknowledged', hex: '000000 04 01 00000000', lines: ['SETTINGS ACK'] },
  { rule: 'PING', hex: '000008 06 00 00000000 0102030405060708', lines: ['PING 0102030405060708'] },
  { rule: 'PING answered', hex: '000008 06 01 00000000 0102030405060708', lines: ['PING ACK 0102030405060708'] },
  { rule: 'GOAWAY', hex: '000008 07 00 00000000 80000009 00000000', lines: ['GOAWAY 9 NO_ERROR'] },
  {
    rule: 'GOAWAY with debug data',
    hex: '00000a 07 00 00000000 7fffffff 0000000b 7b7d',
    lines: ['GOAWAY 2147483647 ENHANCE_YOUR_CALM 7b7d'],
  },
  {
    rule: 'WINDOW_UPDATE of a stream and of the connection',
    hex: '000004 08 00 00000001 80000001 000004 08 00 00000000 7fffffff',
    lines: ['WINDOW_UPDATE 1 1', 'WINDOW_UPDATE 0 2147483647'],
  },
  {
    rule: 'a WINDOW_UPDATE of nothing breaks its stream alone',
    hex: '000004 08 00 00000001 00000000 000001 01 05 00000003 88',
    lines: ['stream error 1 PROTOCOL_ERROR a WINDOW_UPDATE adds nothing', 'HEADERS 3 END 88'],
  },
  { rule: 'PRIORITY means nothing', hex: '000005 02 00 00000004 00000000 10', lines: [] },
  {
    rule: 'PRIORITY of a wrong length breaks its stream alone',
    hex: '000004 02 00 00000001 00000000 000001 01 05 00000003 88',
    lines: ['stream error 1 FRAME_SIZE_ERROR a PRIORITY frame of 4 bytes came', 'HEADERS 3 END 88'],
  },
  {
    rule: 'frames of unknown types are skipped',
    hex: '000002 0a ff 00000002 ffff 000000 ff 00 00000000 000001 01 05 00000003 88',
    lines: ['HEADERS 3 END 88'],
  },
]

test.for(SOUND)('$rule, cut anywhere', ({ hex, lines }) => {
  for (const chunks of everyCut(bytesOf(hex)))
    expect(read([SETTINGS, ...chunks])).toEqual({ lines: ['SETTINGS', ...lines], error: undefined })
})

test.for([
  { rule: 'HEADERS on stream 0', hex: '000001 01 04 00000000 88', error: 'PROTOCOL_ERROR' },
  { rule: 'HEADERS on a stream that only a server opens', hex: '000001 01 04 00000002 88', error: 'PROTOCOL_ERROR' },
  { rule: 'padded HEADERS without a length', hex: '000000 01 0c 00000001', error: 'PROTOCOL_ERROR' },
  { rule: 'HEADERS with more padding than frame', hex: '000002 01 0c 00000001 02 88', error: 'PROTOCOL_ERROR' },
  { rule: 'HEADERS with half a priority', hex: '000004 01 24 00000001 00000000', error: 'PROTOCOL_ERROR' },
  { rule: 'CONTINUATION of nothing', hex: '000001 09 04 00000001 88', error: 'PROTOCOL_ERROR' },
  {
    rule: 'CONTINUATION behind the last one',
    hex: '000001 01 04 00000001 88 000001 09 04 00000001 88',
    lines: ['HEADERS 1 88'],
    error: 'PROTOCOL_ERROR',
  },
  {
    rule: 'CONTINUATION of another stream',
    hex: '000001 01 00 00000001 88 000001 09 04 00000003 88',
    error: 'PROTOCOL_ERROR',
  },
  {
    rule: 'PING inside a header block',
    hex: '000001 01 00 00000001 88 000008 06 00 00000000 0102030405060708',
    error: 'PROTOCOL_ERROR',
  },
  {
    rule: 'an unknown frame inside a header block',
    hex: '000001 01 00 00000001 88 000000 0a 00 00000001',
    error: 'PROTOCOL_ERROR',
  },
  {
    rule: 'HEADERS inside a header block',
    hex: '000001 01 00 00000001 88 000001 01 04 00000001 88',
    error: 'PROTOCOL_ERROR',
  },
  { rule: 'DATA on stream 0', hex: '000001 00 00 00000000 61', error: 'PROTOCOL_ERROR' },
  { rule: 'padded DATA without a length', hex: '000000 00 08 00000001', error: 'PROTOCOL_ERROR' },
  { rule: 'DATA with more padding than frame', hex: '000001 00 08 00000001 01', error: 'PROTOCOL_ERROR' },
  { rule: 'PRIORITY on stream 0', hex: '000005 02 00 00000000 00000001 10', error: 'PROTOCOL_ERROR' },
  { rule: 'RST_STREAM on stream 0', hex: '000004 03 00 00000000 00000000', error: 'PROTOCOL_ERROR' },
  { rule: 'RST_STREAM of a wrong length', hex: '000003 03 00 00000001 000000', error: 'FRAME_SIZE_ERROR' },
  { rule: 'SETTINGS on a stream', hex: '000000 04 00 00000001', error: 'PROTOCOL_ERROR' },
  { rule: 'SETTINGS cut short', hex: '000005 04 00 00000000 0001000000', error: 'FRAME_SIZE_ERROR' },
  {
    rule: 'SETTINGS acknowledged with more settings',
    hex: '000006 04 01 00000000 000100000000',
    error: 'FRAME_SIZE_ERROR',
  },
  { rule: 'a server that pushes', hex: '000006 04 00 00000000 000200000001', error: 'PROTOCOL_ERROR' },
  { rule: 'a window too large', hex: '000006 04 00 00000000 000480000000', error: 'FLOW_CONTROL_ERROR' },
  { rule: 'a frame size too small', hex: '000006 04 00 00000000 000500003fff', error: 'PROTOCOL_ERROR' },
  { rule: 'a frame size too large', hex: '000006 04 00 00000000 000501000000', error: 'PROTOCOL_ERROR' },
  { rule: 'PUSH_PROMISE', hex: '000005 05 04 00000001 00000002 88', error: 'PROTOCOL_ERROR' },
  { rule: 'PING on a stream', hex: '000008 06 00 00000001 0102030405060708', error: 'PROTOCOL_ERROR' },
  { rule: 'PING of a wrong length', hex: '000007 06 00 00000000 01020304050607', error: 'FRAME_SIZE_ERROR' },
  { rule: 'GOAWAY on a stream', hex: '000008 07 00 00000001 00000009 00000000', error: 'PROTOCOL_ERROR' },
  { rule: 'GOAWAY cut short', hex: '000007 07 00 00000000 00000009 000000', error: 'FRAME_SIZE_ERROR' },
  { rule: 'a WINDOW_UPDATE of nothing', hex: '000004 08 00 00000000 80000000', error: 'PROTOCOL_ERROR' },
  { rule: 'WINDOW_UPDATE of a wrong length', hex: '000005 08 00 00000001 0000000100', error: 'FRAME_SIZE_ERROR' },
  { rule: 'WINDOW_UPDATE of a stream of no client', hex: '000004 08 00 00000002 00000001', error: 'PROTOCOL_ERROR' },
  { rule: 'a frame of 16,385 bytes, before they are there', hex: '004001 00 00 00000001', error: 'FRAME_SIZE_ERROR' },
])('$rule ends the connection, wherever it is cut', ({ hex, lines = [], error }) => {
  for (const chunks of everyCut(bytesOf(hex)))
    expect(read([SETTINGS, ...chunks])).toEqual({ lines: ['SETTINGS', ...lines], error })
})

test('a peer that answers in HTTP/1.1 is told so, and not that its frame is too large', () => {
  const answer = new TextEncoder().encode('HTTP/1.1 400 Bad Request\r\n\r\n')
  expect(() => new FrameDecoder().push(answer, new FrameLog())).toThrow('perhaps the peer does not speak HTTP/2')
})

test.for([
  { first: 'PING', hex: '000008 06 00 00000000 0102030405060708' },
  { first: 'an acknowledgement', hex: '000000 04 01 00000000' },
  { first: 'an unknown frame', hex: '000000 0a 00 00000000' },
])('$first instead of SETTINGS at the start is refused', ({ hex }) => {
  for (const chunks of everyCut(bytesOf(hex))) expect(read(chunks)).toEqual({ lines: [], error: 'PROTOCOL_ERROR' })
})

test('a server first reads the preface, cut anywhere', () => {
  const bytes = Uint8Array.of(...CONNECTION_PREFACE, ...bytesOf('000006 04 00 00000000 000200000001'))
  for (const chunks of everyCut(bytes))
    expect(read(chunks, { role: 'server' })).toEqual({ lines: ['setting 2 1', 'SETTINGS'], error: undefined })
  for (let at = 0; at < CONNECTION_PREFACE.length; at++) {
    const broken = bytes.with(at, 0)
    expect(read([broken], { role: 'server' })).toEqual({ lines: [], error: 'PROTOCOL_ERROR' })
  }
})

test('a server refuses a client that sets ENABLE_PUSH to 2', () => {
  const bytes = Uint8Array.of(...CONNECTION_PREFACE, ...bytesOf('000006 04 00 00000000 000200000002'))
  expect(read([bytes], { role: 'server' })).toEqual({ lines: [], error: 'PROTOCOL_ERROR' })
})

test('a larger frame is read where it was allowed', () => {
  const data = `004001 00 00 00000001 ${'61'.repeat(16_385)}`
  expect(afterSettings(data, { maxFrameBytes: 16_385 }).lines).toEqual([`DATA 1 ${'61'.repeat(16_385)} flow 16385`])
})

test('a header block of more bytes than allowed is refused, joined or not', () => {
  const options = { maxHeaderBlockBytes: 3 }
  const begun = '000002 01 00 00000001 8888'
  expect(afterSettings('000006 01 0c 00000001 02 888888 0000', options).error).toBeUndefined()
  expect(afterSettings('000004 01 04 00000001 88888888', options).error).toBe('ENHANCE_YOUR_CALM')
  expect(afterSettings(`${begun} 000001 09 04 00000001 88`, options).error).toBeUndefined()
  expect(afterSettings(`${begun} 000002 09 04 00000001 8888`, options).error).toBe('ENHANCE_YOUR_CALM')
  expect(afterSettings(`${begun} 000002 09 00 00000001 8888`, options).error).toBe('ENHANCE_YOUR_CALM')
})

test('a header block is carried on 256 times at most', () => {
  const begun = `000001 01 00 00000001 88 ${'000000 09 00 00000001 '.repeat(255)}`
  const end = '000001 09 04 00000001 88'
  expect(afterSettings(begun + end)).toEqual({ lines: ['HEADERS 1 8888'], error: undefined })
  expect(afterSettings(`${begun} 000000 09 00 00000001 ${end}`)).toEqual({ lines: [], error: 'ENHANCE_YOUR_CALM' })
})

const IDLE = [
  { kind: 'empty DATA', hex: '000000 00 00 00000001' },
  { kind: 'DATA of padding', hex: '000003 00 08 00000001 020000' },
  { kind: 'empty HEADERS', hex: '000000 01 04 00000001' },
  { kind: 'PRIORITY', hex: '000005 02 00 00000001 00000000 10' },
  { kind: 'SETTINGS', hex: '000000 04 00 00000000' },
  { kind: 'PING', hex: '000008 06 00 00000000 0102030405060708' },
  { kind: 'unknown frames', hex: '000000 0a 00 00000000' },
]

test.for(IDLE)('a flood of $kind is refused, unless something useful comes between', ({ hex }) => {
  const one = bytesOf(hex)
  // The first SETTINGS count as well.
  const flood = Uint8Array.from({ length: 9_999 * one.length }, (_, at) => one[at % one.length]!)
  const useful = ['000001 01 05 00000001 88', '000001 00 00 00000001 61', '000000 00 01 00000001']
  const asked = ['000004 03 00 00000001 00000000', '000000 04 01 00000000', '000008 06 01 00000000 0102030405060708']
  for (const between of [...useful, ...asked])
    expect(read([SETTINGS, flood, bytesOf(between), flood]).error).toBeUndefined()
  expect(read([SETTINGS, flood, one]).error).toBe('ENHANCE_YOUR_CALM')
})

test('a frame that lies whole in its chunk is not copied', () => {
  const chunk = Uint8Array.of(...SETTINGS, ...bytesOf('000001 01 05 00000001 88 000001 00 01 00000001 61'))
  const seen: Uint8Array[] = []
  const log = Object.assign(new FrameLog(), {
    headers: (_stream: number, _end: boolean, bytes: Uint8Array) => void seen.push(bytes),
    data: (_stream: number, _end: boolean, bytes: Uint8Array) => void seen.push(bytes),
  })
  new FrameDecoder().push(chunk, log)
  expect(seen.map((bytes) => bytes === chunk)).toEqual([true, true])
})

test('an error of the sink ends the decoder too', () => {
  const fault = new Error('the sink does not like it')
  const log = Object.assign(new FrameLog(), {
    headers: () => {
      throw fault
    },
  })
  const decoder = new FrameDecoder()
  decoder.push(SETTINGS, log)
  expect(() => decoder.push(bytesOf('000001 01 05 00000001 88'), log)).toThrow(fault)
  expect(() => decoder.push(SETTINGS, log)).toThrow(fault)
  expect(log.lines).toEqual(['SETTINGS'])
})

/** A frame, whose header is written here and not by the package. */
function frame(type: number, flags: number, stream: number, body: string): string {
  const length = (body.length / 2).toString(16).padStart(6, '0')
  return `${length} 0${type} ${flags.toString(16).padStart(2, '0')} ${stream.toString(16).padStart(8, '0')} ${body} `
}

const pieces = fc.array(fc.nat(40), { minLength: 1, maxLength: 8 })
const stream = fc.nat(1000).map((index) => 2 * index + 1)
const body = fc.uint8Array({ maxLength: 40 }).map(hexOf)
const pad = fc.option(fc.nat(20), { nil: undefined })

interface Sent {
  readonly hex: string
  readonly line: string
}

function padded(text: string, padding: number | undefined): string {
  return padding === undefined ? text : padding.toString(16).padStart(2, '0') + text + '00'.repeat(padding)
}

/** A header block in random pieces, padding and priority: HEADERS, then CONTINUATIONs. */
const headers: fc.Arbitrary<Sent> = fc
  .tuple(stream, fc.boolean(), fc.array(body, { minLength: 1, maxLength: 4 }), pad, fc.boolean())
  .map(([id, ends, parts, padding, hasPriority]) => {
    const flags =
      (ends ? 1 : 0) | (parts.length === 1 ? 4 : 0) | (padding === undefined ? 0 : 8) | (hasPriority ? 32 : 0)
    const first = frame(1, flags, id, padded((hasPriority ? '0000000010' : '') + parts[0], padding))
    const rest = parts.slice(1).map((part, index) => frame(9, index === parts.length - 2 ? 4 : 0, id, part))
    return {
      hex: first + rest.join(''),
      line: ['HEADERS', id, ends && 'END', parts.join('')].filter(Boolean).join(' '),
    }
  })

const data: fc.Arbitrary<Sent> = fc.tuple(stream, fc.boolean(), body, pad).map(([id, ends, bytes, padding]) => {
  const content = padded(bytes, padding)
  const line = ['DATA', id, ends && 'END', bytes, `flow ${content.length / 2}`].filter(Boolean).join(' ')
  return { hex: frame(0, (ends ? 1 : 0) | (padding === undefined ? 0 : 8), id, content), line }
})

test('whatever is sent is told, in order, with any padding and cut anywhere', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(headers, data)), pieces, (sent, lengths) => {
      const bytes = Uint8Array.of(...SETTINGS, ...bytesOf(sent.map(({ hex }) => hex).join('')))
      const lines = ['SETTINGS', ...sent.map(({ line }) => line)]
      expect(read(cutInto(bytes, lengths))).toEqual({ lines, error: undefined })
    }),
  )
})

test('any bytes give frames or one connection error, and where they are cut changes nothing', () => {
  const anyFrame = fc
    .tuple(fc.nat(11), fc.nat(255), fc.nat(3), fc.uint8Array({ maxLength: 20 }))
    .map(([type, flags, id, content]) => {
      return Uint8Array.of(0, 0, content.length, type, flags, 0, 0, 0, id, ...content)
    })
  const stretch = fc.oneof(
    { weight: 3, arbitrary: fc.oneof(headers, data).map(({ hex }) => bytesOf(hex)) },
    { weight: 3, arbitrary: anyFrame },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 12 }) },
  )
  const options = { maxFrameBytes: 60, maxHeaderBlockBytes: 60 }
  fc.assert(
    fc.property(fc.boolean(), fc.array(stretch, { maxLength: 8 }), pieces, (greets, parts, lengths) => {
      const bytes = Uint8Array.from([greets ? SETTINGS : [], ...parts].flatMap((part) => [...part]))
      expect(read(cutInto(bytes, lengths), options)).toEqual(read([bytes], options))
    }),
    { numRuns: 1000 },
  )
})
