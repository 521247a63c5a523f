/** What can be wrong with a value or with bytes. Codes are never renamed and never used again for something else. */
export type ProtocolErrorCode =
  | 'invalid-device-token'
  | 'invalid-payload'
  | 'invalid-provider-token'
  | 'malformed-frame'
  | 'truncated-stream'
  | 'http2-connection-error'

export interface ProtocolErrorOptions extends ErrorOptions {
  /** With `http2-connection-error`: what a GOAWAY has to say about it (RFC 9113, section 7). */
  readonly http2Code?: number
}

/** The one error that this package throws. `code` is for programs, `message` says what and where, `remedy` what to do. */
export class ProtocolError extends Error {
  override readonly name = 'ProtocolError'
  readonly code: ProtocolErrorCode
  readonly remedy: string
  /** Code of the GOAWAY that answers it (RFC 9113, section 7); of `http2-connection-error` alone. */
  readonly http2Code: number | undefined

  constructor(code: ProtocolErrorCode, message: string, remedy: string, options?: ProtocolErrorOptions) {
    super(message, options)
    this.code = code
    this.remedy = remedy
    this.http2Code = options?.http2Code
  }
}

/** One thing wrong in a value that came from outside. */
export interface Fault {
  /** Where: a JSON pointer (RFC 6901) into the value that was checked; `''` is the value itself. */
  readonly pointer: string
  /** What was due, as a sentence. */
  readonly detail: string
}
