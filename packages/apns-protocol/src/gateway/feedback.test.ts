import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { cutInto, everyCut, hexOf, vectors } from '../../test/vectors.ts'
import { ProtocolError } from '../errors.ts'
import { encodeFeedback, FeedbackDecoder, type FeedbackTuple } from './feedback.ts'

interface Reading {
  readonly tuples: readonly FeedbackTuple[]
  readonly error: string | undefined
  readonly message: string | undefined
}

function read(chunks: readonly Uint8Array[]): Reading {
  const decoder = new FeedbackDecoder()
  const tuples: FeedbackTuple[] = []
  try {
    for (const chunk of chunks) {
      const own = chunk.slice()
      decoder.push(own, (tuple) => tuples.push(tuple))
      own.fill(0xaa)
      expect(decoder.held).toBeLessThanOrEqual(105)
    }
    decoder.end()
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    return { tuples, error: error.code, message: error.message }
  }
  return { tuples, error: undefined, message: undefined }
}

test.for(vectors('feedback', 'feedback-stream'))('$name is read, cut anywhere, and written', ({ bytes, fields }) => {
  const tuples = fields.tuples!.map(({ timestamp, tokenHex }) => ({ at: timestamp, token: tokenHex }))
  const lost = fields.trailingBytes ?? 0
  for (const chunks of everyCut(bytes))
    expect(read(chunks)).toMatchObject({ tuples, error: lost > 0 ? 'truncated-stream' : undefined })
  expect(hexOf(encodeFeedback(tuples))).toBe(hexOf(bytes.subarray(0, bytes.length - lost)))
})

const tuple = fc.record({
  at: fc.nat(2 ** 32 - 1),
  token: fc.uint8Array({ minLength: 1, maxLength: 100 }).map(hexOf),
})
const pieces = fc.array(fc.nat(60), { minLength: 1, maxLength: 8 })

test('whatever is written is read again, cut anywhere', () => {
  fc.assert(
    fc.property(fc.array(tuple), pieces, (tuples, lengths) => {
      expect(read(cutInto(encodeFeedback(tuples), lengths))).toEqual({ tuples })
    }),
  )
})

test('any bytes give tuples or one error, and where they are cut changes nothing', () => {
  const stretch = fc.oneof(
    tuple.map((one) => encodeFeedback([one])),
    fc.uint8Array({ maxLength: 12 }),
    fc.constant(Uint8Array.of(0, 0, 0, 1, 0, 0)),
  )
  fc.assert(
    fc.property(fc.array(stretch, { maxLength: 8 }), pieces, (parts, lengths) => {
      const bytes = Uint8Array.from(parts.flatMap((part) => [...part]))
      const whole = read([bytes])
      expect(read(cutInto(bytes, lengths))).toEqual(whole)
      expect(hexOf(bytes).startsWith(hexOf(encodeFeedback(whole.tuples)))).toBe(true)
    }),
    { numRuns: 300 },
  )
})

test.for([0, 101, 65535])('a token of %d bytes is refused, what came before is out', (length) => {
  const sound = { at: 5, token: 'aabb' }
  const bytes = Uint8Array.of(...encodeFeedback([sound]), 0, 0, 0, 1, length >>> 8, length & 255)
  for (const chunks of everyCut(bytes))
    expect(read(chunks)).toEqual({
      tuples: [sound],
      error: 'malformed-frame',
      message: `the feedback tuple at byte 8 of the stream announces a token of ${length} bytes`,
    })
})

test('once broken, it stays so', () => {
  const decoder = new FeedbackDecoder()
  const refusal = expect.objectContaining({ code: 'malformed-frame' })
  expect(() => decoder.push(new Uint8Array(6), () => expect.unreachable())).toThrow(refusal)
  expect(() => decoder.push(encodeFeedback([{ at: 1, token: 'aa' }]), () => expect.unreachable())).toThrow(refusal)
  expect(() => decoder.end()).toThrow(refusal)
})

test.for(['', 'a', 'zz', '00'.repeat(101)])('no tuple is written for the token "%s"', (token) => {
  expect(() => encodeFeedback([{ at: 1, token }])).toThrow(expect.objectContaining({ code: 'invalid-device-token' }))
})
