import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { CallRing } from './call-ring.ts'
import { Call } from './call.ts'
import type { Notification } from './notification.ts'

const content = { payload: {} }
const batch = (size: number): Notification[] =>
  Array.from({ length: size }, (_, number) => ({ token: String(number), content }))
const open = (room = 4): Call => new Call(room, 'report', undefined)

function settle(call: Call, count: number): void {
  for (let settled = 0; settled < count; settled++) {
    call.settle({ notification: { token: '', content }, kind: 'accepted', attempts: 1 })
  }
}

test('input is taken in its order, across arrays', () => {
  const call = open(100)
  for (const size of [0, 1, 3, 0, 2]) call.enqueue(batch(size))
  const tokens = []
  while (call.hasWork) tokens.push(call.take().token)
  expect(tokens).toEqual(['0', '0', '1', '2', '0', '1'])
})

test('what is in flight and what was not taken by the caller share the room', () => {
  const call = open(4)
  call.enqueue(batch(9))
  let taken = 0
  for (; call.hasWork; taken++) call.take()
  expect(taken).toBe(4)
  settle(call, 4)
  expect([call.hasWork, call.wantsInput]).toEqual([false, false])
  expect(call.takeOutcomes()).toHaveLength(4)
  expect([call.hasWork, call.wantsInput]).toEqual([true, true])
})

test('however much is written, settled and read in whatever order, the room is never exceeded and nothing is lost', () => {
  const steps = fc.array(fc.constantFrom('enqueue', 'take', 'settle', 'read'), { maxLength: 200 })
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 9 }), (plan, room) => {
      const call = open(room)
      const given = batch(3)
      let read = 0
      let taken = 0
      let enqueued = 0
      for (const step of plan) {
        if (step === 'enqueue') {
          call.enqueue(given)
          enqueued += given.length
        } else if (step === 'take' && call.hasWork) {
          call.take()
          taken++
        } else if (step === 'settle' && call.unsettled > 0) settle(call, 1)
        else if (step === 'read') read += call.takeOutcomes().length
        if (taken - read > room || call.queued !== enqueued - taken) return false
      }
      return call.takeOutcomes().length === taken - call.unsettled - read
    }),
  )
})

test('outcomes come in the order in which they were settled, in arrays that are full, the last as far as it is', () => {
  const call = open(5000)
  const given = batch(2500)
  call.enqueue(given)
  for (let count = 0; count < 2500; count++) {
    call.settle({ notification: call.take(), kind: 'accepted', attempts: 1 })
  }
  const pieces = [call.takeOutcomes(), call.takeOutcomes(), call.takeOutcomes()]
  expect(pieces.map(({ length }) => length)).toEqual([1024, 1024, 452])
  expect(pieces.flat().map(({ notification }) => notification)).toEqual(given)
  expect(call.takeOutcomes()).toEqual([])
})

test('a call is finished when its input has ended, or it has, and all is settled', () => {
  const call = open()
  call.enqueue(batch(1))
  call.inputEnded = true
  expect(call.finished).toBe(false)
  call.take()
  expect(call.finished).toBe(false)
  settle(call, 1)
  expect(call.finished).toBe(true)
  const aborted = open()
  expect(aborted.finished).toBe(false)
  aborted.ending = 'Aborted'
  expect(aborted.finished).toBe(true)
})

test('calls have their turns: one that comes last waits for a turn of each other, not for their input', () => {
  const ring = new CallRing()
  const broadcasts = [open(1e6), open(1e6)]
  const single = open(1)
  for (const call of broadcasts) {
    call.enqueue(batch(10_000))
    ring.add(call)
  }
  const takeOne = (): Call | undefined => {
    const call = ring.next()
    call?.take()
    return call
  }
  for (let taken = 0; taken < 100; taken++) takeOne()
  single.enqueue(batch(1))
  ring.add(single)
  let before = 0
  while (takeOne() !== single) before++
  expect(before).toBeLessThanOrEqual(2 * 64)
  const counts = new Map<Call | undefined, number>()
  for (let taken = 0; taken < 6400; taken++) {
    const call = takeOne()
    counts.set(call, (counts.get(call) ?? 0) + 1)
  }
  expect([...counts.values()].every((count) => Math.abs(count - 3200) <= 64)).toBe(true)
})

test('calls that have no room or no input are passed over, and finished ones forgotten', () => {
  const ring = new CallRing()
  const [sleeping, done, busy] = [open(0), open(1), open(100)] as const
  for (const call of [sleeping, done, busy]) ring.add(call)
  sleeping.enqueue(batch(5))
  busy.enqueue(batch(5))
  done.inputEnded = true
  expect([ring.next(), ring.next()]).toEqual([busy, busy])
  ring.prune()
  expect([...ring]).toEqual([sleeping, busy])
  expect(ring.hasWork).toBe(true)
  while (busy.hasWork) busy.take()
  expect([ring.hasWork, ring.next()]).toEqual([false, undefined])
})

test('who changed is told once', () => {
  const ring = new CallRing()
  const [one, other] = [open(), open()] as const
  for (const call of [one, one, other, one]) ring.touch(call)
  expect(ring.takeChanged()).toEqual([one, other])
  expect(ring.takeChanged()).toEqual([])
  ring.touch(one)
  expect(ring.takeChanged()).toEqual([one])
})
