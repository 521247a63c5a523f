import type { Fault } from '@lhspn/apns-protocol'

/** An object whose values have not been looked at. */
export type Fields = Readonly<Record<string, unknown>>

/** A JSON object; anything else is a fault, answered as undefined. */
export function readObject(value: unknown, pointer: string, faults: Fault[]): Fields | undefined {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields
  faults.push({ pointer, detail: 'Must be an object.' })
  return undefined
}

/** Refuses fields that mean nothing: most are slips of the pen. */
export function refuseUnknown(value: Fields, known: readonly string[], pointer: string, faults: Fault[]): void {
  for (const key of Object.keys(value))
    if (!known.includes(key))
      faults.push({
        pointer: `${pointer}/${escapePointer(key)}`,
        detail: `There is no such field; known are ${known.join(', ')}.`,
      })
}

/** A key as one step of a JSON pointer (RFC 6901, section 4). Cut where nobody would read on. */
export function escapePointer(key: string): string {
  return key.slice(0, 100).replaceAll('~', '~0').replaceAll('/', '~1')
}

/** False for half of a surrogate pair, which no database keeps. */
export function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text)
}

/** Whether `text` has more than `most` characters, as people count them. */
export function isLonger(text: string, most: number): boolean {
  if (text.length <= most) return false
  return text.length > most * 2 || Array.from(text).length > most
}
