import { expect, test } from 'vitest'

import { Holds } from './holds.ts'

test('a hold doubles each time that nothing is reached after it, up to five minutes, and ends when something is', () => {
  let now = 0
  const holds = new Holds(() => now)
  const waited: number[] = []
  for (let round = 0; round < 9; round++) {
    const { ms, isNew } = holds.begin('a', 'production')
    expect(isNew).toBe(true)
    waited.push(ms / 1000)
    expect(holds.begin('a', 'production')).toEqual({ ms, isNew: false })
    expect([holds.has('a', 'production'), holds.has('a', 'sandbox'), holds.has('b', 'production')]).toEqual([
      true,
      false,
      false,
    ])
    now += ms
    expect(holds.has('a', 'production')).toBe(false)
  }
  expect(waited).toEqual([5, 10, 20, 40, 80, 160, 300, 300, 300])
  holds.end('a', 'production')
  expect(holds.begin('a', 'production').ms).toBe(5000)
})
