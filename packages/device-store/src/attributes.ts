import type { Fault } from '@lhspn/apns-protocol'

import { DeviceStoreError, refuse } from './errors.ts'
import { escapePointer, isLonger, isWellFormed, readObject } from './json.ts'

/** What an app tells about a device and its user: a flat object. Keys to 64 characters. */
export type Attributes = Readonly<Record<string, AttributeValue>>
/** Text to 255 characters; numbers are finite. */
export type AttributeValue = string | number | boolean

export const MAX_ATTRIBUTES = 50
export const MAX_KEY_LENGTH = 64
export const MAX_TEXT_LENGTH = 255
/** Of all attributes of a device, as JSON in UTF-8. */
export const MAX_ATTRIBUTES_BYTES = 8192

/** @throws DeviceStoreError `invalid-attributes` */
export function parseAttributes(value: unknown): Attributes {
  const faults: Fault[] = []
  const attributes = readAttributes(value, '', faults)
  refuse('invalid-attributes', 'object of attributes', faults)
  return attributes
}

/** Reads what it can, in the order of keys, and notes each fault. */
export function readAttributes(value: unknown, pointer: string, faults: Fault[]): Attributes {
  const object = readObject(value, pointer, faults)
  if (object === undefined) return {}
  const keys = Object.keys(object)
  if (keys.length > MAX_ATTRIBUTES) {
    faults.push({ pointer, detail: `Must not have more than ${MAX_ATTRIBUTES} attributes.` })
    return {}
  }
  const before = faults.length
  for (const key of keys) {
    const at = `${pointer}/${escapePointer(key)}`
    const detail = faultOfKey(key) ?? faultOfValue(object[key])
    if (detail !== undefined) faults.push({ pointer: at, detail })
  }
  if (faults.length > before) return {}
  const attributes = sortByKey(Object.entries(object) as [string, AttributeValue][])
  if (Buffer.byteLength(toJson(attributes)) > MAX_ATTRIBUTES_BYTES)
    faults.push({ pointer, detail: `Must not have more than ${MAX_ATTRIBUTES_BYTES} bytes as JSON.` })
  return attributes
}

/** What is wrong with an attribute's key. */
export function faultOfKey(key: unknown): string | undefined {
  if (typeof key !== 'string') return 'The key of an attribute must be text.'
  if (key === '') return 'The key of an attribute must not be empty.'
  if (isLonger(key, MAX_KEY_LENGTH))
    return `The key of an attribute must not be longer than ${MAX_KEY_LENGTH} characters.`
  return isWellFormed(key) ? undefined : 'Must not hold half a surrogate pair.'
}

/** What is wrong with an attribute's value. */
export function faultOfValue(value: unknown): string | undefined {
  if (typeof value === 'boolean') return undefined
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : 'Must be a finite number.'
  if (typeof value !== 'string') return 'Must be text, a number, true or false.'
  if (isLonger(value, MAX_TEXT_LENGTH)) return `Must not be longer than ${MAX_TEXT_LENGTH} characters.`
  return isWellFormed(value) ? undefined : 'Must not hold half a surrogate pair.'
}

/** The form that is stored: one text for equal attributes. */
export function toJson(attributes: Attributes): string {
  return JSON.stringify(attributes)
}

/** Merges a patch (RFC 7396): null removes. @throws DeviceStoreError `invalid-attributes` where the result is too large */
export function mergePatch(attributes: Attributes, patch: Readonly<Record<string, AttributeValue | null>>): Attributes {
  const merged = new Map<string, AttributeValue>(Object.entries(attributes))
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) merged.delete(key)
    else merged.set(key, value)
  }
  return checkSize(sortByKey([...merged]))
}

/** `next`, but with the values that `stored` has for the keys of `kept`, or without them where it has none. */
export function keepKeys(stored: Attributes, next: Attributes, kept: readonly string[]): Attributes {
  const merged = new Map<string, AttributeValue>(Object.entries(next))
  for (const key of kept) {
    const value = Object.hasOwn(stored, key) ? stored[key] : undefined
    if (value === undefined) merged.delete(key)
    else merged.set(key, value)
  }
  return checkSize(sortByKey([...merged]))
}

function checkSize(attributes: Attributes): Attributes {
  const faults: Fault[] = []
  readAttributes(attributes, '/attributes', faults)
  if (faults.length === 0) return attributes
  throw new DeviceStoreError(
    'invalid-attributes',
    'Together with the attributes that the device has, these are too many',
    'Remove others first.',
    faults,
  )
}

/** Own properties, whatever the key: `__proto__` is one like every other. */
function sortByKey(entries: [string, AttributeValue][]): Attributes {
  return Object.fromEntries(entries.toSorted(([one], [other]) => (one < other ? -1 : 1)))
}
