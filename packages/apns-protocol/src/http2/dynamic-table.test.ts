import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { hexOf } from '../../test/vectors.ts'
import { DynamicTable } from './dynamic-table.ts'

type Entry = readonly [name: string, hex: string]

/** The rules of RFC 7541, section 4, on a plain list, newest first. */
class ListTable {
  entries: Entry[] = []
  capacity: number

  constructor(capacity: number) {
    this.capacity = capacity
  }

  get bytes(): number {
    return this.entries.reduce((sum, [name, hex]) => sum + name.length + hex.length / 2 + 32, 0)
  }

  add(name: string, hex: string): void {
    this.entries.unshift([name, hex])
    this.resize(this.capacity)
  }

  resize(capacity: number): void {
    this.capacity = capacity
    while (this.bytes > capacity) this.entries.pop()
  }
}

function entriesOf(table: DynamicTable): Entry[] {
  return Array.from({ length: table.count }, (_, index) => [
    table.nameOf(index),
    hexOf(table.values.subarray(table.startOf(index), table.endOf(index))),
  ])
}

const step = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ name: fc.constantFrom('', 'a', 'apns-id'), value: fc.uint8Array({ maxLength: 90 }) }),
  },
  { weight: 1, arbitrary: fc.record({ capacity: fc.nat(600) }) },
)

test('it holds what a plain list would hold, after any additions and changes of capacity', () => {
  fc.assert(
    fc.property(fc.nat(300), fc.array(step, { maxLength: 120, size: 'max' }), (capacity, steps) => {
      const table = new DynamicTable(capacity)
      const list = new ListTable(capacity)
      for (const next of steps) {
        if ('capacity' in next) {
          table.resize(next.capacity)
          list.resize(next.capacity)
        } else {
          table.add(next.name, next.value, 0, next.value.length)
          list.add(next.name, hexOf(next.value))
        }
        expect(entriesOf(table)).toEqual(list.entries)
        expect([table.bytes, table.capacity]).toEqual([list.bytes, list.capacity])
      }
    }),
    { numRuns: 300 },
  )
})

test('its memory stays what its capacity asks for, however much goes through it', () => {
  const table = new DynamicTable(4096)
  const value = new Uint8Array(36)
  for (let turn = 0; turn < 10_000; turn++) table.add('apns-id', value, 0, value.length)
  expect([table.count, table.bytes, table.values.length]).toEqual([54, 54 * 75, 8192])
})
