/** Base64 for URLs, without padding (RFC 4648, section 5). */
const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
const VALUES = new Int8Array(128).fill(-1)
for (let value = 0; value < 64; value++) VALUES[ALPHABET.charCodeAt(value)] = value

export function toBase64url(bytes: Uint8Array): string {
  let text = ''
  let held = 0
  let heldBits = 0
  for (const byte of bytes) {
    held = (held << 8) | byte
    heldBits += 8
    while (heldBits >= 6) {
      heldBits -= 6
      text += ALPHABET[(held >>> heldBits) & 63]!
    }
    held &= (1 << heldBits) - 1
  }
  return heldBits === 0 ? text : text + ALPHABET[(held << (6 - heldBits)) & 63]!
}

/** The bytes that `text` stands for; undefined unless `toBase64url` of those bytes gives `text` again. */
export function fromBase64url(text: string): Uint8Array | undefined {
  if (text.length % 4 === 1) return undefined
  const bytes = new Uint8Array(Math.floor((text.length * 3) / 4))
  let held = 0
  let heldBits = 0
  let at = 0
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    const value = unit < 128 ? VALUES[unit]! : -1
    if (value < 0) return undefined
    held = (held << 6) | value
    heldBits += 6
    if (heldBits >= 8) {
      heldBits -= 8
      bytes[at++] = held >>> heldBits
      held &= (1 << heldBits) - 1
    }
  }
  // Bits of the last character that belong to no byte: one text per value, or a signature would have several.
  return held === 0 ? bytes : undefined
}
