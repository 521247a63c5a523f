import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { parseAttributes } from './attributes.ts'
import { matches, parseAudience, parseFilter } from './audience.ts'
import { parseChanges, parseRegistration } from './device.ts'
import { DeviceStoreError } from './errors.ts'
import { splitOsVersion } from './legacy-row.ts'

const TOKEN = 'aa'.repeat(32)
const APP = 'com.example.app'

/** Pointers of all faults that `parse` finds. */
function faultsOf(parse: () => unknown): readonly string[] {
  try {
    parse()
  } catch (error) {
    if (error instanceof DeviceStoreError) return error.faults.map(({ pointer }) => pointer)
    throw error
  }
  return []
}

const nest = (depth: number): unknown => (depth === 1 ? ['a', 1] : { not: nest(depth - 1) })
const many = (count: number, text = 'x') => Object.fromEntries(Array.from({ length: count }, (_, n) => [`k${n}`, text]))
const pairs = (count: number) => Array.from({ length: count }, (_, n) => ['a', n])

describe('filters', () => {
  test.for<[unknown]>([
    [['plan', 'pro']],
    [['n', 1]],
    [['n', -0.5]],
    [['ok', false]],
    [['__proto__', 'x']],
    [{ any: [['a', 1], { all: [['b', 2], { not: ['c', 3] }] }] }],
    [nest(5)],
    [{ any: pairs(50) }],
    [['k'.repeat(64), 'v'.repeat(255)]],
    [['😀'.repeat(64), '😀'.repeat(255)]],
  ])('%j is one, and is read as it is', ([filter]) => {
    expect(parseFilter(filter)).toEqual(filter)
  })

  test.for<[unknown, string[]]>([
    [null, ['']],
    ['plan', ['']],
    [{}, ['']],
    [[], ['']],
    [['a'], ['']],
    [['a', 1, 2], ['']],
    [['a', null], ['/1']],
    [['a', {}], ['/1']],
    [['', 1], ['/0']],
    [[1, 1], ['/0']],
    [
      ['k'.repeat(65), 'v'.repeat(256)],
      ['/0', '/1'],
    ],
    [
      ['\ud800', '\udc00'],
      ['/0', '/1'],
    ],
    [{ any: [] }, ['/any']],
    [{ all: [] }, ['/all']],
    [{ any: 'x' }, ['/any']],
    [{ not: [] }, ['/not']],
    [{ any: [['a', 1]], not: ['b', 1] }, ['']],
    [{ or: [['a', 1]] }, ['']],
    [{ all: [['a', 1], { any: [['b'], ['c', null]] }] }, ['/all/1/any/0', '/all/1/any/1/1']],
    [nest(6), ['/not/not/not/not/not']],
    [{ any: pairs(51) }, ['']],
  ])('%j is none', ([filter, pointers]) => {
    expect(faultsOf(() => parseFilter(filter))).toEqual(pointers)
  })

  test('a hundred thousand levels and a million pairs are refused at once', () => {
    const deep: unknown = JSON.parse(`${'{"not":'.repeat(5000)}["a",1]${'}'.repeat(5000)}`)
    expect(faultsOf(() => parseFilter(deep))).toHaveLength(1)
    expect(faultsOf(() => parseFilter({ any: pairs(1_000_000) }))).toEqual([''])
    expect(faultsOf(() => parseFilter({ any: Array(1_000_000).fill(null) })).length).toBeLessThanOrEqual(100)
  })

  test('a device matches by own attributes and exact values', () => {
    expect(matches(['constructor', 'x'], {})).toBe(false)
    expect(matches({ not: ['a', '1'] }, { a: 1 })).toBe(true)
    expect(
      matches(
        {
          all: [
            ['a', 1],
            {
              any: [
                ['b', true],
                ['c', 'x'],
              ],
            },
          ],
        },
        { a: 1, c: 'x' },
      ),
    ).toBe(true)
  })
})

test('an audience is one of three', () => {
  expect(parseAudience({ all: true })).toEqual({ all: true })
  expect(parseAudience({ tokens: [`<${TOKEN.toUpperCase()}>`] })).toEqual({ tokens: [TOKEN] })
  expect(parseAudience({ filter: ['a', 1] })).toEqual({ filter: ['a', 1] })
  const faults = [
    null,
    {},
    { all: false },
    { all: true, tokens: [TOKEN] },
    { channel: 'x' },
    { tokens: [] },
    { tokens: [TOKEN, 'q80=', 7] },
    { tokens: Array(10_001).fill(TOKEN) },
    { filter: { any: [['a']] } },
  ].map((value) => faultsOf(() => parseAudience(value)))
  expect(faults).toEqual([
    [''],
    [''],
    ['/all'],
    [''],
    [''],
    ['/tokens'],
    ['/tokens/1', '/tokens/2'],
    ['/tokens'],
    ['/filter/any/0'],
  ])
})

