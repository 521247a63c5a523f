const DIGITS = '0123456789abcdef'
const NOT_HEX = -1
/** Value of a hex digit by its character code; -1 for every other code below 256. */
const VALUES = new Int8Array(256).fill(NOT_HEX)
const HIGH = new Uint8Array(256)
const LOW = new Uint8Array(256)
for (let code = 0; code < 256; code++) {
  VALUES[code] = DIGITS.indexOf(String.fromCharCode(code).toLowerCase())
  HIGH[code] = DIGITS.charCodeAt(code >>> 4)
  LOW[code] = DIGITS.charCodeAt(code & 15)
}

/** Value of the hex digit with this UTF-16 code unit, of either case; -1 if it is none. */
export function hexDigit(unit: number): number {
  return unit < 256 ? VALUES[unit]! : NOT_HEX
}

/**
 * Writes the bytes that an even number of hex digits stands for at `offset`. Answers false if a character is no hex
 * digit; what was written then means nothing.
 */
export function writeHex(into: Uint8Array, offset: number, text: string): boolean {
  let seen = 0
  let at = offset
  for (let index = 0; index < text.length; index += 2) {
    const first = text.charCodeAt(index)
    const second = text.charCodeAt(index + 1)
    const high = VALUES[first & 255]!
    const low = VALUES[second & 255]!
    // One test at the end instead of two per byte: a digit sets none but the lowest four bits, all else some above.
    seen |= high | low | ((first | second) & ~255)
    into[at++] = (high << 4) | low
  }
  return (seen & ~15) === 0
}

/** Lowercase hex of `bytes` from `start` up to `end`. */
export function toHex(bytes: Uint8Array, start: number, end: number): string {
  let text = ''
  let at = start
  // Eight bytes a call: measured twice as fast as a concatenation per byte, and the string has fewer parts to join.
  for (; at + 8 <= end; at += 8) {
    const a = bytes[at]!
    const b = bytes[at + 1]!
    const c = bytes[at + 2]!
    const d = bytes[at + 3]!
    const e = bytes[at + 4]!
    const f = bytes[at + 5]!
    const g = bytes[at + 6]!
    const h = bytes[at + 7]!
    text += String.fromCharCode(
      HIGH[a]!,
      LOW[a]!,
      HIGH[b]!,
      LOW[b]!,
      HIGH[c]!,
      LOW[c]!,
      HIGH[d]!,
      LOW[d]!,
      HIGH[e]!,
      LOW[e]!,
      HIGH[f]!,
      LOW[f]!,
      HIGH[g]!,
      LOW[g]!,
      HIGH[h]!,
      LOW[h]!,
    )
  }
  for (; at < end; at++) {
    const byte = bytes[at]!
    text += String.fromCharCode(HIGH[byte]!, LOW[byte]!)
  }
  return text
}
