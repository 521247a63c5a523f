import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { keysetPages } from './keyset.ts'

test('pages hold every row once, in order, and each but the last is full', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(fc.nat(500)),
      fc.integer({ min: 1, max: 20 }),
      fc.nat(500),
      async (keys, size, after) => {
        const rows = keys.toSorted((one, other) => one - other)
        let reads = 0
        const read = async (above: number, limit: number) => {
          reads++
          return rows.filter((row) => row > above).slice(0, limit)
        }
        const pages: (readonly number[])[] = []
        for await (const page of keysetPages(read, { after, size, keyOf: (row) => row })) pages.push(page)
        expect(pages.flat()).toEqual(rows.filter((row) => row > after))
        expect(pages.slice(0, -1).every((page) => page.length === size)).toBe(true)
        expect(reads).toBeLessThanOrEqual(pages.length + 1)
      },
    ),
  )
})

test('a signal ends it between two pages', async () => {
  const abort = new AbortController()
  const pages = keysetPages(async (after: number) => [after + 1], {
    after: 0,
    size: 1,
    keyOf: (row) => row,
    signal: abort.signal,
  })
  expect((await pages.next()).value).toEqual([1])
  abort.abort(new Error('enough'))
  await expect(pages.next()).rejects.toThrow('enough')
})
