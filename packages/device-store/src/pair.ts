import { hash } from 'node:crypto'

import type { Attributes, AttributeValue } from './attributes.ts'

/** Hashes of values that many devices share; hashing costs more than the map. */
const KEPT = 10_000
const known = new Map<string, bigint>()

/**
 * The number under which devices of an app with this attribute are listed: the first 63 bits of a SHA-256. Of 50
 * million different pairs any two collide with a chance of 1 in 7,000, so a match is verified by the attributes
 * themselves. JSON tells `1` from `"1"`. It exceeds 2^53: a parameter only, never read back.
 */
export function pairOf(appId: number, key: string, value: AttributeValue): bigint {
  const text = `${appId}\0${key}\0${JSON.stringify(value)}`
  const kept = known.get(text)
  if (kept !== undefined) return kept
  const pair = hash('sha256', text, 'buffer').readBigUInt64BE() >> 1n
  if (known.size >= KEPT) known.delete(known.keys().next().value as string)
  known.set(text, pair)
  return pair
}

/** What to write where `before` becomes `after`. */
export function differenceOf(appId: number, before: Attributes, after: Attributes) {
  const gone: bigint[] = []
  const come: bigint[] = []
  for (const [key, value] of Object.entries(before))
    if (!Object.hasOwn(after, key) || after[key] !== value) gone.push(pairOf(appId, key, value))
  for (const [key, value] of Object.entries(after))
    if (!Object.hasOwn(before, key) || before[key] !== value) come.push(pairOf(appId, key, value))
  return { gone, come }
}
