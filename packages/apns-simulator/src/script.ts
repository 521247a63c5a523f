import type { Fault, FeedbackTuple } from '@lhspn/apns-protocol'

import {
  parseCondition,
  parseConnectionRange,
  parseToken,
  positive,
  type Condition,
  type ConnectionRange,
} from './condition.ts'
import { SimulatorError } from './errors.ts'
import { array, check, fault, integer, object, oneOf } from './json-parser.ts'
import { parseProviderScript, type ProviderScript } from './provider-api/provider-script.ts'

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
  /** What the provider API does. */
  readonly provider?: ProviderScript
}

export interface Rule {
  readonly when: Condition
  /** How often the rule decides; default always. */
  readonly times?: number
  readonly do: Action
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
  readonly nth: ConnectionRange
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

const MAX_U32 = 0xffff_ffff
const MAX_DELAY_MS = 0x7fff_ffff
const RESPONSE_BYTES = 6
const truth = check((value): value is boolean => typeof value === 'boolean', 'true or false')
const hex = check(
  (value): value is string => typeof value === 'string' && /^(?:[0-9a-f]{2})*$/i.test(value),
  'bytes in hex, two digits each',
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

const CONNECTION_RULE = object<ConnectionRule>(
  {
    nth: parseConnectionRange,
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
  rules: array(object<Rule>({ when: parseCondition, times: positive, do: action }, ['when', 'do'])),
  connections: array(CONNECTION_RULE),
  barriers: truth,
  feedback: array(object<FeedbackTuple>({ at: integer(0, MAX_U32), token: parseToken }, ['at', 'token'])),
  feedbackCutAt: integer(0, MAX_U32),
  provider: parseProviderScript,
})

const PLAIN_ACTION = check(
  (value): value is (typeof PLAIN_ACTIONS)[number] => PLAIN_ACTIONS.some((each) => each === value),
  `an object with a status, or one of ${PLAIN_ACTIONS.join(', ')}`,
)
const PIECE_SIZES = array(integer(1, RESPONSE_BYTES))

function action(value: unknown, pointer: string, faults: Fault[]): Action | undefined {
  return typeof value === 'object' ? ANSWER(value, pointer, faults) : PLAIN_ACTION(value, pointer, faults)
}

function pieceSizes(value: unknown, pointer: string, faults: Fault[]): readonly number[] | undefined {
  const sizes = PIECE_SIZES(value, pointer, faults)
  if (sizes === undefined || sizes.reduce((sum, size) => sum + size, 0) <= RESPONSE_BYTES) return sizes
  return fault(faults, pointer, `adds up to more than the ${RESPONSE_BYTES} bytes of an error response`)
}
