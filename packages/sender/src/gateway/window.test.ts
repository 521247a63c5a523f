import { expect, test } from 'vitest'

import { Call } from '../call.ts'
import { Window } from './window.ts'

const call = new Call(100, 'report', undefined)
const notification = (token: string) => ({ token, content: { payload: {} } })

function leave(window: Window, end: number): string[] {
  const left: string[] = []
  window.leave(end, ({ token }) => left.push(token))
  return left
}

test('notifications leave in the order of their identifiers, over any number of rounds of the ring', () => {
  const window = new Window(4)
  for (let identifier = 1; identifier < 40; identifier++) {
    expect(window.next).toBe(identifier)
    window.push(notification(String(identifier)), call, 0)
    if (identifier > 3) expect(leave(window, identifier - 2)).toEqual([String(identifier - 3)])
  }
  expect([window.size, window.full, window.holds(36), window.holds(37), window.holds(40)]).toEqual([
    3,
    false,
    false,
    true,
    false,
  ])
})

test('it knows when each was written', () => {
  const window = new Window(8)
  window.mark(-1000)
  expect(window.oldestAt).toBe(Infinity)
  for (const [token, now] of [
    ['a', 0],
    ['b', 0],
    ['c', 500],
    ['d', 3000],
  ] as const) {
    window.push(notification(token), call, 0)
    window.mark(now)
  }
  expect([window.oldestAt, window.writtenBefore(2999, 3000), window.writtenBefore(3000, 3000)]).toEqual([0, 1, 3])
  expect(leave(window, 3)).toEqual(['a', 'b'])
  expect([window.oldestAt, window.writtenBefore(3499, 3000), window.writtenBefore(3500, 3000)]).toEqual([500, 3, 4])
})
