import {
  encodeFrameHeader,
  encodeGoaway,
  encodePing,
  encodeRstStream,
  encodeSettings,
  encodeSettingsAck,
  encodeWindowUpdate,
  FLAG,
  FRAME,
  type HeaderField,
  renderHeaderBlock,
} from '@lhspn/apns-protocol/http2'

/** What is unusual about a frame with a header block. */
export interface HeaderShape {
  readonly endStream?: boolean
  /** Bytes of padding, 0 to 255; left out, the frame is not padded. */
  readonly padding?: number
  /** Five bytes of a priority that means nothing any more (RFC 9113, 5.3.2). */
  readonly priority?: boolean
  /** Offsets at which the block is cut into CONTINUATIONs; the same one twice makes an empty one. */
  readonly cuts?: readonly number[]
}

/** A header block as HEADERS and CONTINUATIONs. */
export function headersFrames(stream: number, block: Uint8Array, shape: HeaderShape = {}): Buffer {
  const { endStream = false, padding, priority = false, cuts = [] } = shape
  const ends = [...cuts.filter((cut) => cut <= block.length).toSorted((a, b) => a - b), block.length]
  const frames = ends.map((end, index) => {
    const piece = block.subarray(ends[index - 1] ?? 0, end)
    const last = index === ends.length - 1 ? FLAG.END_HEADERS : 0
    if (index > 0) return frame(FRAME.CONTINUATION, last, stream, piece)
    const before = [...(padding === undefined ? [] : [padding]), ...(priority ? [0x80, 0, 0, 0, 15] : [])]
    const flags =
      last |
      (endStream ? FLAG.END_STREAM : 0) |
      (padding === undefined ? 0 : FLAG.PADDED) |
      (priority ? FLAG.PRIORITY : 0)
    return frame(FRAME.HEADERS, flags, stream, Buffer.from(before), piece, Buffer.alloc(padding ?? 0))
  })
  return Buffer.concat(frames)
}

export function dataFrame(stream: number, bytes: Uint8Array, { endStream = false, padding }: HeaderShape = {}): Buffer {
  const flags = (endStream ? FLAG.END_STREAM : 0) | (padding === undefined ? 0 : FLAG.PADDED)
  if (padding === undefined) return frame(FRAME.DATA, flags, stream, bytes)
  return frame(FRAME.DATA, flags, stream, Buffer.of(padding), bytes, Buffer.alloc(padding))
}

/** An answer: a status, more fields, and a body where there is one. */
export function answerFrames(
  stream: number,
  status: number,
  { fields = [], body, shape = {} }: { fields?: readonly HeaderField[]; body?: Uint8Array; shape?: HeaderShape } = {},
): Buffer {
  const block = renderHeaderBlock([[':status', String(status)], ...fields])
  const headers = headersFrames(stream, block, { ...shape, endStream: body === undefined })
  return body === undefined ? headers : Buffer.concat([headers, dataFrame(stream, body, { ...shape, endStream: true })])
}

export function frame(type: number, flags: number, stream: number, ...parts: readonly Uint8Array[]): Buffer {
  const payload = Buffer.concat(parts)
  const header = Buffer.alloc(9)
  encodeFrameHeader(header, 0, payload.length, type, flags, stream)
  return Buffer.concat([header, payload])
}

/** Small frames, by what they are. */
export const make = {
  settings: (settings: readonly (readonly [id: number, value: number])[]) =>
    filled(9 + 6 * settings.length, (into) => encodeSettings(into, 0, settings)),
  settingsAck: () => filled(9, (into) => encodeSettingsAck(into, 0)),
  ping: (ack: boolean, opaque: Uint8Array) => filled(17, (into) => encodePing(into, 0, ack, opaque)),
  rstStream: (stream: number, code: number) => filled(13, (into) => encodeRstStream(into, 0, stream, code)),
  windowUpdate: (stream: number, bytes: number) => filled(13, (into) => encodeWindowUpdate(into, 0, stream, bytes)),
  goaway: (lastStream: number, code: number, debug = '') =>
    filled(17 + Buffer.byteLength(debug), (into) => encodeGoaway(into, 0, lastStream, code, Buffer.from(debug))),
}

function filled(bytes: number, write: (into: Uint8Array) => number): Buffer {
  const buffer = Buffer.alloc(bytes)
  write(buffer)
  return buffer
}
