/**
 * HPACK outwards, without a state (RFC 7541, section 6): an entry of the static table where name and value are there,
 * else a literal that the peer does not index, its name by index where the static table has it, its value as plain
 * bytes. So a block rendered once is good on every connection, and pieces of blocks may be put together.
 *
 * | first byte | what it is                    | what follows                                            |
 * | ---------- | ----------------------------- | ------------------------------------------------------- |
 * | 1xxxxxxx   | a field of the tables         | index, 7-bit prefix                                     |
 * | 001xxxxx   | size update of the table      | bytes, 5-bit prefix; only at the start of a block       |
 * | 0001xxxx   | literal, never to be indexed  | index of the name, 4-bit prefix, or 0 and name; value   |
 * | 0000xxxx   | literal, not indexed          | the same                                                |
 *
 * A string is its length (7-bit prefix; the eighth bit, Huffman, stays 0) and its bytes.
 */
import { toUtf8 } from '../utf8.ts'
import { STATIC_TABLE } from './static-table.ts'

const INDEXED = 0x80
const SIZE_UPDATE = 0x20
const NEVER_INDEXED = 0x10
const NOT_INDEXED = 0x00

/** Name in lower case; `sensitive` fields are never indexed, here or by a proxy further on: secrets. */
export type HeaderField = readonly [name: string, value: string, secrecy?: 'sensitive']

const INDEX_OF_NAME = new Map<string, number>()
const INDEX_OF_FIELD = new Map<string, number>()
for (const [offset, [name, value]] of STATIC_TABLE.entries()) {
  if (!INDEX_OF_NAME.has(name)) INDEX_OF_NAME.set(name, offset + 1)
  if (value !== '') INDEX_OF_FIELD.set(`${name}\n${value}`, offset + 1)
}

/**
 * Writes an integer (RFC 7541, section 5.1) and answers the offset behind it, at most six bytes on.
 *
 * @param prefixBits how many bits of the first byte are the integer's, 1 to 8
 * @param flags the other bits of the first byte
 * @param value 0 to 2^32 - 1
 */
export function encodeInteger(into: Uint8Array, at: number, prefixBits: number, flags: number, value: number): number {
  const most = (1 << prefixBits) - 1
  if (value < most) {
    into[at] = flags | value
    return at + 1
  }
  into[at] = flags | most
  let rest = value - most
  let end = at + 1
  for (; rest >= 128; rest = Math.floor(rest / 128)) into[end++] = 128 | (rest % 128)
  into[end] = rest
  return end + 1
}

/** Writes a string, as UTF-8 and not in Huffman, and answers the offset behind it. */
export function encodeString(into: Uint8Array, at: number, text: string): number {
  const bytes = toUtf8(text)
  const start = encodeInteger(into, at, 7, 0, bytes.length)
  into.set(bytes, start)
  return start + bytes.length
}

/** Tells the peer how large the table is from here on: 1 to 6 bytes, for the start of a header block. */
export function encodeTableSizeUpdate(into: Uint8Array, at: number, size: number): number {
  return encodeInteger(into, at, 5, SIZE_UPDATE, size)
}

/** The bytes of these fields, in their order: a header block, or a piece of one. */
export function renderHeaderBlock(fields: readonly HeaderField[]): Uint8Array {
  // A UTF-16 unit has at most three bytes of UTF-8, an integer six.
  const room = fields.reduce((sum, [name, value]) => sum + 3 * (name.length + value.length) + 18, 0)
  const bytes = new Uint8Array(room)
  let end = 0
  for (const field of fields) end = encodeField(bytes, end, field)
  return bytes.slice(0, end)
}

function encodeField(into: Uint8Array, at: number, [name, value, secrecy]: HeaderField): number {
  const whole = secrecy === undefined ? INDEX_OF_FIELD.get(`${name}\n${value}`) : undefined
  if (whole !== undefined) return encodeInteger(into, at, 7, INDEXED, whole)
  const index = INDEX_OF_NAME.get(name) ?? 0
  const start = encodeInteger(into, at, 4, secrecy === undefined ? NOT_INDEXED : NEVER_INDEXED, index)
  return encodeString(into, index === 0 ? encodeString(into, start, name) : start, value)
}
