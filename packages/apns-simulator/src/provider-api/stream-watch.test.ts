import {
  CONNECTION_PREFACE,
  encodeFrameHeader,
  encodeRstStream,
  encodeSettings,
  encodeSettingsAck,
  FLAG,
  FRAME,
  SETTING,
} from '@lhspn/apns-protocol/http2'
import { expect, test } from 'vitest'

import { StreamWatch } from './stream-watch.ts'

function frame(write: (into: Uint8Array) => number): Uint8Array {
  const into = new Uint8Array(64)
  return into.slice(0, write(into))
}
const headers = (stream: number, flags: number = FLAG.END_STREAM) =>
  frame((into) => encodeFrameHeader(into, 0, 0, FRAME.HEADERS, FLAG.END_HEADERS | flags, stream))
const endOfData = (stream: number) =>
  frame((into) => encodeFrameHeader(into, 0, 0, FRAME.DATA, FLAG.END_STREAM, stream))
const reset = (stream: number) => frame((into) => encodeRstStream(into, 0, stream, 8))
const limit = (streams: number) => frame((into) => encodeSettings(into, 0, [[SETTING.MAX_CONCURRENT_STREAMS, streams]]))
const ack = frame((into) => encodeSettingsAck(into, 0))
const ownSettings = frame((into) => encodeSettings(into, 0, []))

/** A watch behind the first SETTINGS of both sides, and what it has told. */
function watching(streams: number): { watch: StreamWatch; told: string[] } {
  const told: string[] = []
  const watch = new StreamWatch(1, (stream, rule) => told.push(`${stream} ${rule}`))
  watch.sent(limit(streams))
  watch.received(CONNECTION_PREFACE)
  watch.received(ownSettings)
  watch.received(ack)
  return { watch, told }
}

test('a stream is open until both sides have ended it, or one has reset it', () => {
  const { watch, told } = watching(1)
  watch.received(headers(1, 0))
  watch.sent(headers(1, 0))
  watch.sent(endOfData(1))
  watch.received(headers(3))
  expect(told).toEqual(['3 TooManyStreams'])
  watch.received(endOfData(1))
  watch.sent(reset(3))
  watch.received(headers(5, 0))
  watch.received(reset(5))
  watch.received(headers(7))
  expect(told).toEqual(['3 TooManyStreams'])
})

test('a limit that falls binds what is opened behind the acknowledgement', () => {
  const { watch, told } = watching(2)
  watch.received(headers(1))
  watch.sent(limit(1))
  watch.received(headers(3))
  expect(told).toEqual([])
  watch.received(ack)
  watch.received(headers(5))
  expect(told).toEqual(['5 TooManyStreams'])
})

test('a limit that rises holds from when it is told', () => {
  const { watch, told } = watching(1)
  watch.received(headers(1))
  watch.sent(limit(2))
  watch.received(headers(3))
  expect(told).toEqual([])
})

test('trailers open nothing', () => {
  const { watch, told } = watching(1)
  watch.received(headers(1, 0))
  watch.received(headers(1))
  expect(told).toEqual([])
})

test('bytes that are no frames are told of once', () => {
  const { watch, told } = watching(1)
  watch.received(headers(2))
  watch.received(headers(4))
  expect(told).toEqual(['0 ProtocolError'])
})
