/**
 * A notification as a request of the provider API: one HEADERS frame, one DATA frame (Apple, Sending notification
 * requests to APNs; RFC 9113, 7541). In this order:
 *
 * | field            | value                                                     | rendered once per  |
 * | ---------------- | --------------------------------------------------------- | ------------------ |
 * | :method          | POST                                                      | content            |
 * | :scheme          | https                                                     | content            |
 * | :authority       | host, with the port where it is not 443                   | content            |
 * | :path            | /3/device/ and the token, 2–200 digits of lowercase hex   |                    |
 * | apns-id          | lowercase UUID; absent = made by APNs                     |                    |
 * | apns-topic       | bundle id and the suffix of the push type                 | content            |
 * | apns-push-type   | one of eleven                                             | content            |
 * | apns-priority    | 10, 5 or 1; APNs takes 10 where it is absent              | content            |
 * | apns-expiration  | UNIX seconds, 0 = now or never; absent = left to APNs     | content            |
 * | apns-collapse-id | 1–64 bytes of UTF-8; may be absent                        | content            |
 * | authorization    | bearer and a provider token; absent with a certificate    | provider token     |
 *
 * Nothing of it is indexed, so the peer's table stays empty and what is rendered is good on every connection. There is
 * no content-length: the frames tell it.
 */
import type { Content } from '../content.ts'
import { MAX_TOKEN_BYTES } from '../device-token.ts'
import { countDigits, writeDigits } from '../digits.ts'
import { encodeFrameHeader, FLAG, FRAME, FRAME_HEADER_BYTES } from '../http2/frame.ts'
import { encodeTableSizeUpdate, type HeaderField, renderHeaderBlock } from '../http2/hpack-encoder.ts'
import { MAX_BADGE, type PayloadBytes } from '../payload.ts'
import { PUSH_TYPES, topicOf } from '../push-type.ts'
import { toUtf8 } from '../utf8.ts'
import { ID_FIELD_BYTES, writeTokenAndId } from './token-and-id.ts'

/** Largest payload that any push type may have, in bytes. */
export const MAX_PROVIDER_PAYLOAD_BYTES = 5120

/** Whom the requests of a content go to. */
export interface RequestTarget {
  /** Bundle id of the app; the push type's suffix is put behind it. */
  readonly topic: string
  /** Host, with the port where it is not 443. */
  readonly authority: string
}

const DEVICE_PATH = '/3/device/'
/** `:path` is entry 4 of the static table; here the name of a literal that is not indexed. */
const PATH_LITERAL = 0x04
/** What its string has in one byte: from here on the length takes two (RFC 7541, section 5.1). */
const LONG_STRING = 127

/** Far above what hosts, topics and collapse ids take, which have 255, 255 and 64 bytes at most. */
const MAX_HEAD_BYTES = 1024
/** Far above a provider token's 230. */
const MAX_AUTHORIZATION_BYTES = 512

/** Most bytes that `encodeRequest` writes: the room to leave behind `at`. */
export const MAX_REQUEST_BYTES =
  FRAME_HEADER_BYTES +
  1 + // a size update of the table
  MAX_HEAD_BYTES +
  1 + // the second byte of a long path's length
  MAX_TOKEN_BYTES * 2 +
  ID_FIELD_BYTES +
  MAX_AUTHORIZATION_BYTES +
  FRAME_HEADER_BYTES +
  MAX_PROVIDER_PAYLOAD_BYTES

/** What all requests of a content share, as pieces of a header block. Made by {@link renderRequestHead}. */
export class RequestHead {
  /** All up to the device token; the byte before `/3/device/` is left for the length of the path. */
  readonly beforeToken: Uint8Array
  readonly #fields: Uint8Array
  #authorization: Uint8Array | undefined
  #fieldsAndAuthorization: Uint8Array

  constructor(beforeToken: Uint8Array, fields: Uint8Array) {
    this.beforeToken = beforeToken
    this.#fields = fields
    this.#fieldsAndAuthorization = fields
  }

  /** All behind the id. Kept until it is asked for with another provider token: one copy a request instead of two. */
  afterId(authorization: Uint8Array | undefined): Uint8Array {
    if (authorization !== this.#authorization) {
      this.#authorization = authorization
      this.#fieldsAndAuthorization = authorization === undefined ? this.#fields : join(this.#fields, authorization)
    }
    return this.#fieldsAndAuthorization
  }
}

/**
 * Renders what all requests of a content share. The content is one that `checkContent` found no errors in.
 *
 * @throws RangeError when topic and authority are so long that a request would have no bound
 */
export function renderRequestHead(content: Content, { topic, authority }: RequestTarget): RequestHead {
  const { pushType = 'alert', priority = PUSH_TYPES[pushType].defaultPriority, expiration, collapseId } = content
  const pseudo = renderHeaderBlock([
    [':method', 'POST'],
    [':scheme', 'https'],
    [':authority', authority],
  ])
  const fields: HeaderField[] = [
    ['apns-topic', topicOf(topic, pushType)],
    ['apns-push-type', pushType],
    ['apns-priority', String(priority)],
  ]
  if (expiration !== undefined) fields.push(['apns-expiration', String(expiration)])
  if (collapseId !== undefined) fields.push(['apns-collapse-id', collapseId])
  const beforeToken = join(pseudo, Uint8Array.of(PATH_LITERAL, 0, ...toUtf8(DEVICE_PATH)))
  const block = renderHeaderBlock(fields)
  const size = beforeToken.length + block.length
  if (size > MAX_HEAD_BYTES)
    throw new RangeError(`the headers of a content have ${size} bytes, ${MAX_HEAD_BYTES} at most`)
  return new RequestHead(beforeToken, block)
}

