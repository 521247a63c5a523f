import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { RateLimiter } from './rate-limit.ts'

const MINUTE = 60_000

test('a quota is used up one by one, and is there again when the window ends', () => {
  const limiter = new RateLimiter('api', { quota: 2, windowMs: MINUTE })
  const told = (now: number): string => {
    const { admitted, policy, state, resetSeconds } = limiter.admit('me', now)
    return `${admitted} ${policy} ${state} ${resetSeconds}`
  }
  expect(told(1000)).toBe('true "api";q=2;w=60 "api";r=1;t=60 60')
  expect(told(31_500)).toBe('true "api";q=2;w=60 "api";r=0;t=30 30')
  expect(told(60_999)).toBe('false "api";q=2;w=60 "api";r=0;t=1 1')
  expect(told(61_000)).toBe('true "api";q=2;w=60 "api";r=1;t=60 60')
})

test('the whole window is left at its begin, at whatever fraction of a millisecond that is', () => {
  fc.assert(
    fc.property(fc.double({ min: 0, max: 1e9, noNaN: true }), (now) => {
      const limiter = new RateLimiter('api', { quota: 2, windowMs: MINUTE })
      expect(limiter.admit('me', now).resetSeconds).toBe(60)
    }),
    { examples: [[52_194.65438001131]] },
  )
})

test('each has a quota of their own', () => {
  const limiter = new RateLimiter('api', { quota: 1, windowMs: MINUTE })
  expect(['a', 'b', 'a', 'b'].map((who) => limiter.admit(who, 0).admitted)).toEqual([true, true, false, false])
})

test('no window admits more than its quota, whoever comes when', () => {
  const events = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.nat(5000)), { maxLength: 300 })
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 5 }),
      fc.integer({ min: 1000, max: 60_000 }),
      events,
      (quota, windowMs, list) => {
        const limiter = new RateLimiter('api', { quota, windowMs })
        const admitted = new Map<string, number[]>()
        let now = 0
        for (const [who, pause] of list) {
          now += pause
          const { admitted: is, state } = limiter.admit(who, now)
          expect(state).toMatch(/^"api";r=\d+;t=\d+$/)
          if (is) admitted.set(who, [...(admitted.get(who) ?? []), now])
        }
        // windows of fixed length meet: two of them lie within any time as long as one
        for (const times of admitted.values()) {
          for (const [index, time] of times.entries()) {
            expect(times.slice(index).filter((other) => other < time + windowMs).length).toBeLessThanOrEqual(2 * quota)
          }
        }
      },
    ),
  )
})

test('addresses made up by the million do not fill the memory, and the oldest are forgotten first', () => {
  const limiter = new RateLimiter('api', { quota: 1, windowMs: MINUTE })
  limiter.admit('first', 0)
  for (let index = 0; index < 99_998; index++) limiter.admit(String(index), 0)
  expect(limiter.admit('first', 0).admitted).toBe(false)
  limiter.admit('one more', 0)
  limiter.admit('and one', 0)
  expect(limiter.admit('first', 0).admitted).toBe(true)
})
