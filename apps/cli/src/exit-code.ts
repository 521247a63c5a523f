import type { ProtocolErrorCode } from '@lhspn/apns-protocol'
import type { SimulatorErrorCode } from '@lhspn/apns-simulator'
import type { DeviceStoreErrorCode } from '@lhspn/device-store'
import type { DispatcherErrorCode } from '@lhspn/dispatcher'
import type { SenderErrorCode } from '@lhspn/sender'
import type { DatabaseErrorCode, ServiceErrorCode } from '@lhspn/service'

import type { CommandErrorCode } from './errors.ts'

/** What the exit codes mean; scripts rely on them. */
export const EXIT = {
  /** Did what was asked; with `send`: every notification was accepted. */
  done: 0,
  /** A fault of LHSPN itself. */
  ourFault: 1,
  /** Refused input. */
  refused: 2,
  /** Ended, but not every notification was accepted, or not every line taken. */
  notAll: 3,
  /** There is no such app, device, push, notification or key. */
  notFound: 4,
  /** Configuration or credentials at fault, or a failed check of the doctor. */
  configuration: 5,
  /** The database, Redis or the feedback service cannot be reached, or was cut. */
  unreachable: 6,
  /** Cut short by SIGINT. */
  interrupted: 130,
  /** Cut short by SIGTERM. */
  terminated: 143,
} as const

export type ExitCode = (typeof EXIT)[keyof typeof EXIT]

/** Every code of every package that a command may meet. */
type ErrorCode =
  | CommandErrorCode
  | ServiceErrorCode
  | DispatcherErrorCode
  | DeviceStoreErrorCode
  | DatabaseErrorCode
  | SenderErrorCode
  | SimulatorErrorCode
  | ProtocolErrorCode

/** A code of any package without a line here does not compile. */
const EXIT_CODES = {
  'invalid-input': EXIT.refused,
  'unwritable-file': EXIT.refused,
  'file-exists': EXIT.refused,
  'wrong-figure': EXIT.ourFault,
  'not-found': EXIT.notFound,
  'unusable-address': EXIT.configuration,
  'refused-credentials': EXIT.configuration,
  'push-paused': EXIT.configuration,

  'invalid-configuration': EXIT.configuration,
  'unreadable-file': EXIT.configuration,
  'unknown-app': EXIT.notFound,
  'app-not-configured': EXIT.configuration,
  'invalid-key': EXIT.refused,

  'audience-too-large': EXIT.refused,
  'gateway-cannot': EXIT.refused,
  'idempotency-mismatch': EXIT.refused,
  'invalid-push': EXIT.refused,
  'redis-unreachable': EXIT.unreachable,
  'state-conflict': EXIT.refused,
  'stream-cut': EXIT.notAll,
  'unknown-push': EXIT.notFound,

  'invalid-registration': EXIT.refused,
  'invalid-changes': EXIT.refused,
  'invalid-attributes': EXIT.refused,
  'invalid-filter': EXIT.refused,
  'invalid-audience': EXIT.refused,
  'invalid-token': EXIT.refused,
  'invalid-cursor': EXIT.refused,
  'invalid-table': EXIT.refused,

  'invalid-url': EXIT.configuration,
  'access-denied': EXIT.configuration,
  'schema-too-new': EXIT.configuration,
  'schema-too-old': EXIT.configuration,
  busy: EXIT.unreachable,
  'connection-lost': EXIT.unreachable,
  deadlock: EXIT.unreachable,
  failed: EXIT.unreachable,
  constraint: EXIT.ourFault,

  // of the sender and of the simulator; what a person can type is checked before it gets there
  'invalid-options': EXIT.ourFault,
  closed: EXIT.ourFault,

  'invalid-credentials': EXIT.configuration,
  'credentials-refused': EXIT.configuration,
  'untrusted-server': EXIT.configuration,
  unreachable: EXIT.unreachable,
  'feedback-cut': EXIT.unreachable,
  unavailable: EXIT.unreachable,

  'invalid-script': EXIT.refused,
  'cannot-listen': EXIT.refused,
  'entries-not-kept': EXIT.ourFault,

  'invalid-device-token': EXIT.refused,
  'invalid-payload': EXIT.refused,
  // what came from the gateway or the provider API, or from a server that is none
  'malformed-frame': EXIT.unreachable,
  'truncated-stream': EXIT.unreachable,
  'http2-connection-error': EXIT.unreachable,
  // read by whoever plays Apple alone
  'invalid-provider-token': EXIT.ourFault,
} as const satisfies Record<ErrorCode, ExitCode>

/** An error of one of our packages, told by its code: two copies of a package break `instanceof`. */
interface KnownError extends Error {
  readonly code: ErrorCode
  readonly remedy: string
  readonly faults?: readonly { readonly detail: string }[]
}

/** Whether an error is one of ours, and so has a remedy. */
export function isKnown(error: unknown): error is KnownError {
  if (!(error instanceof Error) || !('code' in error) || !('remedy' in error)) return false
  return typeof error.code === 'string' && Object.hasOwn(EXIT_CODES, error.code)
}

/** The exit code that an error leads to; what nobody foresaw is a fault of ours. */
export function exitCodeOf(error: unknown): ExitCode {
  return isKnown(error) ? EXIT_CODES[error.code] : EXIT.ourFault
}
