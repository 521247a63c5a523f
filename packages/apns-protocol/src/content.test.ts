import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { START, told, UPDATE } from '../test/content-check.ts'
import { checkContent, type Interface } from './content.ts'
import { PUSH_TYPES } from './push-type.ts'

const ALERT = { aps: { alert: 'Hi' } }
const SILENT = { aps: { 'content-available': 1 } }

test.for([
  { pushType: 'alert', payload: ALERT },
  { pushType: 'background', payload: SILENT, priority: 5 },
  { pushType: 'voip', payload: { call: 1 }, expiration: 0 },
  { pushType: 'complication', payload: { aps: {} } },
  { pushType: 'fileprovider', payload: { 'container-identifier': 'NSFile', domain: 'd' } },
  { pushType: 'mdm', payload: { mdm: 'magic' } },
  { pushType: 'location', payload: {} },
  { pushType: 'liveactivity', payload: { aps: START } },
  { pushType: 'pushtotalk', payload: { aps: {} }, expiration: 0 },
  { pushType: 'widgets', payload: { aps: { 'content-changed': true } } },
  { pushType: 'controls', payload: { aps: { 'content-changed': true } } },
])('a sound content of type $pushType', (content) => {
  expect(told(content)).toEqual([])
  expect(Object.keys(PUSH_TYPES)).toHaveLength(11)
  const gateway = content.pushType === 'alert' || content.pushType === 'background'
  expect(told(content, 'gateway')).toEqual(gateway ? [] : ['E gateway-cannot /pushType'])
})

