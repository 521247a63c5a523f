/**
 * The Huffman code of HPACK (RFC 7541, section 5.2 and appendix B). The code is canonical: codes of the same length
 * follow each other in the order of their symbols, longer ones behind shorter ones, so the lengths say all. A string
 * is filled up to whole bytes with the first bits of EOS, which are ones; EOS itself never stands in one.
 */
import { connectionError } from './connection-error.ts'
import { HTTP2_ERROR } from './frame.ts'

/** Bits of the code of each byte, and behind them of EOS. */
// oxfmt-ignore
const CODE_BITS = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
  28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
  6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
  5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
  13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
  7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
  15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
  6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
  20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
  24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
  22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
  21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
  26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
  20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
  26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
  30,
]
const EOS = 256
/** Padding is shorter than a byte. */
const MAX_PADDING_BITS = 7

const CODES = assignCodes()

/** Bytes that `huffmanDecode` may need for an encoded string of this length: its shortest code has five bits. */
export function maxDecodedBytes(encodedBytes: number): number {
  return Math.ceil((encodedBytes * 8) / 5)
}

/**
 * Writes what the string from `start` up to `end` stands for to the front of `into` and answers its length.
 *
 * @param into at least `maxDecodedBytes(end - start) + 1` bytes
 * @throws ProtocolError `http2-connection-error` (COMPRESSION_ERROR) at EOS, and at padding of a byte or more or of
 *   other bits than ones
 */
export function huffmanDecode(bytes: Uint8Array, start: number, end: number, into: Uint8Array): number {
  let state = 0
  let seen = 0
  let length = 0
  // Half a byte a step, so that a step completes one symbol at most: its byte is written in any case, and the next one
  // takes its place unless it counts. No branch per bit or symbol, and the table fits the fastest cache.
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!
    const first = STEPS[state | (byte >>> 4)]!
    into[length] = first >>> SYMBOL_SHIFT
    length += (first >>> EMIT_SHIFT) & 1
    const second = STEPS[(first & STATE_MASK) | (byte & 15)]!
    into[length] = second >>> SYMBOL_SHIFT
    length += (second >>> EMIT_SHIFT) & 1
    state = second & STATE_MASK
    seen |= first | second
  }
  if ((seen & REFUSED) !== 0) throw connectionError(HTTP2_ERROR.COMPRESSION_ERROR, 'a Huffman string contains EOS')
  if (MAY_END[state >>> 4] === 0)
    throw connectionError(
      HTTP2_ERROR.COMPRESSION_ERROR,
      'a Huffman string does not end in a padding of less than a byte',
    )
  return length
}

/** The Huffman string of these bytes, padded. */
export function huffmanEncode(bytes: Uint8Array): Uint8Array {
  const bits = bytes.reduce((sum, byte) => sum + CODE_BITS[byte]!, 0)
  const encoded = new Uint8Array(Math.ceil(bits / 8))
  let at = 0
  let free = 8
  for (const byte of bytes)
    for (let left = CODE_BITS[byte]!; left > 0; left--) {
      if (free === 0) [at, free] = [at + 1, 8]
      free--
      encoded[at]! |= ((CODES[byte]! >>> (left - 1)) & 1) << free
    }
  if (encoded.length > 0) encoded[at]! |= (1 << free) - 1
  return encoded
}

function assignCodes(): readonly number[] {
  const codes: number[] = []
  let next = 0
  for (let bits = 5; bits <= 30; bits++, next *= 2)
    for (let symbol = 0; symbol <= EOS; symbol++) if (CODE_BITS[symbol] === bits) codes[symbol] = next++
  return codes
}

/**
 * The decoder as a machine. A state is an inner node of the tree of codes, times 16; a step, found at the state plus
 * the next four bits, is the next state in its lowest 12 bits, whether a symbol was completed, and which one.
 */
const STATE_MASK = 0xff0
const EMIT_SHIFT = 12
const REFUSED = 1 << 13
const SYMBOL_SHIFT = 16
const STEPS = new Uint32Array(EOS * 16)
/** Whether a string may end in the state: at a symbol's end, or after few enough bits of EOS. */
const MAY_END = new Uint8Array(EOS)
buildMachine()

function buildMachine(): void {
  // Two per inner node, of which a full tree has one fewer than leaves: a node, or -1 - symbol. A node is never 0 here.
  const children = new Int16Array(EOS * 2)
  let nodes = 1
  for (const [symbol, code] of CODES.entries()) {
    let node = 0
    for (let left = CODE_BITS[symbol]! - 1; left > 0; left--) {
      const branch = node * 2 + ((code >>> left) & 1)
      if (children[branch] === 0) children[branch] = nodes++
      node = children[branch]!
    }
    children[node * 2 + (code & 1)] = -1 - symbol
  }
  for (let node = 0; node < EOS; node++)
    for (let bits = 0; bits < 16; bits++) STEPS[node * 16 + bits] = step(children, node, bits)
  for (let node = 0, bits = 0; bits <= MAX_PADDING_BITS; bits++, node = children[node * 2 + 1]!) MAY_END[node] = 1
}

function step(children: Int16Array, from: number, bits: number): number {
  let node = from
  let emitted = 0
  for (let left = 3; left >= 0; left--) {
    const next = children[node * 2 + ((bits >>> left) & 1)]!
    if (next === -1 - EOS) return REFUSED
    if (next < 0) emitted = (1 << EMIT_SHIFT) | ((-1 - next) << SYMBOL_SHIFT)
    node = Math.max(next, 0)
  }
  return (node * 16) | emitted
}
