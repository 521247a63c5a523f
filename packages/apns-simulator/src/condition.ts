import { MAX_TOKEN_BYTES, ProtocolError, parseDeviceToken, type Fault } from '@lhspn/apns-protocol'

import { check, fault, integer, object, shown } from './json-parser.ts'

/** All that is given must hold; `{}` matches every notification. */
export interface Condition {
  /** A device token in hex, or the start of one. */
  readonly token?: string | { readonly startsWith: string }
  /** The n-th notification (with `barrier` the n-th barrier) since the simulator started, discarded ones not counted; from 1. */
  readonly nth?: number
  /** Every n-th one, counted in the same way. */
  readonly every?: number
  /** Probability from 0 to 1, drawn from the seed when all else holds. */
  readonly chance?: number
  /** Number of the connection, from 1, as in the journal. */
  readonly connection?: number
  /** Matches frames with a token of no bytes, and only those. */
  readonly barrier?: true
}

/** What conditions on requests to the provider API may hold: barriers are the gateway's. */
export type RequestCondition = Omit<Condition, 'barrier'>

/** Number of a connection, from 1, as in the journal; or a range, both ends included, open without `to`. */
export type ConnectionRange = number | { readonly from: number; readonly to?: number }

export const positive = integer(1, Number.MAX_SAFE_INTEGER)
const onlyTrue = check((value): value is true => value === true, 'true, or left out to match notifications')
const probability = check(
  (value): value is number => typeof value === 'number' && value >= 0 && value <= 1,
  'a number from 0 to 1',
)
const startOfToken = check(
  (value): value is string => typeof value === 'string' && /^[0-9a-f]{1,200}$/.test(value),
  `the first 1 to ${2 * MAX_TOKEN_BYTES} hex digits of a token, in lower case`,
)
const START = object<{ readonly startsWith: string }>({ startsWith: startOfToken }, ['startsWith'])
const RANGE = object<{ readonly from: number; readonly to?: number }>(
  { from: positive, to: positive },
  ['from'],
  ({ from, to }) => (to !== undefined && to < from ? ['to', `is before from (${from}): nothing matches`] : undefined),
)

const COMMON = {
  token: tokenOrStart,
  nth: positive,
  every: positive,
  chance: probability,
  connection: positive,
}

export const parseCondition = object<Condition>(
  {
    ...COMMON,
    barrier: onlyTrue,
  },
  [],
  (when) =>
    when.barrier !== undefined && when.token !== undefined ? ['token', 'cannot match: a barrier has none'] : undefined,
)

export const parseRequestCondition = object<RequestCondition>(COMMON)

export function parseConnectionRange(value: unknown, pointer: string, faults: Fault[]): ConnectionRange | undefined {
  return typeof value === 'object' ? RANGE(value, pointer, faults) : positive(value, pointer, faults)
}

function tokenOrStart(value: unknown, pointer: string, faults: Fault[]): Condition['token'] {
  return typeof value === 'string' ? parseToken(value, pointer, faults) : START(value, pointer, faults)
}

/** A device token, spelled as `parseDeviceToken` allows. */
export function parseToken(value: unknown, pointer: string, faults: Fault[]): string | undefined {
  if (typeof value !== 'string') return fault(faults, pointer, `must be a device token in hex; it is ${shown(value)}`)
  try {
    return parseDeviceToken(value)
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    return fault(faults, pointer, `is no device token: ${error.message}`)
  }
}
