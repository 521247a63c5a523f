import { expect, test } from 'vitest'

import { Call } from './call.ts'
import { ResendQueue, type Returned } from './resend-queue.ts'

const one = new Call(100, 'report', undefined)
const other = new Call(100, 'report', undefined)
const returned = (token: string, call = one): Returned => ({
  notification: { token, content: { payload: {} } },
  call,
  history: 1,
})
const part = (tokens: string, call?: Call): Returned[] => Array.from(tokens, (token) => returned(token, call))

function drain(queue: ResendQueue): string {
  let tokens = ''
  while (queue.hasWork) tokens += queue.take().notification.token
  return tokens
}

test('what came back last goes first, each part in its order', () => {
  const queue = new ResendQueue()
  queue.putFront(part('efg'))
  queue.putFront([])
  queue.putFront(part('abcd'))
  expect(drain(queue)).toBe('abcdefg')
})

test('what waits goes to the front when its time has come', () => {
  const queue = new ResendQueue()
  queue.putFront(part('x'))
  queue.putWaiting(returned('b'), 200)
  queue.putWaiting(returned('a'), 100)
  queue.putWaiting(returned('c'), 300)
  queue.release(99)
  expect(queue.dueAt).toBe(100)
  queue.release(200)
  expect([queue.dueAt, drain(queue)]).toEqual([300, 'abx'])
})

test('all of one call can be taken out, in their order', () => {
  const queue = new ResendQueue()
  queue.putFront([...part('cd'), ...part('1', other), ...part('e')])
  queue.putFront([...part('2', other), ...part('ab')])
  queue.putWaiting(returned('f'), 100)
  expect(
    queue
      .takeAllOf(one)
      .map(({ notification }) => notification.token)
      .join(''),
  ).toBe('abcdef')
  expect([queue.holds(one), queue.holds(other), queue.dueAt, drain(queue)]).toEqual([false, true, Infinity, '21'])
})