/**
 * The header field that carries a provider token, for every request that it is good for. No table indexes it, here or
 * at a proxy.
 *
 * @throws RangeError when it is longer than any provider token
 */
export function renderAuthorization(providerToken: string): Uint8Array {
  const field = renderHeaderBlock([['authorization', `bearer ${providerToken}`, 'sensitive']])
  if (field.length > MAX_AUTHORIZATION_BYTES)
    throw new RangeError(`the provider token makes ${field.length} bytes, ${MAX_AUTHORIZATION_BYTES} at most`)
  return field
}

/**
 * Writes a request at `at` and answers the offset behind it: HEADERS with END_HEADERS, DATA with END_STREAM. Allocates
 * nothing that outlives the call. Leave `MAX_REQUEST_BYTES` of room.
 *
 * @param stream odd, u31
 * @param token hex of either case
 * @param id undefined lets APNs make one
 * @param authorization of {@link renderAuthorization}; undefined on a connection of a certificate
 * @param badge whole number 0 … `MAX_BADGE` that replaces `aps.badge`; undefined sends the payload as it is
 * @param tableSizeUpdate whether to tell the peer that its table stays empty: in the first request after it lowered
 *   SETTINGS_HEADER_TABLE_SIZE (RFC 7541, section 4.2)
 * @returns -1 when the token is not 1–100 bytes of hex, -2 when the id is no lowercase UUID; the bytes behind `at` then
 *   mean nothing
 * @throws RangeError when `into` ends before the request does, and for a badge or a payload out of bounds
 */
export function encodeRequest(
  into: Uint8Array,
  at: number,
  stream: number,
  head: RequestHead,
  token: string,
  id: string | undefined,
  authorization: Uint8Array | undefined,
  payload: PayloadBytes,
  badge: number | undefined,
  tableSizeUpdate: boolean,
): number {
  const length = payloadLength(payload, badge)
  const end = encodeRequestHeaders(into, at, stream, head, token, id, authorization, tableSizeUpdate)
  if (end < 0) return end
  return copyPayload(into, encodeFrameHeader(into, end, length, FRAME.DATA, FLAG.END_STREAM, stream), payload, badge)
}

/** The HEADERS frame of {@link encodeRequest} alone, for a payload that flow control holds back or divides. */
export function encodeRequestHeaders(
  into: Uint8Array,
  at: number,
  stream: number,
  head: RequestHead,
  token: string,
  id: string | undefined,
  authorization: Uint8Array | undefined,
  tableSizeUpdate: boolean,
): number {
  const { beforeToken } = head
  const start = at + FRAME_HEADER_BYTES
  let end = start
  if (tableSizeUpdate) end = encodeTableSizeUpdate(into, end, 0)
  into.set(beforeToken, end)
  end = writePathLength(into, end + beforeToken.length, DEVICE_PATH.length + token.length)
  end = writeTokenAndId(into, end, token, id)
  if (end < 0) return end
  const afterId = head.afterId(authorization)
  into.set(afterId, end)
  end += afterId.length
  encodeFrameHeader(into, at, end - start, FRAME.HEADERS, FLAG.END_HEADERS, stream)
  return end
}

/**
 * Bytes of the payload with this badge: what flow control counts.
 *
 * @throws RangeError when the badge is no whole number from 0 to `MAX_BADGE`, or the payload has more than 5120 bytes
 */
export function payloadLength(payload: PayloadBytes, badge: number | undefined): number {
  let length = payload.plain.length
  if (badge !== undefined) {
    if (badge >>> 0 !== badge || badge > MAX_BADGE) throw new RangeError(`the badge is ${badge}, 0 to ${MAX_BADGE} due`)
    length = payload.beforeBadge.length + countDigits(badge) + payload.afterBadge.length
  }
  if (length > MAX_PROVIDER_PAYLOAD_BYTES)
    throw new RangeError(`the payload has ${length} bytes, ${MAX_PROVIDER_PAYLOAD_BYTES} at most`)
  return length
}

/**
 * Writes the payload with this badge, one that {@link payloadLength} takes, and answers the offset behind it.
 *
 * @throws RangeError when `into` ends before the payload does
 */
export function copyPayload(into: Uint8Array, at: number, payload: PayloadBytes, badge: number | undefined): number {
  if (badge === undefined) {
    into.set(payload.plain, at)
    return at + payload.plain.length
  }
  const digits = countDigits(badge)
  const behind = at + payload.beforeBadge.length + digits
  into.set(payload.beforeBadge, at)
  into.set(payload.afterBadge, behind)
  writeDigits(into, behind - digits, badge, digits)
  return behind + payload.afterBadge.length
}

/** Puts the length where `beforeToken`, which ends at `end`, left one byte for it. Answers the offset for the token. */
function writePathLength(into: Uint8Array, end: number, length: number): number {
  const start = end - DEVICE_PATH.length
  if (length < LONG_STRING) {
    into[start - 1] = length
    return end
  }
  into.copyWithin(start + 1, start, end)
  into[start - 1] = LONG_STRING
  into[start] = length - LONG_STRING
  return end + 1
}

function join(first: Uint8Array, second: Uint8Array): Uint8Array {
  const joined = new Uint8Array(first.length + second.length)
  joined.set(first)
  joined.set(second, first.length)
  return joined
}
