import type { ProtocolErrorCode } from '@lhspn/apns-protocol'
import type { DeviceStoreErrorCode, Tombstone } from '@lhspn/device-store'
import type { DispatcherErrorCode } from '@lhspn/dispatcher'
import type { SenderErrorCode } from '@lhspn/sender'
import type { DatabaseErrorCode, ServiceErrorCode } from '@lhspn/service'

/** Every kind of problem: what `/problems/<kind>` tells people, and what programs get as `status` and `title`. */
export const PROBLEMS = {
  'invalid-request': {
    status: 400,
    title: 'The request is not valid',
    about: 'Something in it breaks a rule. `errors` lists every fault with its place; nothing was stored.',
  },
  unauthorized: {
    status: 401,
    title: 'A valid API key is needed',
    about: 'Send one as `Authorization: Bearer lhk_…`. A key that was deleted is good no longer.',
  },
  forbidden: {
    status: 403,
    title: 'The API key may not do this',
    about: 'Its scope is too small, or it is bound to another app. `lhspn keys list` shows both.',
  },
  'not-found': {
    status: 404,
    title: 'There is no such thing',
    about: 'The path, or what it names, is not there, or not for this API key.',
  },
  'method-not-allowed': {
    status: 405,
    title: 'The path has no such method',
    about: '`Allow` lists those that it has.',
  },
  'not-acceptable': {
    status: 406,
    title: 'The answer cannot have such a form',
    about: 'Send `Accept: application/json`, or leave it out; lists also come as application/x-ndjson and text/csv.',
  },
  'state-conflict': {
    status: 409,
    title: 'It is in another state',
    about: 'What was asked does not go with the state that it is in.',
  },
  'device-removed': {
    status: 410,
    title: 'The device was removed',
    about: '`tombstone` tells when and why. It is back as soon as it registers again.',
  },
  'payload-too-large': {
    status: 413,
    title: 'The request is too large',
    about: 'A request has up to 1 MiB, a push up to 4 MiB. Imports are streamed and have no limit.',
  },
  'unsupported-media-type': {
    status: 415,
    title: 'The request has a form that is not read here',
    about:
      'Send JSON as `Content-Type: application/json`, in UTF-8 and not compressed; imports as application/x-ndjson or text/csv.',
  },
  'idempotency-mismatch': {
    status: 422,
    title: 'The idempotency key was used for something else',
    about: 'A key stands for one request; another one needs another key.',
  },
  'audience-too-large': {
    status: 422,
    title: 'The audience is too large',
    about: 'It has more devices than `maxAudience` allows; nothing was sent.',
  },
  'app-not-configured': {
    status: 422,
    title: 'The app is not configured',
    about: 'The configuration has no `[[apps]]` block of this topic, or it lacks what the environment needs.',
  },
  'gateway-cannot': {
    status: 422,
    title: 'The gateway cannot carry this',
    about: 'The app is served by a binary gateway, which has no such feature.',
  },
  'rate-limited': {
    status: 429,
    title: 'Too many requests',
    about: '`RateLimit` tells how many are left and for how long, `Retry-After` when to come back.',
  },
  internal: {
    status: 500,
    title: 'LHSPN has a fault',
    about: 'The log has it under the id of the request. Please report it.',
  },
  unavailable: {
    status: 503,
    title: 'The registry cannot be reached now',
    about: 'The database does not answer, or is busy. Send the request again later: registrations may be repeated.',
  },
} as const satisfies Record<string, { readonly status: number; readonly title: string; readonly about: string }>

export type ProblemKind = keyof typeof PROBLEMS

/** Every code of every package that a request may meet. */
type ErrorCode =
  | DatabaseErrorCode
  | DeviceStoreErrorCode
  | DispatcherErrorCode
  | ProtocolErrorCode
  | SenderErrorCode
  | ServiceErrorCode

/** A code of any package without a line here does not compile. */
const KINDS = {
  'invalid-registration': 'invalid-request',
  'invalid-changes': 'invalid-request',
  'invalid-attributes': 'invalid-request',
  'invalid-filter': 'invalid-request',
  'invalid-audience': 'invalid-request',
  'invalid-token': 'invalid-request',
  'invalid-cursor': 'invalid-request',
  'invalid-table': 'invalid-request',
  'invalid-device-token': 'invalid-request',
  'invalid-payload': 'invalid-request',
  'invalid-key': 'invalid-request',

  'unknown-app': 'app-not-configured',
  'app-not-configured': 'app-not-configured',

  'audience-too-large': 'audience-too-large',
  'gateway-cannot': 'gateway-cannot',
  'idempotency-mismatch': 'idempotency-mismatch',
  'invalid-push': 'invalid-request',
  'state-conflict': 'state-conflict',
  'stream-cut': 'internal',
  'unknown-push': 'not-found',

  'redis-unreachable': 'unavailable',

  // of the database and of the sender
  unreachable: 'unavailable',
  'access-denied': 'unavailable',
  busy: 'unavailable',
  'connection-lost': 'unavailable',
  deadlock: 'unavailable',

  'invalid-url': 'internal',
  'schema-too-new': 'internal',
  'schema-too-old': 'internal',
  constraint: 'internal',
  failed: 'internal',
  'invalid-configuration': 'internal',
  'unreadable-file': 'internal',
  'invalid-options': 'internal',
  'invalid-credentials': 'internal',
  'credentials-refused': 'internal',
  'untrusted-server': 'internal',
  'feedback-cut': 'internal',
  unavailable: 'unavailable',
  closed: 'internal',
  'invalid-provider-token': 'internal',
  'malformed-frame': 'internal',
  'truncated-stream': 'internal',
  'http2-connection-error': 'internal',
} as const satisfies Record<ErrorCode, ProblemKind>

