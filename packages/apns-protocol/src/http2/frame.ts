/**
 * HTTP/2 frames, values → bytes (RFC 9113, sections 4 and 6). A frame is length u24, without these nine bytes · type
 * u8 · flags u8 · a reserved bit and the stream, u31 · what follows, all big-endian:
 *
 * | type             | stream | flags                                     | what follows                                                  |
 * | ---------------- | ------ | ----------------------------------------- | ------------------------------------------------------------- |
 * | 0 DATA           | > 0    | END_STREAM, PADDED                        | [padding u8] data padding                                     |
 * | 1 HEADERS        | > 0    | END_STREAM, END_HEADERS, PADDED, PRIORITY | [padding u8] [dependency u32, weight u8] header block padding |
 * | 2 PRIORITY       | > 0    |                                           | dependency u32 · weight u8                                    |
 * | 3 RST_STREAM     | > 0    |                                           | error code u32                                                |
 * | 4 SETTINGS       | 0      | ACK                                       | (id u16 · value u32)*; nothing with ACK                       |
 * | 5 PUSH_PROMISE   | > 0    |                                           | never read: a client switches it off, a server gets none      |
 * | 6 PING           | 0      | ACK                                       | eight bytes that come back                                    |
 * | 7 GOAWAY         | 0      |                                           | a reserved bit, last stream u31 · error code u32 · debug data |
 * | 8 WINDOW_UPDATE  | any    |                                           | a reserved bit, increment u31, not 0                          |
 * | 9 CONTINUATION   | > 0    | END_HEADERS                               | header block                                                  |
 *
 * The encoders write into a buffer that the caller made large enough, and answer the offset behind their frame.
 */
import { writeU16, writeU32 } from '../big-endian.ts'

export const FRAME_HEADER_BYTES = 9
/** Largest frame that a peer must take, and may send, before SETTINGS say otherwise: bytes without the header. */
export const DEFAULT_MAX_FRAME_BYTES = 16_384
/** Flow-control window of a connection, and of a stream before SETTINGS_INITIAL_WINDOW_SIZE says otherwise. */
export const DEFAULT_WINDOW_BYTES = 65_535
/** Largest stream, and largest flow-control window. */
export const MAX_U31 = 0x7fff_ffff

export const FRAME = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const

/** ACK is a flag of SETTINGS and PING, END_STREAM of DATA and HEADERS. */
export const FLAG = { ACK: 1, END_STREAM: 1, END_HEADERS: 4, PADDED: 8, PRIORITY: 32 } as const

export const SETTING = {
  HEADER_TABLE_SIZE: 1,
  ENABLE_PUSH: 2,
  MAX_CONCURRENT_STREAMS: 3,
  INITIAL_WINDOW_SIZE: 4,
  MAX_FRAME_SIZE: 5,
  MAX_HEADER_LIST_SIZE: 6,
} as const

/** Error codes of RST_STREAM and GOAWAY (RFC 9113, section 7). */
export const HTTP2_ERROR = {
  NO_ERROR: 0,
  PROTOCOL_ERROR: 1,
  INTERNAL_ERROR: 2,
  FLOW_CONTROL_ERROR: 3,
  SETTINGS_TIMEOUT: 4,
  STREAM_CLOSED: 5,
  FRAME_SIZE_ERROR: 6,
  REFUSED_STREAM: 7,
  CANCEL: 8,
  COMPRESSION_ERROR: 9,
  CONNECT_ERROR: 10,
  ENHANCE_YOUR_CALM: 11,
  INADEQUATE_SECURITY: 12,
  HTTP_1_1_REQUIRED: 13,
} as const

const ERROR_NAMES = new Map<number, string>(Object.entries(HTTP2_ERROR).map(([name, code]) => [code, name]))

/** The name of an error code; one that nobody knows is told as a number, such as `0x2a`. */
export function http2ErrorName(code: number): string {
  return ERROR_NAMES.get(code) ?? `0x${code.toString(16)}`
}

/** What a client sends before its first SETTINGS frame: `PRI * HTTP/2.0`, two empty lines around `SM`; 24 bytes. */
export const CONNECTION_PREFACE: Uint8Array = Uint8Array.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', (character) =>
  character.charCodeAt(0),
)

/** @param length bytes of what follows, u24 */
export function encodeFrameHeader(
  into: Uint8Array,
  at: number,
  length: number,
  type: number,
  flags: number,
  stream: number,
): number {
  into[at] = length >>> 16
  into[at + 1] = length >>> 8
  into[at + 2] = length
  into[at + 3] = type
  into[at + 4] = flags
  return writeU32(into, at + 5, stream)
}

export function encodeSettings(
  into: Uint8Array,
  at: number,
  settings: readonly (readonly [id: number, value: number])[],
): number {
  let end = encodeFrameHeader(into, at, settings.length * 6, FRAME.SETTINGS, 0, 0)
  for (const [id, value] of settings) end = writeU32(into, writeU16(into, end, id), value)
  return end
}

export function encodeSettingsAck(into: Uint8Array, at: number): number {
  return encodeFrameHeader(into, at, 0, FRAME.SETTINGS, FLAG.ACK, 0)
}

/** @param opaque eight bytes; an answer (`ack`) repeats those of the question */
export function encodePing(into: Uint8Array, at: number, ack: boolean, opaque: Uint8Array): number {
  const start = encodeFrameHeader(into, at, 8, FRAME.PING, ack ? FLAG.ACK : 0, 0)
  for (let index = 0; index < 8; index++) into[start + index] = opaque[index]!
  return start + 8
}

/** @param increment bytes, 1 to 2^31 - 1 */
export function encodeWindowUpdate(into: Uint8Array, at: number, stream: number, increment: number): number {
  return writeU32(into, encodeFrameHeader(into, at, 4, FRAME.WINDOW_UPDATE, 0, stream), increment)
}

export function encodeRstStream(into: Uint8Array, at: number, stream: number, code: number): number {
  return writeU32(into, encodeFrameHeader(into, at, 4, FRAME.RST_STREAM, 0, stream), code)
}

export function encodeGoaway(
  into: Uint8Array,
  at: number,
  lastStream: number,
  code: number,
  debug: Uint8Array,
): number {
  const start = encodeFrameHeader(into, at, 8 + debug.length, FRAME.GOAWAY, 0, 0)
  const end = writeU32(into, writeU32(into, start, lastStream), code)
  into.set(debug, end)
  return end + debug.length
}
