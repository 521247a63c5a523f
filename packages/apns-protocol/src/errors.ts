/** What can be wrong with a value or with bytes. Codes are never renamed and never used again for something else. */
export type ProtocolErrorCode = 'invalid-device-token' | 'invalid-payload' | 'malformed-frame' | 'truncated-stream'

/** The one error that this package throws. `code` is for programs, `message` says what and where, `remedy` what to do. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
  readonly code: ProtocolErrorCode
  readonly remedy: string

  constructor(code: ProtocolErrorCode, message: string, remedy: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.remedy = remedy
  }
}

/** One thing wrong in a value that came from outside. */
export interface Fault {
  /** Where: a JSON pointer (RFC 6901) into the value that was checked; `''` is the value itself. */
  readonly pointer: string
  /** What was due, as a sentence. */
  readonly detail: string
}
