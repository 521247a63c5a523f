import type { Fault } from '@lhspn/apns-protocol'

/** What can be wrong with values that come from outside. Codes are never renamed and never used again for something else. */
export type DeviceStoreErrorCode =
  | 'invalid-registration'
  | 'invalid-changes'
  | 'invalid-attributes'
  | 'invalid-filter'
  | 'invalid-audience'
  | 'invalid-token'
  | 'invalid-cursor'
  | 'invalid-table'

/**
 * The one error of this package's own; failures of the database come out as DatabaseError. `faults` are all things that
 * are wrong, each with a JSON pointer into the value that was given. Nothing has been stored.
 */
export class DeviceStoreError extends Error {
  override readonly name = 'DeviceStoreError'
  readonly code: DeviceStoreErrorCode
  readonly remedy: string
  readonly faults: readonly Fault[]

  constructor(code: DeviceStoreErrorCode, message: string, remedy: string, faults: readonly Fault[] = []) {
    super(message)
    this.code = code
    this.remedy = remedy
    this.faults = faults
  }
}

/** Throws if there are faults. */
export function refuse(code: DeviceStoreErrorCode, what: string, faults: readonly Fault[]): void {
  const [first] = faults
  if (first === undefined) return
  const more = faults.length > 1 ? `, and ${faults.length - 1} more` : ''
  const where = first.pointer === '' ? '' : ` at ${first.pointer.slice(0, 200)}`
  throw new DeviceStoreError(code, `The ${what} is not valid${where}: ${first.detail}${more}`, 'Correct it.', faults)
}
