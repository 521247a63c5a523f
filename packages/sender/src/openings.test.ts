import { expect, test } from 'vitest'

import { Openings } from './openings.ts'

/** When each of `count` openings may happen, one after the other as soon as it may. */
function times(openings: Openings, count: number, from: number): number[] {
  return Array.from({ length: count }, () => {
    const at = Math.max(from, openings.nextAt)
    openings.open(at)
    return at
  })
}

test('so many a second, in every second', () => {
  expect(times(new Openings(3, 4, () => 0), 8, 100)).toEqual([100, 100, 100, 1100, 1100, 1100, 2100, 2100])
})

test('without a limit, at once', () => {
  expect(times(new Openings(Infinity, 4, () => 0), 50, 0).at(-1)).toBe(0)
})

test('one that replaces another is free, and is not counted; free ones are kept up to a number', () => {
  const openings = new Openings(1, 2, () => 0)
  expect(times(openings, 1, 0)).toEqual([0])
  for (let ended = 0; ended < 5; ended++) openings.replace()
  expect(times(openings, 4, 10)).toEqual([10, 10, 1000, 2000])
})

test('after fruitless ones it waits longer and longer, until one succeeds; the tenth in a row is too much', () => {
  const openings = new Openings(Infinity, 4, () => 0.5)
  const waits = Array.from({ length: 9 }, () => {
    expect(openings.fail(1000)).toBe(false)
    return openings.nextAt - 1000
  })
  expect(waits).toEqual([75, 150, 300, 600, 1200, 1500, 1500, 1500, 1500])
  expect(openings.fail(1000)).toBe(true)
  openings.fail(1000)
  openings.succeed()
  expect(openings.nextAt).toBeLessThan(1000)
  expect(Array.from({ length: 9 }, () => openings.fail(0))).not.toContain(true)
})