test('attributes have bounds, and any key', () => {
  const odd = JSON.parse('{"__proto__":"x","constructor":1,"b":true,"a":""}')
  const read = parseAttributes(odd)
  expect(Object.entries(read)).toEqual([
    ['__proto__', 'x'],
    ['a', ''],
    ['b', true],
    ['constructor', 1],
  ])
  expect(Object.getPrototypeOf(read)).toBe(Object.prototype)
  expect(faultsOf(() => parseAttributes(many(50)))).toEqual([])
  expect(faultsOf(() => parseAttributes(many(51)))).toEqual([''])
  expect(faultsOf(() => parseAttributes(many(50, 'x'.repeat(255))))).toEqual([''])
  expect(faultsOf(() => parseAttributes({ 'a/b~': null, c: { d: 1 }, e: [1], f: Number.NaN }))).toEqual([
    '/a~1b~0',
    '/c',
    '/e',
    '/f',
  ])
  for (const value of [null, [], 'x', 1]) expect(faultsOf(() => parseAttributes(value))).toEqual([''])
})

test('a registration is read field by field, and all its faults are told', () => {
  expect(parseRegistration({ app: APP, token: TOKEN.toUpperCase(), platform: 'iOS', badge: 0 })).toMatchObject({
    app: APP,
    token: TOKEN,
    platform: 'ios',
    badge: 0,
  })
  const wrong = {
    app: 'with space',
    token: 'xyz',
    environment: 'dev',
    platform: '',
    osVersion: 'a\nb',
    badge: -1,
    attributes: { a: null },
    updatedAt: 'yesterday',
  }
  expect(faultsOf(() => parseRegistration(wrong, { import: true }))).toEqual([
    '/app',
    '/token',
    '/environment',
    '/platform',
    '/osVersion',
    '/badge',
    '/attributes/a',
    '/updatedAt',
  ])
  expect(faultsOf(() => parseRegistration({ app: APP, token: TOKEN, updatedAt: '2026-01-01T00:00:00Z' }))).toEqual([
    '/updatedAt',
  ])
  const row = { app: APP, token: TOKEN, updatedAt: '2026-01-01T00:00:00.5+01:00', createdAt: 'whenever', refused: {} }
  expect(parseRegistration(row, { import: true })).toMatchObject({
    updatedAt: new Date('2025-12-31T23:00:00.500Z'),
    createdAt: undefined,
  })
  for (const badge of [1.5, 2 ** 31, '1', null, Number.NaN])
    expect(faultsOf(() => parseRegistration({ app: APP, token: TOKEN, badge }))).toEqual(['/badge'])
  for (const value of [null, [], 'x']) expect(faultsOf(() => parseRegistration(value))).toEqual(['', '/app', '/token'])
})

test('changes are read the same way', () => {
  expect(parseChanges({ attributes: { a: null, b: 1 }, badge: { increment: -2 }, refused: null })).toMatchObject({
    attributes: { a: null, b: 1 },
    badge: { increment: -2 },
    refused: null,
  })
  const wrong = { attributes: { a: [] }, badge: { increment: 0.5, by: 1 }, refused: true, token: TOKEN }
  expect(faultsOf(() => parseChanges(wrong))).toEqual([
    '/token',
    '/refused',
    '/attributes/a',
    '/badge/by',
    '/badge/increment',
  ])
})

test('no value whatever makes a parser fail in another way, and what it read it reads again', () => {
  const value = fc.oneof(
    fc.anything({ withNullPrototype: true, withBigInt: true, withDate: true }),
    fc.letrec((tie) => ({
      filter: fc.oneof(
        { maxDepth: 6 },
        fc.tuple(fc.string(), fc.oneof(fc.string(), fc.double(), fc.boolean(), fc.constant(null))),
        fc.record({ any: fc.array(tie('filter'), { maxLength: 3 }) }),
        fc.record({ not: tie('filter') }),
      ),
    })).filter,
    fc.record(
      { app: fc.constant(APP), token: fc.string(), badge: fc.integer(), attributes: fc.object() },
      { requiredKeys: [] },
    ),
  )
  const parsers = [parseFilter, parseAudience, parseAttributes, parseRegistration, parseChanges]
  fc.assert(
    fc.property(value, fc.constantFrom(...parsers), (given, parse) => {
      let read: unknown
      try {
        read = parse(given)
      } catch (error) {
        expect(error).toBeInstanceOf(DeviceStoreError)
        expect((error as DeviceStoreError).faults.length).toBeGreaterThan(0)
        return
      }
      expect(parse(JSON.parse(JSON.stringify(read)))).toEqual(read)
    }),
    { numRuns: 1000 },
  )
})

test.for([
  ['iOS', { platform: 'ios', osVersion: '' }],
  ['ios 7.1.2', { platform: 'ios', osVersion: '7.1.2' }],
  ['iPhone OS 6.0', { platform: 'ios', osVersion: '6.0' }],
  ['Mac OS X 10.9', { platform: 'macos', osVersion: '10.9' }],
  ['Android', { platform: 'android', osVersion: '' }],
  ['7.1', { osVersion: '7.1' }],
  [' ', { osVersion: '' }],
  ['constructor', { osVersion: 'constructor' }],
  ['Symbian 9', { osVersion: 'Symbian 9' }],
] as const)('the old OSVersion %j is told apart', ([text, expected]) => {
  expect(splitOsVersion(text)).toEqual(expected)
})
