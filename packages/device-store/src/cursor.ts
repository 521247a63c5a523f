import { DeviceStoreError } from './errors.ts'

/** Where a page ended: opaque to those who hand it back. */
export function encodeCursor(id: number): string {
  return id.toString(36)
}

/** @throws DeviceStoreError `invalid-cursor` */
export function decodeCursor(cursor: string): number {
  const id = /^[0-9a-z]{1,11}$/.test(cursor) ? Number.parseInt(cursor, 36) : Number.NaN
  if (Number.isSafeInteger(id)) return id
  throw new DeviceStoreError('invalid-cursor', 'The cursor is none', 'Give the nextCursor of the page before.')
}
