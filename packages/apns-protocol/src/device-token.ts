import { ProtocolError } from './errors.ts'
import { hexDigit } from './hex.ts'

/** Most bytes that a device token has on the wire (Apple, Binary Provider API: item 1). Apple asks not to assume 32. */
export const MAX_TOKEN_BYTES = 100

const SHOWN_START = 6
const SHOWN_END = 4

/**
 * Reads a device token in any spelling that people paste: either case, white space anywhere, `<…>` around it.
 * Answers lowercase hex, 2 to 200 digits.
 *
 * @throws ProtocolError `invalid-device-token`: empty, no hex, half a byte, more than 100 bytes, base64 instead of hex.
 *   The message shows a shortened token at most.
 */
export function parseDeviceToken(text: string): string {
  if (typeof text !== 'string') throw refusal(`a device token is text, not ${text === null ? 'null' : typeof text}`)
  const trimmed = text.trim()
  const inner = trimmed.startsWith('<') && trimmed.endsWith('>') ? trimmed.slice(1, -1) : trimmed
  let digits = 0
  for (let index = 0; index < inner.length; index++) {
    const unit = inner.charCodeAt(index)
    if (isSpace(unit)) continue
    if (hexDigit(unit) < 0) throw notHex(inner)
    digits++
  }
  if (digits === 0) throw refusal('the device token is empty')
  if (digits > MAX_TOKEN_BYTES * 2)
    throw refusal(`a device token has at most ${MAX_TOKEN_BYTES} bytes, ${quote(inner)} has ${Math.ceil(digits / 2)}`)
  if (digits % 2 !== 0) throw refusal(`${quote(inner)} has ${digits} hex digits, and two make a byte: one is missing`)
  const compact = digits === inner.length ? inner : inner.replaceAll(/\s/g, '')
  return compact.toLowerCase()
}

/** A device token as logs and terminals show it: `740f47…9aff`. Ten characters or fewer are left as they are. */
export function shortenDeviceToken(token: string): string {
  if (token.length <= SHOWN_START + SHOWN_END) return token
  return `${token.slice(0, SHOWN_START)}…${token.slice(-SHOWN_END)}`
}

function notHex(text: string): ProtocolError {
  if (/^\{\s*length\s*=/.test(text))
    return refusal(
      'the device token is the description of an NSData object, which since iOS 13 leaves bytes out',
      'Let the app join the bytes of the token as hex, two digits each, and register again.',
    )
  if (looksLikeBase64(text))
    return refusal(`the device token ${quote(text)} looks like base64`, 'Decode it and write the bytes as hex digits.')
  return refusal(`the device token ${quote(text)} holds characters that are no hex digits`)
}

/** By its share of other letters, two thirds on average: hex with a slip of the pen has one or two. */
function looksLikeBase64(text: string): boolean {
  if (text.length > MAX_TOKEN_BYTES * 2 || !/^[A-Za-z0-9+/_-]{16,}={0,2}$/.test(text)) return false
  return text.replaceAll(/[0-9a-f]/gi, '').length * 4 > text.length
}

function isSpace(unit: number): boolean {
  return unit === 32 || (unit >= 9 && unit <= 13) || (unit > 127 && /\s/.test(String.fromCharCode(unit)))
}

/** Quoted as JSON, so that control characters of foreign text cannot reach a terminal. */
function quote(text: string): string {
  return JSON.stringify(shortenDeviceToken(text))
}

function refusal(message: string, remedy = 'Give the token as hex digits, as the app got it from Apple.') {
  return new ProtocolError('invalid-device-token', message, remedy)
}
