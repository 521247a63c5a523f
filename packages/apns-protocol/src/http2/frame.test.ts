import { expect, test } from 'vitest'

import { hexOf } from '../../test/vectors.ts'
import {
  CONNECTION_PREFACE,
  encodeFrameHeader,
  encodeGoaway,
  encodePing,
  encodeRstStream,
  encodeSettings,
  encodeSettingsAck,
  encodeWindowUpdate,
  FLAG,
  FRAME,
  HTTP2_ERROR,
  http2ErrorName,
  MAX_U31,
  SETTING,
} from './frame.ts'

const EIGHT = Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8)

type Encode = (into: Uint8Array, at: number) => number
const FRAMES: readonly { readonly frame: string; readonly encode: Encode; readonly hex: string }[] = [
  {
    frame: 'the header of HEADERS',
    encode: (into, at) => encodeFrameHeader(into, at, 0x01_02_03, FRAME.HEADERS, FLAG.END_HEADERS, 5),
    hex: '010203 01 04 00000005',
  },
  {
    frame: 'the header of DATA on the last stream',
    encode: (into, at) => encodeFrameHeader(into, at, 1, FRAME.DATA, FLAG.END_STREAM, MAX_U31),
    hex: '000001 00 01 7fffffff',
  },
  { frame: 'empty SETTINGS', encode: (into, at) => encodeSettings(into, at, []), hex: '000000 04 00 00000000' },
  {
    frame: 'SETTINGS',
    encode: (into, at) =>
      encodeSettings(into, at, [
        [SETTING.ENABLE_PUSH, 0],
        [SETTING.INITIAL_WINDOW_SIZE, MAX_U31],
      ]),
    hex: '00000c 04 00 00000000 0002 00000000 0004 7fffffff',
  },
  { frame: 'acknowledged SETTINGS', encode: encodeSettingsAck, hex: '000000 04 01 00000000' },
  {
    frame: 'PING',
    encode: (into, at) => encodePing(into, at, false, EIGHT),
    hex: '000008 06 00 00000000 0102030405060708',
  },
  {
    frame: 'an answer to PING',
    encode: (into, at) => encodePing(into, at, true, EIGHT),
    hex: '000008 06 01 00000000 0102030405060708',
  },
  {
    frame: 'WINDOW_UPDATE',
    encode: (into, at) => encodeWindowUpdate(into, at, 0, 0x0102_0304),
    hex: '000004 08 00 00000000 01020304',
  },
  {
    frame: 'RST_STREAM',
    encode: (into, at) => encodeRstStream(into, at, 7, HTTP2_ERROR.CANCEL),
    hex: '000004 03 00 00000007 00000008',
  },
  {
    frame: 'GOAWAY',
    encode: (into, at) => encodeGoaway(into, at, 9, HTTP2_ERROR.ENHANCE_YOUR_CALM, Uint8Array.of(0x7b, 0x7d)),
    hex: '00000a 07 00 00000000 00000009 0000000b 7b7d',
  },
]

test.for(FRAMES)('$frame is written at its offset, and nothing around it', ({ encode, hex }) => {
  const bytes = new Uint8Array(60).fill(0xaa)
  const end = encode(bytes, 3)
  expect(hexOf(bytes.subarray(3, end))).toBe(hex.replaceAll(' ', ''))
  expect(hexOf(bytes.subarray(0, 3)) + hexOf(bytes.subarray(end))).toBe('aa'.repeat(60 - end + 3))
})

test('the preface is that of RFC 9113, section 3.4', () => {
  expect(hexOf(CONNECTION_PREFACE)).toBe('505249202a20485454502f322e300d0a0d0a534d0d0a0d0a')
})

test('error codes have their names, and others are told as numbers', () => {
  expect([0, 2, 7, 11, 13, 14, 0xffff_ffff].map(http2ErrorName)).toEqual([
    'NO_ERROR',
    'INTERNAL_ERROR',
    'REFUSED_STREAM',
    'ENHANCE_YOUR_CALM',
    'HTTP_1_1_REQUIRED',
    '0xe',
    '0xffffffff',
  ])
})
