import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { Call } from '../call.ts'
import { MOST_STREAMS, Streams } from './streams.ts'

const call = new Call(1, 'report', undefined)
const content = { payload: {} }

test('whatever opens and closes, every open stream is found with what it carries, in order', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ open: fc.nat(3000), close: fc.nat(3000), from: fc.nat() }), { maxLength: 20 }),
      (steps) => {
        const streams = new Streams()
        let model: number[] = []
        for (const { open, close, from } of steps) {
          for (let i = 0; i < open && model.length < MOST_STREAMS; i++) {
            const token = String(streams.next)
            model.push(streams.open({ token, content }, call, streams.next & 0xff, streams.next, streams.next * 2))
          }
          const start = model.length === 0 ? 0 : from % model.length
          for (const stream of model.slice(start, start + close)) streams.close(streams.find(stream))
          model = [...model.slice(0, start), ...model.slice(start + close)]
          expect(streams.size).toBe(model.length)
          expect(streams.above(0)).toEqual(model)
          expect(streams.oldest() === -1 ? undefined : streams.number(streams.oldest())).toBe(model[0])
        }
        for (const stream of model) {
          const slot = streams.find(stream)
          expect([
            streams.notification(slot).token,
            streams.history(slot),
            streams.generation(slot),
            streams.writtenAt(slot),
          ]).toEqual([String(stream), stream & 0xff, stream, stream * 2])
        }
        const last = model[Math.floor(model.length / 2)] ?? 0
        expect(streams.above(last)).toEqual(model.filter((stream) => stream > last))
      },
    ),
    { numRuns: 50 },
  )
})

test('what is not open is not found', () => {
  const streams = new Streams()
  const stream = streams.open({ token: 'ab', content }, call, 1, 1, 0)
  expect([0, 2, stream + 2, stream + 2 * MOST_STREAMS].map((other) => streams.find(other))).toEqual([-1, -1, -1, -1])
  streams.close(streams.find(stream))
  expect([streams.find(stream), streams.oldest(), streams.size]).toEqual([-1, -1, 0])
})

test('a GOAWAY that only announces another one, with the largest stream there can be, has none above it', () => {
  const streams = new Streams()
  streams.open({ token: 'ab', content }, call, 1, 1, 0)
  expect([2 ** 31 - 1, 2 ** 31 - 2].map((last) => streams.above(last))).toEqual([[], []])
})
