import { expect, test } from 'vitest'

import type { InputFault } from './errors.ts'
import { type FilterFlags, hasFilter, readFilterFlags } from './filter-flags.ts'

function read(flags: FilterFlags): { filter: unknown; faults: readonly InputFault[] } {
  const faults: InputFault[] = []
  return { filter: readFilterFlags(flags, faults), faults }
}

test.for<[flags: FilterFlags, filter: unknown]>([
  [{}, undefined],
  [{ where: ['plan=pro'] }, ['plan', 'pro']],
  [{ where: ['a=b=c'] }, ['a', 'b=c']],
  [
    { where: ['age:=31', 'beta:=true'] },
    {
      all: [
        ['age', 31],
        ['beta', true],
      ],
    },
  ],
  [
    { any: ['a=1', 'a=2'] },
    {
      any: [
        ['a', '1'],
        ['a', '2'],
      ],
    },
  ],
  [{ any: ['a=1'] }, ['a', '1']],
  [{ not: ['a=1'] }, { not: ['a', '1'] }],
  [
    { not: ['a=1', 'b=2'] },
    {
      not: {
        any: [
          ['a', '1'],
          ['b', '2'],
        ],
      },
    },
  ],
  [
    { where: ['p=q'], any: ['a=1', 'a=2'], not: ['b=2'] },
    {
      all: [
        ['p', 'q'],
        {
          any: [
            ['a', '1'],
            ['a', '2'],
          ],
        },
        { not: ['b', '2'] },
      ],
    },
  ],
  [{ filter: '{"not":["a",1]}' }, { not: ['a', 1] }],
  [{ where: ['__proto__=x'] }, ['__proto__', 'x']],
])('%j', ([flags, filter]) => {
  expect(read(flags)).toEqual({ filter, faults: [] })
  expect(hasFilter(flags)).toBe(Object.keys(flags).length > 0)
})

test.for<[flags: FilterFlags, flag: string, detail: RegExp]>([
  [{ where: [''] }, '--where', /KEY=VALUE/],
  [{ any: ['=x'] }, '--any', /KEY=VALUE/],
  [{ not: ['a:=nul'] }, '--not', /no valid JSON/],
  [{ not: ['a:=null'] }, '--not', /^a:=null: /],
  [{ where: [`${'k'.repeat(65)}=x`] }, '--where', /64 characters/],
  [{ where: Array.from({ length: 51 }, (_, at) => `a=${at}`) }, '--where', /50 pairs/],
  [{ filter: '{"not":{"not":{"not":{"not":{"not":["a",1]}}}}}' }, '--filter', /5 deep/],
  [{ filter: '["a",1]', where: ['a=1'] }, '--filter', /cannot stand beside/],
])('%j is refused', ([flags, flag, detail]) => {
  expect(read(flags).faults).toContainEqual({ ...read(flags).faults[0], flag, detail: expect.stringMatching(detail) })
})
