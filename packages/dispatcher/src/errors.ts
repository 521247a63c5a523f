import type { Fault } from '@lhspn/apns-protocol'

/** What can be wrong with a push, or with what is asked of one. Never renamed, never used for something else. */
export type DispatcherErrorCode =
  | 'audience-too-large'
  | 'gateway-cannot'
  | 'idempotency-mismatch'
  | 'invalid-cursor'
  | 'invalid-push'
  | 'redis-unreachable'
  | 'state-conflict'
  | 'stream-cut'
  | 'unknown-push'

export interface DispatcherErrorOptions extends ErrorOptions {
  /** All things that are wrong, each with a JSON pointer into the request. */
  readonly faults?: readonly Fault[]
}

/** A fault of a push as a whole, or of a request. What became of one notification is an outcome. */
export class DispatcherError extends Error {
  override readonly name = 'DispatcherError'
  readonly code: DispatcherErrorCode
  /** What to do about it. */
  readonly remedy: string
  readonly faults: readonly Fault[]

  constructor(
    code: DispatcherErrorCode,
    message: string,
    remedy: string,
    { faults = [], ...options }: DispatcherErrorOptions = {},
  ) {
    super(message, options)
    this.code = code
    this.remedy = remedy
    this.faults = faults
  }
}
