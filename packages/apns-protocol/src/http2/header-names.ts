/** Names of header fields, bytes → strings, without making one where the name is known. */
import { STATIC_TABLE } from './static-table.ts'

/** Names on the wire of APNs that are not in the static table. */
const APNS_NAMES = [
  'apns-id',
  'apns-unique-id',
  'apns-request-id',
  'apns-channel-id',
  'apns-topic',
  'apns-push-type',
  'apns-priority',
  'apns-expiration',
  'apns-collapse-id',
]

/** Twice as many places as names or more, a power of two, so that few share one. */
const PLACES = 256
const KNOWN: string[][] = Array.from({ length: PLACES }, () => [])
for (const name of new Set([...STATIC_TABLE.map(([staticName]) => staticName), ...APNS_NAMES]))
  KNOWN[
    place(name.length, name.charCodeAt(0), name.charCodeAt(name.length >>> 1), name.charCodeAt(name.length - 1))
  ]!.push(name)

/** The name from `start` up to `end`, a character per byte: always the same string for a known one. */
export function readName(bytes: Uint8Array, start: number, end: number): string {
  const length = end - start
  if (length === 0) return ''
  const candidates = KNOWN[place(length, bytes[start]!, bytes[start + (length >>> 1)]!, bytes[end - 1]!)]!
  for (let index = 0; index < candidates.length; index++) {
    const name = candidates[index]!
    if (name.length === length && isAt(name, bytes, start)) return name
  }
  let text = ''
  for (let at = start; at < end; at++) text += String.fromCharCode(bytes[at]!)
  return text
}

function place(length: number, first: number, middle: number, last: number): number {
  return (length + first * 3 + middle * 5 + last * 7) & (PLACES - 1)
}

function isAt(name: string, bytes: Uint8Array, start: number): boolean {
  for (let index = 0; index < name.length; index++) if (name.charCodeAt(index) !== bytes[start + index]) return false
  return true
}
