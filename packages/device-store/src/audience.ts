import { type Fault, parseDeviceToken, ProtocolError } from '@lhspn/apns-protocol'

import { type Attributes, type AttributeValue, faultOfKey, faultOfValue } from './attributes.ts'
import { refuse } from './errors.ts'
import { type Fields, readObject } from './json.ts'

/** Which attributes a device must have: a pair that it has exactly, type included, or filters joined. */
export type Filter =
  | readonly [key: string, value: AttributeValue]
  | { readonly any: readonly Filter[] }
  | { readonly all: readonly Filter[] }
  | { readonly not: Filter }

/** Which devices a push goes to. */
export type Audience = { readonly tokens: readonly string[] } | { readonly all: true } | { readonly filter: Filter }

export const MAX_FILTER_PAIRS = 50
/** The root counts. */
export const MAX_FILTER_DEPTH = 5
/** In one value; programs that have more stream them. */
export const MAX_AUDIENCE_TOKENS = 10_000
/** Faults that one answer tells. */
const MAX_FAULTS = 100

/** @throws DeviceStoreError `invalid-filter` */
export function parseFilter(value: unknown): Filter {
  const faults: Fault[] = []
  const filter = readFilter(value, '', faults)
  refuse('invalid-filter', 'filter', faults)
  return filter as Filter
}

/** @throws DeviceStoreError `invalid-audience` */
export function parseAudience(value: unknown): Audience {
  const faults: Fault[] = []
  const audience = readAudience(value, faults)
  refuse('invalid-audience', 'audience', faults)
  return audience as Audience
}

/** Whether a device with these attributes is meant. */
export function matches(filter: Filter, attributes: Attributes): boolean {
  if ('any' in filter) return filter.any.some((each) => matches(each, attributes))
  if ('all' in filter) return filter.all.every((each) => matches(each, attributes))
  if ('not' in filter) return !matches(filter.not, attributes)
  const [key, value] = filter
  return Object.hasOwn(attributes, key) && attributes[key] === value
}

function readAudience(value: unknown, faults: Fault[]): Audience | undefined {
  const object = readObject(value, '', faults)
  if (object === undefined) return undefined
  const [kind, ...more] = Object.keys(object)
  if (kind === undefined || more.length > 0 || !['tokens', 'all', 'filter'].includes(kind)) {
    faults.push({ pointer: '', detail: 'Must have exactly one of tokens, all and filter.' })
    return undefined
  }
  if (kind === 'tokens') return { tokens: readTokens(object['tokens'], faults) }
  if (kind === 'filter') return { filter: readFilter(object['filter'], '/filter', faults) as Filter }
  if (object['all'] !== true) faults.push({ pointer: '/all', detail: 'Must be true.' })
  return { all: true }
}

function readTokens(value: unknown, faults: Fault[]): readonly string[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > MAX_AUDIENCE_TOKENS) {
    faults.push({ pointer: '/tokens', detail: `Must be an array of 1 to ${MAX_AUDIENCE_TOKENS} device tokens.` })
    return []
  }
  return value.map((token: unknown, index) => {
    if (faults.length >= MAX_FAULTS) return ''
    return readToken(token, `/tokens/${index}`, faults)
  })
}

/** A device token as lowercase hex; `''` if it is none. */
export function readToken(token: unknown, pointer: string, faults: Fault[]): string {
  try {
    return parseDeviceToken(token as string)
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    faults.push({ pointer, detail: `${error.message}. ${error.remedy}` })
    return ''
  }
}

function readFilter(value: unknown, pointer: string, faults: Fault[]): Filter | undefined {
  let pairs = 0

  function read(item: unknown, at: string, depth: number): Filter | undefined {
    if (faults.length >= MAX_FAULTS || pairs > MAX_FILTER_PAIRS) return undefined
    if (depth > MAX_FILTER_DEPTH) {
      faults.push({ pointer: at, detail: `Must not be nested more than ${MAX_FILTER_DEPTH} deep.` })
      return undefined
    }
    if (Array.isArray(item)) return readPair(item, at)
    const object = readObject(item, at, faults)
    return object === undefined ? undefined : readJoined(object, at, depth)
  }

  function readPair(item: readonly unknown[], at: string): Filter | undefined {
    if (++pairs > MAX_FILTER_PAIRS) {
      faults.push({ pointer, detail: `Must not have more than ${MAX_FILTER_PAIRS} pairs.` })
      return undefined
    }
    if (item.length !== 2) {
      faults.push({ pointer: at, detail: 'Must be a pair: [key, value].' })
      return undefined
    }
    const [key, content] = item as [unknown, unknown]
    const ofKey = faultOfKey(key)
    const ofValue = faultOfValue(content)
    if (ofKey !== undefined) faults.push({ pointer: `${at}/0`, detail: ofKey })
    if (ofValue !== undefined) faults.push({ pointer: `${at}/1`, detail: ofValue })
    return [key as string, content as AttributeValue]
  }

  function readJoined(object: Fields, at: string, depth: number): Filter | undefined {
    const [kind, ...more] = Object.keys(object)
    if (kind === undefined || more.length > 0 || !['any', 'all', 'not'].includes(kind)) {
      faults.push({ pointer: at, detail: 'Must be a pair [key, value], or have exactly one of any, all and not.' })
      return undefined
    }
    const inside = object[kind]
    if (kind === 'not') return { not: read(inside, `${at}/not`, depth + 1) as Filter }
    // Empty, "all" would mean everybody and "any" nobody: neither is what a slip of the pen should do.
    if (!Array.isArray(inside) || inside.length === 0) {
      faults.push({ pointer: `${at}/${kind}`, detail: 'Must be an array of at least one filter.' })
      return undefined
    }
    const filters: Filter[] = []
    for (const [index, each] of inside.entries()) {
      if (pairs > MAX_FILTER_PAIRS || faults.length >= MAX_FAULTS) break
      filters.push(read(each, `${at}/${kind}/${index}`, depth + 1) as Filter)
    }
    return kind === 'any' ? { any: filters } : { all: filters }
  }

  return read(value, pointer, 1)
}