test.for<{ rule: string; content: unknown; expected: string[]; over?: Interface; badge?: boolean }>([
  { rule: 'no content', content: undefined, expected: ['E invalid '] },
  { rule: 'an array', content: [], expected: ['E invalid '] },
  { rule: 'no payload', content: {}, expected: ['E invalid /payload'] },
  { rule: 'a payload as text', content: { payload: '{}' }, expected: ['E invalid /payload'] },
  { rule: 'aps as text', content: { payload: { aps: 'Hi' } }, expected: ['E invalid /payload/aps'] },
  { rule: 'aps as null', content: { payload: { aps: null } }, expected: ['E invalid /payload/aps'] },
  { rule: 'aps as an array', content: { payload: { aps: [] } }, expected: ['E invalid /payload/aps'] },
  { rule: 'an alert without aps', content: { payload: { a: 1 } }, expected: ['E invalid /payload/aps'] },
  { rule: 'an alert without aps, with badges to come', content: { payload: { a: 1 } }, badge: true, expected: [] },
  { rule: 'an alert that shows nothing', content: { payload: { aps: {} } }, expected: ['W /payload/aps'] },
  { rule: 'one that shows badges to come', content: { payload: { aps: {} } }, badge: true, expected: [] },
  { rule: 'a misspelt key', content: { payload: ALERT, collapseID: 'a' }, expected: ['W /collapseID'] },
  { rule: 'an unknown type', content: { payload: ALERT, pushType: 'toString' }, expected: ['E invalid /pushType'] },
  { rule: 'priority 7', content: { payload: ALERT, priority: 7 }, expected: ['E invalid /priority'] },
  { rule: 'priority "10"', content: { payload: ALERT, priority: '10' }, expected: ['E invalid /priority'] },
  { rule: 'priority 1 for an alert', content: { payload: ALERT, priority: 1 }, expected: ['W /priority'] },
  {
    rule: 'priority 1 to a gateway',
    content: { payload: ALERT, priority: 1 },
    over: 'gateway',
    expected: ['E gateway-cannot /priority'],
  },
  {
    rule: 'priority 10 in the background',
    content: { payload: SILENT, pushType: 'background', priority: 10 },
    expected: ['E invalid /priority'],
  },
  {
    rule: 'a silent alert to a gateway',
    content: { payload: SILENT },
    over: 'gateway',
    expected: ['E invalid /priority', 'W /payload/aps'],
  },
  {
    rule: 'the same with priority 5',
    content: { payload: SILENT, priority: 5 },
    over: 'gateway',
    expected: ['W /payload/aps'],
  },
  { rule: 'the same with badges', content: { payload: SILENT }, over: 'gateway', badge: true, expected: [] },
  {
    rule: 'a background push that shows something',
    content: { pushType: 'background', payload: { aps: { 'content-available': 1, badge: 1, sound: 'a' } } },
    expected: ['E invalid /payload/aps/badge', 'E invalid /payload/aps/sound'],
  },
  {
    rule: 'a background push that wakes nothing',
    content: { pushType: 'background', payload: {} },
    expected: ['E invalid /payload/aps/content-available'],
  },
  {
    rule: 'a background push with badges',
    content: { pushType: 'background', payload: SILENT },
    badge: true,
    expected: ['E invalid /pushType'],
  },
  {
    rule: 'a Live Activity without its keys',
    content: { pushType: 'liveactivity', payload: {} },
    expected: [
      'E invalid /payload/aps/timestamp',
      'E invalid /payload/aps/event',
      'E invalid /payload/aps/content-state',
    ],
  },
  {
    rule: 'a widget that does not change',
    content: { pushType: 'widgets', payload: { aps: { 'content-changed': 1 } } },
    expected: ['E invalid /payload/aps/content-changed'],
  },
  { rule: 'no magic', content: { pushType: 'mdm', payload: {} }, expected: ['W /payload/mdm'] },
  {
    rule: 'an alert key in a voip push',
    content: { pushType: 'voip', payload: ALERT, expiration: 0 },
    expected: ['W /payload/aps/alert'],
  },
  { rule: 'an expiration below 0', content: { payload: ALERT, expiration: -1 }, expected: ['E invalid /expiration'] },
  {
    rule: 'milliseconds',
    content: { payload: ALERT, expiration: 1_700_000_000_000 },
    expected: ['E invalid /expiration'],
  },
  { rule: 'half a second', content: { payload: ALERT, expiration: 0.5 }, expected: ['E invalid /expiration'] },
  { rule: 'a duration', content: { payload: ALERT, expiration: 86_400 }, expected: ['W /expiration'] },
  { rule: 'the last second', content: { payload: ALERT, expiration: 2 ** 32 - 1 }, expected: [] },
  {
    rule: 'talk that is stored',
    content: { pushType: 'pushtotalk', payload: {}, expiration: 1_700_000_000 },
    expected: ['W /expiration'],
  },
  {
    rule: 'a call that may be stored',
    content: { pushType: 'voip', payload: {} },
    expected: ['W /expiration'],
  },
  {
    rule: 'a call that has a few seconds',
    content: { pushType: 'voip', payload: {}, expiration: 1_700_000_000 },
    expected: [],
  },
  {
    rule: 'talk that may be stored, and may wait',
    content: { pushType: 'pushtotalk', payload: {}, priority: 5 },
    expected: ['W /priority', 'W /expiration'],
  },
  {
    rule: 'badges for a Live Activity',
    content: { pushType: 'liveactivity', payload: { aps: UPDATE } },
    badge: true,
    expected: ['W /pushType'],
  },
  { rule: '64 bytes of collapse id', content: { payload: ALERT, collapseId: 'é'.repeat(32) }, expected: [] },
  {
    rule: '65 bytes of collapse id',
    content: { payload: ALERT, collapseId: `${'é'.repeat(32)}a` },
    expected: ['E invalid /collapseId'],
  },
  { rule: 'an empty collapse id', content: { payload: ALERT, collapseId: '' }, expected: ['E invalid /collapseId'] },
  {
    rule: 'a line break in it',
    content: { payload: ALERT, collapseId: 'a\r\nb: c' },
    expected: ['E invalid /collapseId'],
  },
  {
    rule: 'a space at an end of it',
    content: { payload: ALERT, collapseId: 'a ' },
    expected: ['E invalid /collapseId'],
  },
  { rule: 'a space inside it', content: { payload: ALERT, collapseId: 'a b' }, expected: [] },
  {
    rule: 'half a character in it',
    content: { payload: ALERT, collapseId: '\ud83d' },
    expected: ['E invalid /collapseId'],
  },
  {
    rule: 'a collapse id to a gateway',
    content: { payload: ALERT, collapseId: 'a' },
    over: 'gateway',
    expected: ['E gateway-cannot /collapseId'],
  },
  {
    rule: 'absent ones as undefined',
    content: { payload: ALERT, pushType: undefined, priority: undefined, expiration: undefined, collapseId: undefined },
    expected: [],
  },
])('$rule', ({ content, expected, over = 'provider-api', badge = false }) => {
  expect(told(content, over, { badge })).toEqual(expected)
})

const TYPES = Object.keys(PUSH_TYPES)

test('each priority is taken, doubted or refused as Apple has it', () => {
  const rows = TYPES.map((pushType) => {
    const verdicts = [10, 5, 1].map((priority) => {
      const found = told({ pushType, priority, payload: {} }).find((line) => line.endsWith(' /priority'))
      return found?.charAt(0) ?? '+'
    })
    return [pushType, ...verdicts].join(' ')
  })
  expect(rows).toEqual([
    'alert + + W',
    'background E + E',
    'voip + + +',
    'complication + + +',
    'fileprovider + + +',
    'mdm + + +',
    'location + + W',
    'liveactivity + + W',
    'pushtotalk + W W',
    'widgets + + +',
    'controls + + +',
  ])
})

/** A payload of exactly `size` bytes. */
function ofSize(size: number): { aps: { alert: string } } {
  return { aps: { alert: 'x'.repeat(size - '{"aps":{"alert":""}}'.length) } }
}

