import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { cutInto, everyCut, type Fields, hexOf, vectors } from '../../test/vectors.ts'
import { ProtocolError, type ProtocolErrorCode } from '../errors.ts'
import { CommandDecoder, type Command, MAX_DECODED_FRAME_BYTES } from './command-decoder.ts'
import { encodeBarrier, encodeCommand0, encodeCommand1 } from './command.ts'

type Told = Omit<Command, 'payload' | 'bytes'> & { readonly payload: string; readonly bytes: string }

interface Reading {
  readonly commands: readonly Told[]
  readonly error: ProtocolErrorCode | undefined
  readonly message: string | undefined
  readonly mostHeld: number
}

/** Reads the chunks to their end or to the first error; views are copied before the next one comes. */
function read(chunks: readonly Uint8Array[]): Reading {
  const decoder = new CommandDecoder()
  const commands: Told[] = []
  let mostHeld = 0
  try {
    for (const chunk of chunks) {
      const own = chunk.slice()
      decoder.push(own, (command) => {
        commands.push({ ...command, payload: hexOf(command.payload), bytes: hexOf(command.bytes) })
      })
      own.fill(0xaa) // as a socket does that reads into the same buffer again
      mostHeld = Math.max(mostHeld, decoder.held)
    }
    decoder.end()
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    return { commands, error: error.code, message: error.message, mostHeld }
  }
  return { commands, error: undefined, message: undefined, mostHeld }
}

function told({ commands, error, message }: Reading): Omit<Reading, 'mostHeld'> {
  return { commands, error, message }
}

function expected(fields: Fields, bytes: Uint8Array, fault: number | undefined): Record<string, unknown> {
  const { command, tokenHex, payloadUtf8, identifier, expiry, priority } = fields
  const payload = hexOf(new TextEncoder().encode(payloadUtf8 ?? ''))
  const token = tokenHex ?? ''
  return { command, token, payload, identifier, expiration: expiry, priority, fault, bytes: hexOf(bytes) }
}

test.for(vectors('command0', 'command1', 'command2'))('$name is read, cut anywhere', ({ bytes, fields }) => {
  for (const chunks of everyCut(bytes))
    expect(told(read(chunks))).toEqual({ commands: [expected(fields, bytes, undefined)], error: undefined })
})

const FAULTS: Record<string, number> = {
  'cmd0-zero-length-token': 2,
  'cmd2-payload-2049': 7,
  'cmd2-barrier-zero-token': 2,
  'cmd2-missing-payload': 4,
  'cmd2-missing-token': 2,
}
const malformed = vectors('command0-malformed', 'command2-malformed')

test.for(malformed.filter(({ name }) => name in FAULTS))('$name has its status, cut anywhere', (vector) => {
  const { name, bytes, fields } = vector
  for (const chunks of everyCut(bytes))
    expect(told(read(chunks))).toEqual({ commands: [expected(fields, bytes, FAULTS[name])], error: undefined })
})

test('every other malformed vector has broken items, and they are these', () => {
  const others = malformed.filter(({ name }) => !(name in FAULTS))
  expect(others.map(({ name }) => name)).toEqual(['cmd2-duplicate-token', 'cmd2-item-overruns-frame'])
  for (const { bytes } of others)
    for (const chunks of everyCut(bytes)) expect(read(chunks).commands).toMatchObject([{ fault: 128 }])
})

test('of a token that comes twice the first counts, and the identifier behind it is read', () => {
  const { bytes, fields } = malformed.find(({ name }) => name === 'cmd2-duplicate-token')!
  expect(read([bytes]).commands).toMatchObject([{ token: fields.tokenHexes![0], identifier: 12 }])
})

test.for(vectors('malformed'))('$name is refused at its first byte', ({ bytes }) => {
  for (const chunks of everyCut(bytes))
    expect(told(read(chunks))).toEqual({
      commands: [],
      error: 'malformed-frame',
      message: 'command 9 at byte 0 of the stream; only 0, 1 and 2 exist',
    })
})

test.for(vectors('command-stream'))('$name is read in order, cut anywhere', ({ bytes, fields }) => {
  for (const chunks of everyCut(bytes)) {
    const { commands, error } = read(chunks)
    expect(error).toBeUndefined()
    expect(commands.map((command) => command.identifier ?? null)).toEqual(fields.identifiers)
    expect(commands.map((command) => command.bytes.length / 2)).toEqual(fields.frameLengths)
    expect(commands.map(({ command }) => command)).toEqual(fields.commands ?? [1, 1, 1])
  }
})

