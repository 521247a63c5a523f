import { MAX_TOKEN_BYTES, ProtocolError, parseDeviceToken, type Fault, type FeedbackTuple } from '@lhspn/apns-protocol'

import { SimulatorError } from './errors.ts'

/** What the simulator does beside taking every notification: plain JSON, so that a file can hold it. All of it may be left out. */
export interface Script {
  /** The first rule that matches a frame, and has times left, decides. */
  readonly rules?: readonly Rule[]
  /** The first one that matches a connection decides. */
  readonly connections?: readonly ConnectionRule[]
  /** Whether a frame with a token of no bytes is answered (status 2); default true. False: it is skipped in silence. */
  readonly barriers?: boolean
  /** What the feedback service hands out to whoever reads it first. */
  readonly feedback?: readonly FeedbackTuple[]
  /** The feedback service closes after so many bytes, wherever that is, and forgets the list all the same. */
  readonly feedbackCutAt?: number
}

export interface Rule {
  readonly when: Condition
  /** How often the rule decides; default always. */
  readonly times?: number
  readonly do: Action
}

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

/**
 * What is done at a frame that matched. `close` closes without an answer, `reset` resets the TCP connection, `stall` stops
 * reading, `half-open` reads on without a sign. The frame itself is lost, like all that follow it on its connection.
 */
export type Action = Answer | 'close' | 'reset' | 'stall' | 'half-open'

/** An error response, after which the connection is closed. */
export interface Answer {
  /** 0 to 255. Status 10 takes the frame that matched (unless `identifier` is `previous`), every other one rejects it. */
  readonly status: number
  /** Which identifier it names: that of the frame (default), 0, one that this connection never saw, or that of the frame before (0 if there is none). */
  readonly identifier?: 'named' | 'zero' | 'unknown' | 'previous'
  /** Milliseconds until it is written; what arrives meanwhile is discarded. Default 0. */
  readonly delayMs?: number
  /** Sizes of the pieces that its six bytes are written in; what is left makes the last one. */
  readonly split?: readonly number[]
  /** Bytes in hex that follow it. */
  readonly garbage?: string
  /** Ends with a TCP reset instead of an orderly close. */
  readonly reset?: boolean
  /** Stops reading before it answers and closes with bytes unread: what a hasty server does, and what may cost the answer. */
  readonly unread?: boolean
}

/**
 * What happens to a connection as such. `refuse`: TCP reset before TLS · `tls-alert`: the handshake ends with the alert
 * "certificate revoked" · `close-at-once`: closed after the handshake · `stall`: nothing is read after the handshake ·
 * `half-open`: everything is read, nothing taken, nothing answered, never closed · `read-slowly`: `bytesPerSecond`.
 */
export interface ConnectionRule {
  /** Number of the connection, from 1, as in the journal; or a range, both ends included, open without `to`. */
  readonly nth: number | { readonly from: number; readonly to?: number }
  readonly do: (typeof CONNECTION_ACTIONS)[number]
  /** With `read-slowly`, and required there: at least 1. What waits stays in the sender's and the kernel's buffers. */
  readonly bytesPerSecond?: number
}

const CONNECTION_ACTIONS = ['refuse', 'tls-alert', 'close-at-once', 'stall', 'half-open', 'read-slowly'] as const
const PLAIN_ACTIONS = ['close', 'reset', 'stall', 'half-open'] as const
const IDENTIFIERS = ['named', 'zero', 'unknown', 'previous'] as const

/**
 * Reads a script from parsed JSON; tokens may be spelled as `parseDeviceToken` allows.
 * @throws SimulatorError `invalid-script`, whose `faults` name everything that is wrong by JSON pointer
 */
export function parseScript(value: unknown): Script {
  const faults: Fault[] = []
  const script = SCRIPT(value, '', faults)
  if (script !== undefined && faults.length === 0) return script
  const list = faults.map(({ pointer, detail }) => `${pointer === '' ? 'the script' : pointer} ${detail}`).join('; ')
  throw new SimulatorError(
    'invalid-script',
    list,
    'Correct the named places; the README lists what a script may hold.',
    { faults },
  )
}

/** Gives the value as it should be; pushes faults and gives undefined when it is not. */
type Parser<T> = (value: unknown, pointer: string, faults: Fault[]) => T | undefined

