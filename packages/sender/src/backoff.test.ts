import { expect, test } from 'vitest'

import { backoff } from './backoff.ts'

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