/** A frame of command 2 with these items; each is written with the length of its data unless told otherwise. */
function frame(...items: { item: number; data: string; length?: number }[]): Uint8Array {
  const body = items.map(({ item, data, length = data.length / 2 }) => {
    return item.toString(16).padStart(2, '0') + length.toString(16).padStart(4, '0') + data
  })
  const hex = body.join('')
  return Uint8Array.from(Buffer.from(`02${(hex.length / 2).toString(16).padStart(8, '0')}${hex}`, 'hex'))
}

const TOKEN = { item: 1, data: 'aabb' }
const PAYLOAD = { item: 2, data: '7b7d' }
const IDENTIFIER = { item: 3, data: '00000007' }

test.for([
  {
    rule: 'an unknown item is skipped',
    items: [{ item: 9, data: 'ffff' }, IDENTIFIER, TOKEN, PAYLOAD],
    fault: undefined,
  },
  { rule: 'a token of 100 bytes', items: [IDENTIFIER, { item: 1, data: 'aa'.repeat(100) }, PAYLOAD], fault: undefined },
  { rule: 'a token of 101 bytes', items: [IDENTIFIER, { item: 1, data: 'aa'.repeat(101) }, PAYLOAD], fault: 5 },
  { rule: 'an empty payload', items: [IDENTIFIER, TOKEN, { item: 2, data: '' }], fault: 4 },
  { rule: 'no token, no payload: the token is told', items: [IDENTIFIER], fault: 2 },
  {
    rule: 'a long token and no payload: the token is told',
    items: [IDENTIFIER, { item: 1, data: 'aa'.repeat(101) }],
    fault: 5,
  },
  { rule: 'an expiration of 3 bytes', items: [IDENTIFIER, TOKEN, PAYLOAD, { item: 4, data: '000000' }], fault: 128 },
  { rule: 'a priority of 2 bytes', items: [IDENTIFIER, TOKEN, PAYLOAD, { item: 5, data: '000a' }], fault: 128 },
  { rule: 'the payload twice', items: [IDENTIFIER, TOKEN, PAYLOAD, PAYLOAD], fault: 128 },
  { rule: 'the identifier twice', items: [IDENTIFIER, TOKEN, PAYLOAD, { item: 3, data: '00000008' }], fault: 128 },
  { rule: 'an item that overruns by a byte', items: [IDENTIFIER, TOKEN, { ...PAYLOAD, length: 3 }], fault: 128 },
])('$rule: status $fault', ({ items, fault }) => {
  const { commands, error } = read([frame(...items)])
  expect(error).toBeUndefined()
  expect(commands).toHaveLength(1)
  expect(commands[0]).toMatchObject({ identifier: 7 })
  expect(commands.at(0)!.fault).toBe(fault)
})

test.for([1, 2])('%d bytes that cannot be an item make the frame broken', (count) => {
  const whole = frame(IDENTIFIER, TOKEN, PAYLOAD)
  const bytes = new Uint8Array([...whole, ...new Uint8Array(count)])
  bytes.set([whole.length - 5 + count], 4)
  expect(read([bytes]).commands).toMatchObject([{ fault: 128, token: 'aabb' }])
})

test('a frame without items lacks a token', () => {
  expect(read([frame()]).commands).toMatchObject([{ fault: 2, token: '', payload: '', identifier: undefined }])
})

test('commands before an unknown one are out, and the decoder stays broken', () => {
  const decoder = new CommandDecoder()
  const seen: (number | undefined)[] = []
  const bytes = new Uint8Array([...frame(IDENTIFIER, TOKEN, PAYLOAD), 3])
  const push = (): void => decoder.push(bytes, ({ identifier }) => seen.push(identifier))
  expect(push).toThrow(expect.objectContaining({ code: 'malformed-frame' }))
  expect(push).toThrow(expect.objectContaining({ code: 'malformed-frame' }))
  expect(() => decoder.end()).toThrow(expect.objectContaining({ code: 'malformed-frame' }))
  expect(seen).toEqual([7])
  expect(decoder.held).toBe(0)
})

