import { parseDeviceToken, ProtocolError } from '@lhspn/apns-protocol'

import { DeviceStoreError } from './errors.ts'

/** Lowercase hex. @throws DeviceStoreError `invalid-token` */
export function checkToken(token: string): string {
  try {
    return parseDeviceToken(token)
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    const { message, remedy } = error
    throw new DeviceStoreError('invalid-token', message, remedy, [{ pointer: '', detail: message }])
  }
}

/** Lowercase hex of those that can be tokens at all, once each; and of each given, `''` where it cannot. */
export function knownTokens(tokens: readonly string[]): { unique: readonly string[]; each: readonly string[] } {
  const each = tokens.map((token) => {
    try {
      return parseDeviceToken(token)
    } catch {
      return ''
    }
  })
  const unique = new Set(each)
  unique.delete('')
  return { unique: [...unique], each }
}

/** A reason or the id of a push, as it fits into its column. */
export function checkLabel<T extends string | null>(label: T): T {
  if (label !== null && !/^[!-~]{1,64}$/.test(label))
    throw new TypeError('A reason or the id of a push has 1 to 64 characters of ASCII, and no spaces')
  return label
}
