import type { Fault } from '@lhspn/apns-protocol'

/** What can go wrong with the simulator itself. Codes are never renamed and never reused. */
export type SimulatorErrorCode = 'invalid-options' | 'invalid-script' | 'cannot-listen' | 'entries-not-kept' | 'closed'

/** The one error of this package. Test its `code`; `remedy` says what to do, `faults` names every wrong place of a script. */
export class SimulatorError extends Error {
  override readonly name = 'SimulatorError'
  readonly code: SimulatorErrorCode
  readonly remedy: string
  /** With `invalid-script` each thing that is wrong and where (JSON pointer); otherwise empty. */
  readonly faults: readonly Fault[]

  constructor(
    code: SimulatorErrorCode,
    message: string,
    remedy: string,
    options: { readonly cause?: unknown; readonly faults?: readonly Fault[] } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause })
    this.code = code
    this.remedy = remedy
    this.faults = options.faults ?? []
  }
}
