import { renderHeaderBlock, SETTING } from '@lhspn/apns-protocol/http2'
import * as fc from 'fast-check'

import { answerFrames, dataFrame, frame, headersFrames, make } from './raw-frames.ts'

/** What a server that means ill sends, given the streams that are open. */
type Malice = (streams: readonly number[]) => Uint8Array

const pick = fc.nat(20)
const stream = fc.oneof(
  { weight: 5, arbitrary: pick.map((at) => (open: readonly number[]) => open[at % Math.max(1, open.length)] ?? 1) },
  { weight: 1, arbitrary: fc.constantFrom(0, 1, 2, 3, 99, 2 ** 31 - 1).map((number) => () => number) },
)
const bytes = (maxLength: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength })
const status = fc.constantFrom(200, 200, 100, 103, 204, 400, 403, 410, 413, 429, 500, 503)
const body = fc.oneof(
  fc
    .constantFrom('BadDeviceToken', 'Unregistered', 'TooManyRequests', 'ExpiredProviderToken', 'InternalServerError')
    .map((reason) => Buffer.from(JSON.stringify({ reason, timestamp: 1 }))),
  bytes(50),
)
const shape = fc.record(
  {
    padding: fc.nat(255),
    priority: fc.boolean(),
    cuts: fc.array(fc.nat(20), { maxLength: 4 }),
    endStream: fc.boolean(),
  },
  { requiredKeys: [] },
)

const answer: fc.Arbitrary<Malice> = fc
  .record({ stream, status, body: fc.option(body, { nil: undefined }), shape })
  .map(
    (plan) => (open) =>
      answerFrames(plan.stream(open), plan.status, {
        shape: plan.shape,
        ...(plan.body !== undefined && { body: plan.body }),
      }),
  )
const setting = fc.tuple(
  fc.oneof(fc.integer({ min: 1, max: 6 }), fc.nat(0xffff)),
  fc.oneof(fc.constantFrom(0, 1, 5, 100, 16_384, 65_535, 2 ** 31 - 1), fc.nat(2 ** 32 - 1)),
)
const valid: fc.Arbitrary<Malice> = fc.oneof(
  { weight: 6, arbitrary: answer },
  fc.array(setting, { maxLength: 4 }).map((settings) => () => make.settings(settings)),
  fc.record({ stream, code: fc.nat(14) }).map(
    (plan): Malice =>
      (open) =>
        make.rstStream(plan.stream(open), plan.code),
  ),
  fc.record({ stream, code: fc.nat(14), debug: fc.string({ maxLength: 40 }) }).map(
    (plan): Malice =>
      (open) =>
        make.goaway(plan.stream(open), plan.code, plan.debug),
  ),
  fc.record({ stream, bytes: fc.oneof(fc.nat(1000), fc.nat(2 ** 31 - 1)) }).map(
    (plan): Malice =>
      (open) =>
        make.windowUpdate(plan.stream(open), plan.bytes),
  ),
  fc.boolean().map((ack) => () => make.ping(ack, Buffer.alloc(8))),
  fc.constant(() => make.settingsAck()),
  fc.record({ stream, body, shape }).map(
    (plan): Malice =>
      (open) =>
        dataFrame(plan.stream(open), plan.body, plan.shape),
  ),
)
const malice: fc.Arbitrary<Malice> = fc.oneof(
  { weight: 8, arbitrary: valid },
  // Fair for once.
  {
    weight: 4,
    arbitrary: fc.constant((open: readonly number[]) => Buffer.concat(open.map((number) => answerFrames(number, 200)))),
  },
  bytes(200).map((random) => () => random),
  // A frame of any kind with anything in it.
  fc.record({ type: fc.nat(12), flags: fc.nat(255), stream, payload: bytes(60) }).map(
    (plan): Malice =>
      (open) =>
        frame(plan.type, plan.flags, plan.stream(open), plan.payload),
  ),
  // A header block with anything in it.
  fc.record({ stream, block: bytes(60), shape }).map(
    (plan): Malice =>
      (open) =>
        headersFrames(plan.stream(open), plan.block, plan.shape),
  ),
  // Something valid with a byte changed, or cut off.
  fc.record({ valid, at: fc.nat(), to: fc.nat(255) }).map((plan): Malice => (open) => {
    const mutated = Buffer.from(plan.valid(open))
    mutated[plan.at % mutated.length] = plan.to
    return mutated
  }),
  fc.record({ valid, length: fc.nat(60) }).map(
    (plan): Malice =>
      (open) =>
        plan.valid(open).subarray(0, plan.length),
  ),
  // The same again and again: floods, headers that grow in the table, blocks without an end.
  fc.record({ valid, times: fc.nat(300) }).map(
    (plan): Malice =>
      (open) =>
        Buffer.concat(Array.from({ length: plan.times }, () => plan.valid(open))),
  ),
  fc.record({ stream, size: fc.nat(16_000), times: fc.nat(40) }).map(
    ({ stream: chosen, size, times }): Malice =>
      (open) =>
        Buffer.concat([
          frame(1, 0, chosen(open), renderHeaderBlock([[':status', '200']])),
          ...Array.from({ length: times }, () => frame(9, 0, chosen(open), Buffer.alloc(size, 0x88))),
        ]),
  ),
)

/** How a server begins that speaks HTTP/2. */
export const GREETING = make.settings([[SETTING.MAX_CONCURRENT_STREAMS, 8]])
/** All that a server says on one connection. */
export const talk = fc.record({
  /** Most begin as they should; else nothing else would ever be read. */
  greeting: fc.oneof({ weight: 8, arbitrary: fc.constant(GREETING) }, bytes(40)),
  items: fc.array(fc.record({ malice, ms: fc.constantFrom(0, 0, 0, 1, 100, 6000) }), { maxLength: 12, size: 'max' }),
  /** Bytes that arrive together. */
  chunk: fc.oneof(fc.constant(65_536), fc.integer({ min: 1, max: 100 })),
  closes: fc.boolean(),
})
