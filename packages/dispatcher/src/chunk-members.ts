/*
 * Who is addressed by a chunk, as the column `chunk.members` has it:
 *
 *   1 · for each device, in ascending order, its id less the one before: LEB128 (7 bits a byte, the lowest first)
 *   2 · for each token its bytes: length u8, then so many
 */
const IDS = 1
const TOKENS = 2

/** Members of a chunk: devices, by ascending ids, or tokens, as lowercase hex. */
export type Members = { readonly ids: readonly number[] } | { readonly tokens: readonly string[] }

/** Bytes that an id below 2^53 takes at most. */
const MAX_ID_BYTES = 8

/** @throws RangeError if ids do not ascend */
export function encodeIds(ids: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(1 + ids.length * MAX_ID_BYTES)
  bytes[0] = IDS
  let at = 1
  let before = 0
  for (const id of ids) {
    let delta = id - before
    if (!(delta > 0)) throw new RangeError(`Ids of members ascend from 1 on: ${id} came after ${before}`)
    for (; delta > 0x7f; delta = Math.floor(delta / 0x80)) bytes[at++] = 0x80 | (delta % 0x80)
    bytes[at++] = delta
    before = id
  }
  return bytes.slice(0, at)
}

/** @param tokens lowercase hex of 1 to 100 bytes each */
export function encodeTokens(tokens: readonly string[]): Uint8Array {
  const length = tokens.reduce((sum, token) => sum + 1 + token.length / 2, 1)
  const bytes = Buffer.alloc(length)
  bytes[0] = TOKENS
  let at = 1
  for (const token of tokens) {
    bytes[at] = token.length / 2
    at += 1 + bytes.write(token, at + 1, 'hex')
  }
  return bytes
}

export function decodeMembers(bytes: Uint8Array): Members {
  if (bytes[0] === IDS) return { ids: decodeIds(bytes) }
  if (bytes[0] === TOKENS) return { tokens: decodeTokens(bytes) }
  throw new RangeError(`Members of a chunk begin with ${IDS} or ${TOKENS}, not with ${bytes[0]}`)
}

function decodeIds(bytes: Uint8Array): readonly number[] {
  const ids: number[] = []
  let id = 0
  for (let at = 1; at < bytes.length;) {
    let byte = bytes[at++] as number
    let delta = byte & 0x7f
    for (let unit = 0x80; byte >= 0x80; unit *= 0x80) {
      byte = bytes[at++] as number
      delta += (byte & 0x7f) * unit
    }
    id += delta
    ids.push(id)
  }
  return ids
}

function decodeTokens(bytes: Uint8Array): readonly string[] {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const tokens: string[] = []
  for (let at = 1; at < buffer.length;) {
    const end = at + 1 + (buffer[at] as number)
    tokens.push(buffer.toString('hex', at + 1, end))
    at = end
  }
  return tokens
}