test('the longest frame is read, one byte more is refused at its head', () => {
  const fits = frame(IDENTIFIER, { item: 9, data: '00'.repeat(MAX_DECODED_FRAME_BYTES - 15) })
  expect(fits).toHaveLength(MAX_DECODED_FRAME_BYTES)
  expect(read(cutInto(fits, [1000])).commands).toMatchObject([{ identifier: 7 }])
  const long = frame(IDENTIFIER, { item: 9, data: '00'.repeat(MAX_DECODED_FRAME_BYTES - 14) })
  expect(read([long.slice(0, 4)]).error).toBe('truncated-stream')
  expect(read([long.slice(0, 5)]).error).toBe('malformed-frame')
  const token = Uint8Array.of(0, 0xff, 0xff)
  expect(read([token]).error).toBe('malformed-frame')
})

test('whatever length a head announces, no more than the bound is held', () => {
  const announced = fc.oneof(fc.nat(40_000), fc.nat(2 ** 32 - 1))
  const head = fc.oneof(
    announced.map((length) => [2, length >>> 24, (length >>> 16) & 255, (length >>> 8) & 255, length & 255]),
    announced.map((length) => [1, 0, 0, 0, 1, 0, 0, 0, 0, (length >>> 8) & 255, length & 255]),
    announced.map((length) => [0, (length >>> 8) & 255, length & 255]),
  )
  fc.assert(
    fc.property(head, fc.integer({ min: 500, max: 9000 }), (bytes, size) => {
      const { mostHeld } = read(cutInto(new Uint8Array([...bytes, ...new Uint8Array(70_000).fill(255)]), [size]))
      expect(mostHeld).toBeLessThan(MAX_DECODED_FRAME_BYTES)
    }),
    { numRuns: 60 },
  )
})

test('a stream that ends inside a command says so at every byte but the last', () => {
  const bytes = frame(IDENTIFIER, TOKEN, PAYLOAD)
  for (let end = 1; end < bytes.length; end++) expect(read([bytes.slice(0, end)]).error).toBe('truncated-stream')
  expect(read([bytes]).error).toBeUndefined()
})

/** Streams that look like commands: sound ones, and bytes with likely first bytes and lengths. */
const stretch = fc.oneof(
  fc.constant(frame(IDENTIFIER, TOKEN, PAYLOAD)),
  fc.nat(3000).map((size) => {
    const into = new Uint8Array(4000)
    return into.slice(0, encodeCommand1(into, 0, size, 1, 'aabbcc', new Uint8Array(Math.min(size, 2048))))
  }),
  fc
    .constant(new Uint8Array(100).map(() => 1))
    .map((into) => into.slice(0, encodeCommand0(into, 0, 'aa', Uint8Array.of(1)))),
  fc.constant(new Uint8Array(29)).map((into) => into.slice(0, encodeBarrier(into, 0, 5))),
  fc
    .tuple(fc.constantFrom(0, 1, 2), fc.uint8Array({ maxLength: 40 }))
    .map(([first, rest]) => Uint8Array.of(first, ...rest)),
  fc
    .tuple(fc.nat(60), fc.uint8Array({ maxLength: 80 }))
    .map(([length, rest]) => Uint8Array.of(2, 0, 0, 0, length, ...rest)),
  fc.uint8Array({ maxLength: 30 }),
)
const stream = fc.array(stretch, { maxLength: 12 }).map((parts) => Uint8Array.from(parts.flatMap((part) => [...part])))

test('where a stream is cut changes nothing, any bytes give commands or one error, and what is held is bounded', () => {
  fc.assert(
    fc.property(stream, fc.array(fc.nat(40), { minLength: 1, maxLength: 8 }), (bytes, lengths) => {
      const whole = read([bytes])
      const cut = read(cutInto(bytes, lengths))
      expect(told(cut)).toEqual(told(whole))
      expect(Math.max(cut.mostHeld, whole.mostHeld)).toBeLessThan(MAX_DECODED_FRAME_BYTES)
      // Nothing is lost, invented or moved: the frames are a prefix of the stream, and the whole of it without an error.
      const frames = whole.commands.map((command) => command.bytes).join('')
      expect(hexOf(bytes).startsWith(frames)).toBe(true)
      expect(whole.error === undefined).toBe(frames === hexOf(bytes))
    }),
    { numRuns: 300 },
  )
})

test('a frame that comes byte by byte is held until its last one', () => {
  const decoder = new CommandDecoder()
  const bytes = frame(IDENTIFIER, TOKEN, { item: 2, data: '20'.repeat(2000) })
  for (const byte of bytes.subarray(0, -1)) decoder.push(Uint8Array.of(byte), () => expect.unreachable())
  expect(decoder.held).toBe(bytes.length - 1)
})
