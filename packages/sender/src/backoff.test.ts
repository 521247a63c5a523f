import { expect, test } from 'vitest'

import { backoff, retryAfterMs } from './backoff.ts'

test.for([
  [1, 50, 100],
  [2, 100, 200],
  [3, 200, 400],
  [5, 800, 1600],
  [6, 1000, 2000],
  [1000, 1000, 2000],
] as const)('after %i failures: %i to %i ms', ([failures, least, most]) => {
  expect([0, 0.5, 1].map((random) => backoff(failures, () => random))).toEqual([least, (least + most) / 2, most])
})

test.for([
  ['0', 0],
  ['120', 120_000],
  ['Wed, 25 Nov 2026 00:01:00 GMT', 60_000],
  ['Tue, 24 Nov 2026 00:00:00 GMT', 0],
  ['-5', 0],
  ['soon', 0],
  ['99999999999999999999', 0],
  [undefined, 0],
] as const)('Retry-After %s asks to wait %i ms', ([text, ms]) => {
  expect(retryAfterMs(text, Date.parse('2026-11-25T00:00:00Z'))).toBe(ms)
})
