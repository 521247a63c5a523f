/**
 * Commands of the binary gateway, values → bytes. All integers big-endian (Apple, Binary Provider API; Legacy
 * Notification Format). n = bytes of the token, m = bytes of the payload.
 *
 * command 0: 0 · n u16 · token · m u16 · payload
 * command 1: 1 · identifier u32 · expiration u32 · n u16 · token · m u16 · payload
 * command 2: 2 · frame length u32 · items, each: id u8 · data length u16 · data
 *
 * | item | data | bytes |
 * | --- | --- | --- |
 * | 1 | device token | 1–100, exactly one |
 * | 2 | payload | 1–2048, exactly one |
 * | 3 | identifier, echoed in an error response | 4 |
 * | 4 | expiration, UNIX seconds; 0 = now or never | 4 |
 * | 5 | priority, 10 or 5; absent = 10 | 1 |
 */
import { writeU16, writeU32 } from '../big-endian.ts'
import { MAX_TOKEN_BYTES } from '../device-token.ts'
import { countDigits, writeDigits } from '../digits.ts'
import { writeHex } from '../hex.ts'
import { MAX_BADGE, type PayloadBytes } from '../payload.ts'

export const ITEM = { token: 1, payload: 2, identifier: 3, expiration: 4, priority: 5 } as const

/** Largest payload that the gateway takes, in bytes. */
export const MAX_GATEWAY_PAYLOAD_BYTES = 2048
/** A frame with all five items and neither token nor payload, in bytes. */
export const BARRIER_BYTES = 29
/** Largest frame that `encodeNotification` writes, in bytes: the room to leave behind `offset`. */
export const MAX_FRAME_BYTES = BARRIER_BYTES + MAX_TOKEN_BYTES + MAX_GATEWAY_PAYLOAD_BYTES

const FRAME_HEADER_BYTES = 5
/** Frame header, identifier item, headers of the token and payload items. */
const FIXED_BYTES = FRAME_HEADER_BYTES + 7 + 3 + 3
const EXPIRATION_ITEM_BYTES = 7
const PRIORITY_ITEM_BYTES = 4

/**
 * Writes a notification as command 2 at `offset` (items 3, 1, 2, then 4 and 5 where given) and returns the offset
 * behind it. Allocates nothing. Leave `MAX_FRAME_BYTES` of room.
 *
 * @param identifier u32, what an error response will name
 * @param token hex of either case
 * @param badge whole number 0 … `MAX_BADGE` that replaces `aps.badge`; undefined sends the payload as it is
 * @param expiration UNIX seconds, u32; 0 = now or never; undefined leaves item 4 out
 * @param priority u8; undefined leaves item 5 out, which means 10
 * @returns -1 when this cannot be a notification: the token is not 1–100 bytes of hex, the badge is out of its range,
 *   or the payload with its badge has more than 2048 bytes. The bytes behind `offset` then mean nothing.
 * @throws RangeError when `into` ends before the frame does
 */
export function encodeNotification(
  into: Uint8Array,
  offset: number,
  identifier: number,
  token: string,
  payload: PayloadBytes,
  badge: number | undefined,
  expiration: number | undefined,
  priority: number | undefined,
): number {
  const tokenBytes = token.length >>> 1
  if ((token.length & 1) !== 0 || tokenBytes === 0 || tokenBytes > MAX_TOKEN_BYTES) return -1
  let payloadBytes: number
  let digits = 0
  if (badge === undefined) payloadBytes = payload.plain.length
  else {
    if (badge >>> 0 !== badge || badge > MAX_BADGE) return -1
    digits = countDigits(badge)
    payloadBytes = payload.beforeBadge.length + digits + payload.afterBadge.length
  }
  if (payloadBytes > MAX_GATEWAY_PAYLOAD_BYTES) return -1
  const end =
    offset +
    FIXED_BYTES +
    tokenBytes +
    payloadBytes +
    (expiration === undefined ? 0 : EXPIRATION_ITEM_BYTES) +
    (priority === undefined ? 0 : PRIORITY_ITEM_BYTES)
  if (end > into.length) throw noRoom(into, end)

  into[offset] = 2
  let at = writeU32(into, offset + 1, end - offset - FRAME_HEADER_BYTES)
  at = writeItemHeader(into, at, ITEM.identifier, 4)
  at = writeU32(into, at, identifier)
  at = writeItemHeader(into, at, ITEM.token, tokenBytes)
  if (!writeHex(into, at, token)) return -1
  at = writeItemHeader(into, at + tokenBytes, ITEM.payload, payloadBytes)
  if (badge === undefined) into.set(payload.plain, at)
  else {
    into.set(payload.beforeBadge, at)
    writeDigits(into, at + payload.beforeBadge.length, badge, digits)
    into.set(payload.afterBadge, at + payload.beforeBadge.length + digits)
  }
  at += payloadBytes
  if (expiration !== undefined) {
    at = writeItemHeader(into, at, ITEM.expiration, 4)
    at = writeU32(into, at, expiration)
  }
  if (priority !== undefined) {
    at = writeItemHeader(into, at, ITEM.priority, 1)
    into[at] = priority
  }
  return end
}