test.for<readonly [Interface, string, number, boolean]>([
  ['gateway', 'alert', 2048, false],
  ['gateway', 'alert', 2048 - ',"badge":1234567890'.length, true],
  ...TYPES.map((type) => ['provider-api', type, type === 'voip' ? 5120 : 4096, false] as const),
  ['provider-api', 'alert', 4096 - ',"badge":1234567890'.length, true],
  ['provider-api', 'voip', 5120 - ',"badge":1234567890'.length, true],
])(
  'over the %s a payload of type %s may have %d bytes, and not one more (badges: %s)',
  ([over, pushType, size, badge]) => {
    const errors = (bytes: number): readonly unknown[] => {
      const found = checkContent({ pushType, payload: ofSize(bytes) }, over, { badge }).errors
      return found.filter(({ pointer }) => pointer === '/payload')
    }
    expect(errors(size)).toEqual([])
    expect(errors(size + 1)).toEqual([expect.objectContaining({ kind: 'too-large', pointer: '/payload' })])
  },
)

const circle: Record<string, unknown> = { aps: { alert: 'a' } }
circle['k'] = [circle]
let deep: unknown = 'end'
for (let depth = 0; depth < 100_000; depth++) deep = [deep]
let wide: unknown = 'end'
for (let depth = 0; depth < 100; depth++) wide = { a: wide, b: wide }
const hostile = new Proxy(
  {},
  {
    ownKeys() {
      throw new Error('no')
    },
  },
)

test.for([
  { what: 'a circle', payload: circle, at: '/payload/k/0' },
  { what: 'a circle in aps', payload: { aps: circle }, at: '/payload/aps/k/0' },
  { what: 'nesting 100,000 deep', payload: { k: deep }, at: `/payload/k${'/0'.repeat(255)}` },
  { what: '2^100 values that share their parts', payload: { k: wide }, at: '/payload' },
  {
    what: 'an array of 2^32 - 1 holes',
    payload: { k: Object.assign([], { length: 2 ** 32 - 1 }) },
    at: '/payload',
  },
  { what: 'undefined', payload: { aps: { alert: undefined } }, at: '/payload/aps/alert' },
  { what: 'a function', payload: { aps: { alert: () => 'a' } }, at: '/payload/aps/alert' },
  { what: 'a symbol', payload: { k: Symbol('a') }, at: '/payload/k' },
  { what: 'a bigint', payload: { k: 1n }, at: '/payload/k' },
  { what: 'NaN', payload: { k: NaN }, at: '/payload/k' },
  { what: 'Infinity', payload: { k: [[-Infinity]] }, at: '/payload/k/0/0' },
  { what: 'a Date', payload: { k: new Date(0) }, at: '/payload/k' },
  { what: 'a Map', payload: { k: new Map() }, at: '/payload/k' },
  { what: 'half a surrogate pair', payload: { aps: { alert: 'a\udc00' } }, at: '/payload/aps/alert' },
  { what: 'half of one in a key', payload: { '\ud800': 1 }, at: '/payload/\ud800' },
  { what: 'a form of its own', payload: { aps: {}, toJSON: () => 'a' }, at: '/payload/toJSON' },
  {
    what: 'an array with a form of its own',
    payload: { k: Object.assign([], { toJSON: () => 'a' }) },
    at: '/payload/k',
  },
  { what: 'a value under __proto__', payload: JSON.parse('{"__proto__":{"a":"\\ud800"}}'), at: '/payload/__proto__/a' },
  { what: 'a proxy that throws', payload: { k: hostile }, at: '' },
])('$what is an error at its place', ({ payload, at }) => {
  const { errors } = checkContent({ payload }, 'gateway')
  expect(errors).toContainEqual({ pointer: at, detail: expect.any(String), kind: 'invalid' })
  expect(errors.length).toBeLessThanOrEqual(10_001)
})

test('what JSON can carry under strange keys is no error', () => {
  const payload: unknown = JSON.parse('{"aps":{"alert":"a"},"__proto__":{"x":1},"constructor":null,"toJSON":1,"":[]}')
  expect(told({ payload })).toEqual([])
  expect(told({ payload: Object.assign(Object.create(null), ALERT) })).toEqual([])
})

test('whatever comes, over either interface, gives a verdict whose pointers are JSON pointers', () => {
  const anything = fc.anything({
    withBigInt: true,
    withDate: true,
    withMap: true,
    withNullPrototype: true,
    withSparseArray: true,
    key: fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('payload', 'aps', 'alert', 'badge', '__proto__')),
  })
  const content = fc.oneof(
    anything,
    fc.record({ payload: anything, pushType: fc.constantFrom(...Object.keys(PUSH_TYPES)), priority: anything }),
    fc.record({ payload: fc.record({ aps: anything, key: anything }), expiration: anything, collapseId: anything }),
    fc.record({ payload: fc.record({ aps: fc.record({ alert: anything, sound: anything, badge: anything }) }) }),
  )
  fc.assert(
    fc.property(content, fc.constantFrom<Interface>('gateway', 'provider-api'), fc.boolean(), (value, over, badge) => {
      const { errors, warnings } = checkContent(value, over, { badge })
      for (const { pointer } of [...errors, ...warnings]) expect(pointer).toMatch(/^(?:\/(?:[^~/]|~[01])*)*$/)
    }),
    { numRuns: 500 },
  )
})
