import { expect, test } from 'vitest'

import { Hold } from './hold.ts'

/** A hold after so many failures at the time 0. */
function after(failures: number): Hold {
  const hold = new Hold(() => 0)
  for (let i = 0; i < failures; i++) hold.failed(0, 0)
  return hold
}

test('the twentieth failure in a row begins it; one that is accepted begins the count again', () => {
  const hold = after(19)
  expect(hold.holding).toBe(false)
  hold.accepted()
  for (let i = 0; i < 19; i++) expect(hold.failed(0, 0)).toBe(false)
  expect(hold.failed(0, 0)).toBe(true)
  expect(hold.failed(0, 0)).toBe(false)
  expect(hold.holding).toBe(true)
})

test('each probe that fails makes the next one wait longer, and Retry-After longer still', () => {
  const hold = after(20)
  expect(hold.nextAt).toBe(50)
  hold.failed(50, 0)
  expect(hold.nextAt).toBe(150)
  hold.failed(150, 7000)
  expect(hold.nextAt).toBe(7150)
  // Another answer that was under way does not shorten that wait.
  hold.failed(200, 0)
  expect(hold.nextAt).toBe(7150)
})

test('what was under way when it began makes no probe wait longer, unless it asks for that', () => {
  const hold = after(20)
  for (let i = 0; i < 500; i++) hold.failed(10, 0)
  expect(hold.nextAt).toBe(50)
  hold.failed(20, 3000)
  expect(hold.nextAt).toBe(3020)
})

test('what is accepted ends it', () => {
  const hold = after(25)
  expect(hold.accepted()).toBe(true)
  expect(hold.accepted()).toBe(false)
  expect([hold.holding, hold.endsAt]).toEqual([false, Infinity])
})

test('it ends after a minute in which something waited', () => {
  const hold = after(20)
  expect(hold.endsAt).toBe(60_000)
  hold.wait(true, 30_000)
  expect(hold.endsAt).toBe(60_000)
  hold.wait(false, 40_000)
  expect(hold.endsAt).toBe(Infinity)
  hold.wait(true, 100_000)
  expect(hold.endsAt).toBe(160_000)
})
