import type { Fault } from './errors.ts'

/** Any value that JSON can write. */
export type JsonValue = string | number | boolean | null | readonly JsonValue[] | { readonly [key: string]: JsonValue }

/** An object whose values have not been looked at. */
export type JsonObject = { readonly [key: string]: unknown }

/** Values that one payload may hold. Each takes at least one byte, and Apple's largest limit is 5120 bytes. */
const MAX_VALUES = 10_000
/** Our own bound, far above what people write, and low enough for every parser that recurses. */
const MAX_DEPTH = 256

/**
 * What in `value` JSON could not carry as it is: undefined, functions, NaN, halves of surrogate pairs, circles, objects
 * with a form of their own (`toJSON`). Looks at no more than 10,000 values, 256 deep, so nothing makes it hang.
 * Getters and proxies are the caller's: what they throw comes through.
 */
export function findJsonFaults(value: unknown, pointer: string): Fault[] {
  const faults: Fault[] = []
  const ancestors = new Set<object>()
  let values = 0

  function visit(item: unknown, at: string): void {
    if (++values > MAX_VALUES) {
      if (values === MAX_VALUES + 1)
        faults.push({ pointer, detail: `Must not hold more than ${MAX_VALUES.toLocaleString('en')} values.` })
      return
    }
    const detail = faultOfOne(item)
    if (detail !== undefined) faults.push({ pointer: at, detail })
    else if (typeof item === 'object' && item !== null) visitInside(item, at)
  }

  function visitInside(item: object, at: string): void {
    if (ancestors.has(item)) {
      faults.push({ pointer: at, detail: 'Must not contain itself.' })
      return
    }
    if (ancestors.size === MAX_DEPTH) {
      faults.push({ pointer: at, detail: `Must not be nested more than ${MAX_DEPTH} deep.` })
      return
    }
    ancestors.add(item)
    if (Array.isArray(item))
      for (let index = 0; index < item.length && values <= MAX_VALUES; index++) visit(item[index], `${at}/${index}`)
    else if (isJsonObject(item)) visitMembers(item, at)
    ancestors.delete(item)
  }

  function visitMembers(item: JsonObject, at: string): void {
    for (const key of Object.keys(item)) {
      if (values > MAX_VALUES) return
      const inside = `${at}/${escapePointer(key)}`
      if (!isWellFormed(key))
        faults.push({ pointer: inside, detail: 'Must not have half a surrogate pair in its key.' })
      visit(item[key], inside)
    }
  }

  visit(value, pointer)
  return faults
}

/** A JSON object: neither null, nor an array, nor an object with a form of its own such as a Date. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && faultOfOne(value) === undefined
}

/** A key as one step of a JSON pointer (RFC 6901, section 4). */
export function escapePointer(key: string): string {
  return key.includes('~') || key.includes('/') ? key.replaceAll('~', '~0').replaceAll('/', '~1') : key
}

/** False for text with half of a surrogate pair: it has no UTF-8, and Apple's parsers refuse its escape. */
export function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text)
}

function faultOfOne(value: unknown): string | undefined {
  if (typeof value === 'boolean' || value === null) return undefined
  if (typeof value === 'string') return isWellFormed(value) ? undefined : 'Must not hold half a surrogate pair.'
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : `Must be a finite number, not ${value}.`
  if (typeof value !== 'object') return `Must be JSON, not ${typeof value}.`
  return isPlain(value) ? undefined : 'Must be plain JSON, not an object of another kind.'
}

/** By its tag where the prototype does not tell: objects of other realms and without a prototype are welcome. */
function isPlain(value: object): boolean {
  if (Object.getPrototypeOf(value) === Object.prototype) return true
  if ('toJSON' in value && typeof value.toJSON === 'function') return false
  return Array.isArray(value) || Object.prototype.toString.call(value) === '[object Object]'
}