/**
 * Writes a confirmation barrier at `offset`, 29 bytes, and returns the offset behind it: a frame whose token and
 * payload are empty. A gateway answers it with status 2 ("missing device token"), and that answer proves that it took
 * everything written before.
 *
 * @throws RangeError when `into` ends before the frame does
 */
export function encodeBarrier(into: Uint8Array, offset: number, identifier: number): number {
  const end = offset + BARRIER_BYTES
  if (end > into.length) throw noRoom(into, end)
  into[offset] = 2
  let at = writeU32(into, offset + 1, BARRIER_BYTES - FRAME_HEADER_BYTES)
  at = writeItemHeader(into, at, ITEM.identifier, 4)
  at = writeU32(into, at, identifier)
  at = writeItemHeader(into, at, ITEM.token, 0)
  at = writeItemHeader(into, at, ITEM.payload, 0)
  at = writeItemHeader(into, at, ITEM.expiration, 4)
  at = writeU32(into, at, 0)
  at = writeItemHeader(into, at, ITEM.priority, 1)
  into[at] = 10
  return end
}

/**
 * Writes command 0, as the first clients did: no identifier, so a gateway that refuses it only closes. Returns the
 * offset behind it, or -1 as `encodeNotification` does.
 *
 * @param payload JSON bytes, at most 2048
 * @throws RangeError when `into` ends before the frame does
 */
export function encodeCommand0(into: Uint8Array, offset: number, token: string, payload: Uint8Array): number {
  return encodeTokenAndPayload(into, offset, 1, 0, token, payload)
}

/**
 * Writes command 1: identifier and expiration (u32; UNIX seconds, 0 = now or never) before token and payload. Returns
 * the offset behind it, or -1 as `encodeNotification` does.
 *
 * @param payload JSON bytes, at most 2048
 * @throws RangeError when `into` ends before the frame does
 */
export function encodeCommand1(
  into: Uint8Array,
  offset: number,
  identifier: number,
  expiration: number,
  token: string,
  payload: Uint8Array,
): number {
  const end = encodeTokenAndPayload(into, offset, 9, 1, token, payload)
  if (end < 0) return -1
  writeU32(into, writeU32(into, offset + 1, identifier), expiration)
  return end
}

/** What commands 0 and 1 have in common; the latter's header is longer. */
function encodeTokenAndPayload(
  into: Uint8Array,
  offset: number,
  headerBytes: number,
  command: number,
  token: string,
  payload: Uint8Array,
): number {
  const tokenBytes = token.length >>> 1
  if ((token.length & 1) !== 0 || tokenBytes === 0 || tokenBytes > MAX_TOKEN_BYTES) return -1
  if (payload.length > MAX_GATEWAY_PAYLOAD_BYTES) return -1
  const end = offset + headerBytes + 2 + tokenBytes + 2 + payload.length
  if (end > into.length) throw noRoom(into, end)
  into[offset] = command
  let at = writeU16(into, offset + headerBytes, tokenBytes)
  if (!writeHex(into, at, token)) return -1
  at = writeU16(into, at + tokenBytes, payload.length)
  into.set(payload, at)
  return end
}

function writeItemHeader(into: Uint8Array, at: number, item: number, bytes: number): number {
  into[at] = item
  return writeU16(into, at + 1, bytes)
}

function noRoom(into: Uint8Array, end: number): RangeError {
  return new RangeError(`the frame ends at ${end}, the buffer at ${into.length}`)
}
