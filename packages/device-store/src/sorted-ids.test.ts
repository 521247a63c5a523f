import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { type Ids, intersect, merge, type ReadIds, subtract, unionOf } from './sorted-ids.ts'

const ids = fc.uniqueArray(fc.nat(300)).map((list): Ids => list.toSorted((one, other) => one - other))
const sorted = (list: Iterable<number>): Ids => [...new Set(list)].toSorted((one, other) => one - other)

test('sets of ids are joined, cut and subtracted as sets', () => {
  fc.assert(
    fc.property(ids, ids, (one, other) => {
      expect(merge([one, other])).toEqual(sorted([...one, ...other]))
      expect(intersect(one, other)).toEqual(one.filter((id) => other.includes(id)))
      expect(subtract(one, other)).toEqual(one.filter((id) => !other.includes(id)))
    }),
  )
})

test('a union of paged sets has every id above the start once, in order, in windows that follow each other', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(ids, { maxLength: 5 }),
      fc.integer({ min: -1, max: 300 }),
      fc.integer({ min: 1, max: 10 }),
      fc.integer({ min: 1, max: 40 }),
      async (sets, after, first, most) => {
        const readers = sets.map(
          (set): ReadIds =>
            async (above, limit) =>
              set.filter((id) => id > above).slice(0, limit),
        )
        const windows: Ids[] = []
        for await (const window of unionOf(readers, after, { first, most: Math.max(first, most) })) windows.push(window)
        expect(windows.flat()).toEqual(sorted(sets.flat().filter((id) => id > after)))
        expect(windows.every((window) => window.length > 0)).toBe(true)
      },
    ),
  )
})
