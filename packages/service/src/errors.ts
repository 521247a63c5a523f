/** What can be wrong at this layer. Codes are never renamed and never reused. */
export type ServiceErrorCode =
  /** The configuration breaks a rule; `faults` lists every one. */
  | 'invalid-configuration'
  /** A file that the configuration or the caller names cannot be read. */
  | 'unreadable-file'
  /** No app of this topic is configured, or none was named where there are several. */
  | 'unknown-app'
  /** The app lacks what the environment needs: credentials, a gateway or a feedback service. */
  | 'app-not-configured'
  /** What an API key is to be called is no name. */
  | 'invalid-key'

/** One thing wrong in the configuration. */
export interface ConfigFault {
  /** The key as it stands in the file (`sender.connections`, `apps[0].gateway`), a variable's name, or `file:line:column`. */
  readonly key: string
  /** What is wrong and what was due; never shows a secret. */
  readonly detail: string
}

/** What came with an error beyond its text. */
export interface ServiceErrorOptions {
  readonly faults?: readonly ConfigFault[]
  readonly cause?: unknown
}

/** The one error of this package. `message` says what and where, `remedy` what to do about it. */
export class ServiceError extends Error {
  override readonly name = 'ServiceError'
  readonly code: ServiceErrorCode
  readonly remedy: string
  /** Every fault of the configuration, in the order of the file; empty for the other codes. */
  readonly faults: readonly ConfigFault[]

  constructor(code: ServiceErrorCode, message: string, remedy: string, options: ServiceErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.remedy = remedy
    this.faults = options.faults ?? []
  }
}