const MAX_U32 = 0xffff_ffff
const MAX_DELAY_MS = 0x7fff_ffff
const RESPONSE_BYTES = 6
const positive = integer(1, Number.MAX_SAFE_INTEGER)
const truth = check((value): value is boolean => typeof value === 'boolean', 'true or false')
const onlyTrue = check((value): value is true => value === true, 'true, or left out to match notifications')
const probability = check(
  (value): value is number => typeof value === 'number' && value >= 0 && value <= 1,
  'a number from 0 to 1',
)
const hex = check(
  (value): value is string => typeof value === 'string' && /^(?:[0-9a-f]{2})*$/i.test(value),
  'bytes in hex, two digits each',
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

const ANSWER = object<Answer>(
  {
    status: integer(0, 255),
    identifier: oneOf(IDENTIFIERS),
    delayMs: integer(0, MAX_DELAY_MS),
    split: pieceSizes,
    garbage: hex,
    reset: truth,
    unread: truth,
  },
  ['status'],
  ({ reset, unread }) => (reset === true && unread === true ? ['unread', 'is of no use beside reset'] : undefined),
)

const CONDITION = object<Condition>(
  {
    token: (value, pointer, faults) => (typeof value === 'string' ? token : START)(value, pointer, faults),
    nth: positive,
    every: positive,
    chance: probability,
    connection: positive,
    barrier: onlyTrue,
  },
  [],
  (when) =>
    when.barrier !== undefined && when.token !== undefined ? ['token', 'cannot match: a barrier has none'] : undefined,
)

const CONNECTION_RULE = object<ConnectionRule>(
  {
    nth: (value, pointer, faults) => (typeof value === 'object' ? RANGE : positive)(value, pointer, faults),
    do: oneOf(CONNECTION_ACTIONS),
    bytesPerSecond: positive,
  },
  ['nth', 'do'],
  (rule) => {
    const isSlow = rule.do === 'read-slowly'
    if (isSlow === (rule.bytesPerSecond !== undefined)) return undefined
    return ['bytesPerSecond', isSlow ? 'is missing: read-slowly needs it' : 'goes with read-slowly only']
  },
)

const SCRIPT = object<Script>({
  rules: array(object<Rule>({ when: CONDITION, times: positive, do: action }, ['when', 'do'])),
  connections: array(CONNECTION_RULE),
  barriers: truth,
  feedback: array(object<FeedbackTuple>({ at: integer(0, MAX_U32), token }, ['at', 'token'])),
  feedbackCutAt: integer(0, MAX_U32),
})

const PLAIN_ACTION = check(
  (value): value is (typeof PLAIN_ACTIONS)[number] => PLAIN_ACTIONS.some((each) => each === value),
  `an object with a status, or one of ${PLAIN_ACTIONS.join(', ')}`,
)
const PIECE_SIZES = array(integer(1, RESPONSE_BYTES))

function action(value: unknown, pointer: string, faults: Fault[]): Action | undefined {
  return typeof value === 'object' ? ANSWER(value, pointer, faults) : PLAIN_ACTION(value, pointer, faults)
}

function token(value: unknown, pointer: string, faults: Fault[]): string | undefined {
  if (typeof value !== 'string') return fault(faults, pointer, `must be a device token in hex; it is ${shown(value)}`)
  try {
    return parseDeviceToken(value)
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    return fault(faults, pointer, `is no device token: ${error.message}`)
  }
}

function pieceSizes(value: unknown, pointer: string, faults: Fault[]): readonly number[] | undefined {
  const sizes = PIECE_SIZES(value, pointer, faults)
  if (sizes === undefined || sizes.reduce((sum, size) => sum + size, 0) <= RESPONSE_BYTES) return sizes
  return fault(faults, pointer, `adds up to more than the ${RESPONSE_BYTES} bytes of an error response`)
}

function check<T>(holds: (value: unknown) => value is T, due: string): Parser<T> {
  return (value, pointer, faults) =>
    holds(value) ? value : fault(faults, pointer, `must be ${due}; it is ${shown(value)}`)
}

function integer(from: number, to: number): Parser<number> {
  return check(
    (value): value is number =>
      typeof value === 'number' && Number.isSafeInteger(value) && value >= from && value <= to,
    to === Number.MAX_SAFE_INTEGER ? `a whole number from ${from}` : `a whole number from ${from} to ${to}`,
  )
}

function oneOf<const T extends string>(values: readonly T[]): Parser<T> {
  return (value, pointer, faults) =>
    values.find((each) => each === value) ??
    fault(faults, pointer, `must be one of ${values.join(', ')}; it is ${shown(value)}`)
}

function array<T>(item: Parser<T>): Parser<readonly T[]> {
  return (value, pointer, faults) => {
    if (!Array.isArray(value)) return fault(faults, pointer, `must be a list; it is ${shown(value)}`)
    return value.flatMap((each: unknown, index) => item(each, `${pointer}/${index}`, faults) ?? [])
  }
}

/** `contradiction` names a field and what is wrong with it beside the others. */
function object<T extends object>(
  fields: { readonly [Key in keyof Required<T>]: Parser<NonNullable<T[Key]>> },
  required: readonly (keyof T & string)[] = [],
  contradiction: (value: T) => readonly [field: keyof T & string, detail: string] | undefined = () => undefined,
): Parser<T> {
  return (value, pointer, faults) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      return fault(faults, pointer, `must be an object; it is ${shown(value)}`)
    }
    const faultsBefore = faults.length
    const parsers = new Map<string, Parser<unknown>>(Object.entries(fields))
    const parsed: Record<string, unknown> = {}
    for (const [key, each] of Object.entries(value)) {
      const at = `${pointer}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`
      const parser = parsers.get(key)
      if (parser === undefined) fault(faults, at, `is not known here; known are ${[...parsers.keys()].join(', ')}`)
      else if (each !== undefined) parsed[key] = parser(each, at, faults)
    }
    for (const key of required) {
      if (!Object.hasOwn(parsed, key)) fault(faults, `${pointer}/${key}`, 'is missing')
    }
    if (faults.length > faultsBefore || !isWhole<T>(parsed, required)) return undefined
    const wrong = contradiction(parsed)
    return wrong === undefined ? parsed : fault(faults, `${pointer}/${wrong[0]}`, wrong[1])
  }
}

/** What is there went through the parser of its field. */
function isWhole<T extends object>(parsed: object, required: readonly (keyof T)[]): parsed is T {
  return required.every((key) => Object.hasOwn(parsed, key))
}

function fault(faults: Fault[], pointer: string, detail: string): undefined {
  faults.push({ pointer, detail })
}

function shown(value: unknown): string {
  const text = value === undefined ? 'undefined' : JSON.stringify(value)
  return text.length > 60 ? `${text.slice(0, 57)}…` : text
}
