import {
  parseConnectionRange,
  parseRequestCondition,
  positive,
  type ConnectionRange,
  type RequestCondition,
} from '../condition.ts'
import { array, check, fault, integer, object, oneOf, shown, type Parser } from '../json-parser.ts'

/** What the provider API does beside taking every request that is in order. All of it may be left out. */
export interface ProviderScript {
  /** The first rule that matches a request, and has times left, decides; it comes before what Apple would find wrong. */
  readonly rules?: readonly ProviderRule[]
  /** The first one that matches a connection decides. */
  readonly connections?: readonly ProviderConnectionRule[]
  /**
   * How many streams a connection may have open once it has shown who it is; before that it is one. Default 1000. A
   * change reaches connections that are open.
   */
  readonly maxConcurrentStreams?: number
}

export interface ProviderRule {
  /** Requests are counted apart from the gateway's notifications. */
  readonly when: RequestCondition
  /** How often the rule decides; default always. */
  readonly times?: number
  readonly do: ProviderAction
}

/**
 * What is done at a request that matched. `refuse-stream`: reset with REFUSED_STREAM · `silent`: this request is never
 * answered · `silent-connection`: from now on nothing is answered on its connection, pings included, and it stays open ·
 * `close`: closes the connection without a GOAWAY · `reset`: TCP reset. What comes before it on its connection has its
 * answer; the request itself is lost, and with the last three whatever comes behind it.
 */
export type ProviderAction = ProviderAnswer | Goaway | StreamReset | (typeof PLAIN_PROVIDER_ACTIONS)[number]

/** An answer. 200 takes the request, every other status rejects it. */
export interface ProviderAnswer {
  /** 200 to 599. */
  readonly status: number
  /** Any word, one of Apple's or not. Without it an error has no body. */
  readonly reason?: string
  /** UNIX milliseconds, as Apple gives them with 410. */
  readonly timestamp?: number
  /** The header `retry-after`: seconds, or a text as it stands. */
  readonly retryAfter?: number | string
  /** Milliseconds until it is written; taken or rejected is the request at once. Default 0. */
  readonly delayMs?: number
}

/**
 * A GOAWAY. Streams up to the one that it names get their answers, then the connection is closed; all behind are not
 * looked at.
 */
export interface Goaway {
  /**
   * The last stream it names. `this`: the request is taken and answered · `before`: the one before it; the request is lost ·
   * `zero`: none. Answers that are still delayed are then written first, so that nothing taken is denied.
   */
  readonly goaway: (typeof LAST_STREAMS)[number]
  /** Makes the debug data the JSON that Apple sends. */
  readonly reason?: string
  /** Debug data as they stand, instead of a reason. */
  readonly text?: string
  /** HTTP/2 error code; default 0, NO_ERROR. */
  readonly code?: number
}

/** RST_STREAM; the request is lost. */
export interface StreamReset {
  /** HTTP/2 error code, from 1. */
  readonly reset: number
}

/**
 * What happens to a connection as such. `refuse`: TCP reset before TLS · `tls-alert`: the handshake ends with the alert
 * "certificate revoked" · `close-at-once`: closed after the handshake · `half-open`: everything is read, nothing is
 * answered, not even SETTINGS are sent, never closed.
 */
export interface ProviderConnectionRule {
  /** Number of the connection to the provider API, from 1, as in the journal. */
  readonly nth: ConnectionRange
  readonly do: (typeof PROVIDER_CONNECTION_ACTIONS)[number]
}

const PLAIN_PROVIDER_ACTIONS = ['refuse-stream', 'silent', 'silent-connection', 'close', 'reset'] as const
const LAST_STREAMS = ['this', 'before', 'zero'] as const
const PROVIDER_CONNECTION_ACTIONS = ['refuse', 'tls-alert', 'close-at-once', 'half-open'] as const

const MAX_U32 = 0xffff_ffff
const MAX_DELAY_MS = 0x7fff_ffff
const text = check((value): value is string => typeof value === 'string', 'a text')

const ANSWER = object<ProviderAnswer>(
  {
    status: integer(200, 599),
    reason: text,
    timestamp: integer(0, Number.MAX_SAFE_INTEGER),
    retryAfter: (value, pointer, faults) =>
      typeof value === 'string' ? headerText(value, pointer, faults) : seconds(value, pointer, faults),
    delayMs: integer(0, MAX_DELAY_MS),
  },
  ['status'],
  ({ reason, timestamp }) =>
    timestamp !== undefined && reason === undefined ? ['timestamp', 'stands beside a reason only'] : undefined,
)
const seconds = integer(0, MAX_U32)
const headerText = check(
  (value): value is string => typeof value === 'string' && /^[!-~](?:[ -~]*[!-~])?$/.test(value),
  'the value of a header in printable ASCII',
)
const GOAWAY = object<Goaway>(
  { goaway: oneOf(LAST_STREAMS), reason: text, text, code: integer(0, MAX_U32) },
  ['goaway'],
  (goaway) =>
    goaway.text !== undefined && goaway.reason !== undefined ? ['text', 'takes the place of reason'] : undefined,
)
const RESET = object<StreamReset>({ reset: integer(1, MAX_U32) }, ['reset'])
const PLAIN = check(
  (value): value is (typeof PLAIN_PROVIDER_ACTIONS)[number] => PLAIN_PROVIDER_ACTIONS.some((each) => each === value),
  `an object with status, goaway or reset, or one of ${PLAIN_PROVIDER_ACTIONS.join(', ')}`,
)

const action: Parser<ProviderAction> = (value, pointer, faults) => {
  if (typeof value !== 'object' || value === null) return PLAIN(value, pointer, faults)
  if ('status' in value) return ANSWER(value, pointer, faults)
  if ('goaway' in value) return GOAWAY(value, pointer, faults)
  if ('reset' in value) return RESET(value, pointer, faults)
  return fault(faults, pointer, `must have status, goaway or reset; it is ${shown(value)}`)
}

export const parseProviderScript = object<ProviderScript>({
  rules: array(object<ProviderRule>({ when: parseRequestCondition, times: positive, do: action }, ['when', 'do'])),
  connections: array(
    object<ProviderConnectionRule>({ nth: parseConnectionRange, do: oneOf(PROVIDER_CONNECTION_ACTIONS) }, [
      'nth',
      'do',
    ]),
  ),
  maxConcurrentStreams: integer(0, MAX_U32),
})
