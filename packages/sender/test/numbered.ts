import type { Notification } from '../src/notification.ts'

/** A notification that knows its number; who gets it learns it from the token. */
export interface Numbered extends Notification {
  readonly number: number
}

const CONTENT = { payload: { aps: { alert: 'Hi' } } }

export function numbered(number: number): Numbered {
  return { number, token: (number + 1).toString(16).padStart(64, '0'), content: CONTENT }
}

export function numberOf(token: string): number {
  return Number.parseInt(token, 16) - 1
}

/** So many numbers from `from` on. */
export function numbers(count: number, from = 0): number[] {
  return Array.from({ length: count }, (_, index) => from + index)
}