/** One thing wrong in a request, and where: a parameter of path or query, a JSON pointer into it or the body, a line. */
export interface RequestFault {
  readonly parameter?: string
  readonly pointer?: string
  readonly line?: number
  readonly detail: string
}

/** A problem document (RFC 9457). */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  /** The id of the request. */
  readonly instance: string
  readonly detail: string
  readonly remedy?: string
  readonly errors?: readonly RequestFault[]
  /** Of a removed device. */
  readonly tombstone?: { readonly at: string; readonly cause: Tombstone['cause']; readonly push: string | null }
}

export interface ApiErrorOptions {
  readonly remedy?: string | undefined
  readonly errors?: readonly RequestFault[]
  readonly tombstone?: Tombstone
  readonly headers?: Readonly<Record<string, string>>
  readonly cause?: unknown
}

/** What the HTTP edge itself refuses. */
export class ApiError extends Error {
  override readonly name = 'ApiError'
  readonly kind: ProblemKind
  readonly remedy: string | undefined
  readonly errors: readonly RequestFault[]
  readonly tombstone: Tombstone | undefined
  readonly headers: Readonly<Record<string, string>>

  constructor(kind: ProblemKind, detail: string, options: ApiErrorOptions = {}) {
    super(detail, options.cause === undefined ? undefined : { cause: options.cause })
    this.kind = kind
    this.remedy = options.remedy
    this.errors = options.errors ?? []
    this.tombstone = options.tombstone
    this.headers = options.headers ?? {}
  }
}

/** Refuses a request for every fault at once; does nothing where there is none. */
export function refuseFaults(errors: readonly RequestFault[]): void {
  if (errors.length === 0) return
  const what = errors.length === 1 ? '1 field was refused' : `${errors.length} fields were refused`
  throw new ApiError('invalid-request', `${what}; nothing was stored.`, { errors })
}

/** What the kinds that are nobody's fault but ours say: the cause is for the log, not for whoever asked. */
const OWN_DETAILS: Partial<Record<ProblemKind, { readonly detail: string; readonly remedy: string }>> = {
  internal: { detail: 'The request met a fault of LHSPN.', remedy: 'Look for the id of the request in the log.' },
  unavailable: {
    detail: 'The database did not take the request to its end.',
    remedy: 'Send it again: a registration may be repeated, and a push with its Idempotency-Key.',
  },
}

/** The kind of whatever was thrown; what nobody foresaw is `internal`. */
export function kindOf(error: unknown): ProblemKind {
  if (error instanceof ApiError) return error.kind
  return isKnown(error) ? KINDS[error.code] : 'internal'
}

/**
 * Turns whatever was thrown into a problem.
 * @param basePath what stands before every path
 */
export function problemOf(error: unknown, requestId: string, basePath: string): Problem {
  const kind = kindOf(error)
  const { status, title } = PROBLEMS[kind]
  const head = { type: `${basePath}/problems/${kind}`, title, status, instance: requestId }
  if (error instanceof ApiError) {
    const { message: detail, remedy, errors, tombstone } = error
    return {
      ...head,
      detail,
      ...(remedy !== undefined && { remedy }),
      ...(errors.length > 0 && { errors }),
      ...(tombstone !== undefined && { tombstone: { ...tombstone, at: tombstone.at.toISOString() } }),
    }
  }
  const own = OWN_DETAILS[kind]
  if (own !== undefined || !isKnown(error)) return { ...head, detail: title, ...own }
  const { message: detail, remedy, faults: errors = [] } = error
  return { ...head, detail, remedy, ...(errors.length > 0 && { errors }) }
}

interface KnownError extends Error {
  readonly code: ErrorCode
  readonly remedy: string
  readonly faults?: readonly RequestFault[]
}

/** An error of one of our packages, told by its code: two copies of a package break `instanceof`. */
function isKnown(error: unknown): error is KnownError {
  if (!(error instanceof Error) || !('code' in error) || !('remedy' in error)) return false
  return typeof error.code === 'string' && Object.hasOwn(KINDS, error.code)
}
