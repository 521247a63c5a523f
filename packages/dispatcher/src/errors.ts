/** What can end a push besides its outcomes. Never renamed, never used for something else. */
export type DispatcherErrorCode = 'audience-too-large' | 'environment-mismatch'

/** A fault of a push as a whole. What became of one notification is an outcome. */
export class DispatcherError extends Error {
  override readonly name = 'DispatcherError'
  readonly code: DispatcherErrorCode
  /** What to do about it. */
  readonly remedy: string

  constructor(code: DispatcherErrorCode, message: string, remedy: string) {
    super(message)
    this.code = code
    this.remedy = remedy
  }
}
