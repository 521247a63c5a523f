import { assert, jsonValue, property } from 'fast-check'
import { describe, expect, test } from 'vitest'

import { DispatcherError } from './errors.ts'
import { parsePushRequest, type ParsePushOptions } from './parse-push.ts'

const NOW = Date.parse('2026-05-01T12:00:00Z')
const LEAST = { app: 'com.example.app', audience: { all: true }, payload: { aps: { alert: 'Hi' } } }
const GATEWAY: Partial<ParsePushOptions> = { interfaceOf: () => 'gateway' }
const parse = (value: unknown, options: Partial<ParsePushOptions> = {}) =>
  parsePushRequest(value, { now: NOW, ...options })

function refused(value: unknown, options: Partial<ParsePushOptions> = {}) {
  try {
    parse(value, options)
  } catch (error) {
    const { code, faults } = error as DispatcherError
    return { code, pointers: faults.map(({ pointer }) => pointer) }
  }
  throw new Error('nothing was refused')
}

describe('defaults', () => {
  test('stand in the place of what was left out', () => {
    expect(parse(LEAST)).toEqual({
      app: 'com.example.app',
      environment: 'production',
      audience: { all: true },
      payload: { aps: { alert: 'Hi' } },
      pushType: 'alert',
      priority: 10,
      expiration: { afterMs: 86_400_000 },
      collapseId: null,
      badge: null,
      sendAt: null,
      rate: null,
      maxAudience: null,
      onUnconfirmed: 'report',
    })
  })

  test('are the same where null was given', () => {
    const nulls = { priority: null, collapseId: null, badge: null, sendAt: null, rate: null, maxAudience: null }
    expect(parse({ ...LEAST, ...nulls })).toEqual(parse(LEAST))
  })

  test('the priority of a background push is 5', () => {
    const value = { ...LEAST, pushType: 'background', payload: { aps: { 'content-available': 1 } } }
    expect(parse(value).priority).toBe(5)
  })

  test('the app is the one that the caller knows', () => {
    const { app: _, ...rest } = LEAST
    expect(parse(rest, { app: 'com.example.only' }).app).toBe('com.example.only')
    expect(refused(rest)).toEqual({ code: 'invalid-push', pointers: ['/app'] })
  })
})

test.for([
  ['24h', { afterMs: 86_400_000 }],
  ['90s', { afterMs: 90_000 }],
  [0, { at: 0 }],
  ['0', { at: 0 }],
  ['2026-05-02T00:00:00Z', { at: Date.parse('2026-05-02T00:00:00Z') }],
] as const)('the expiration %j is %j', ([expiration, due]) => {
  expect(parse({ ...LEAST, expiration }).expiration).toEqual(due)
})

test.for([
  ['2028-02-29T00:00:00Z', Date.UTC(2028, 1, 29)],
  ['2027-03-01T00:30:00+01:00', Date.UTC(2027, 1, 28, 23, 30)],
  ['2027-12-31T23:30:00-01:00', Date.UTC(2028, 0, 1, 0, 30)],
] as const)('%s is a time, as sendAt and as expiration', ([text, due]) => {
  expect(parse({ ...LEAST, sendAt: text }).sendAt).toBe(due)
  expect(parse({ ...LEAST, expiration: text }).expiration).toEqual({ at: due })
})

test('tokens come out as lowercase hex, each once', () => {
  const tokens = ['AB'.repeat(32), '<abab abab>', 'abababab']
  expect(parse({ ...LEAST, audience: { tokens } }).audience).toEqual({ tokens: ['ab'.repeat(32), 'abababab'] })
})

test('a stream of tokens is an audience', () => {
  const stream = (async function* () {
    yield ['ab']
  })()
  expect(parse({ ...LEAST, audience: { stream } }).audience).toEqual({ stream })
})

test.for([
  { wrong: 'no object', value: [], pointers: [''] },
  { wrong: 'a field that nobody knows', value: { ...LEAST, 'to/ken': 1 }, pointers: ['/to~1ken'] },
  { wrong: 'the environment', value: { ...LEAST, environment: 'dev' }, pointers: ['/environment'] },
  { wrong: 'no audience', value: { ...LEAST, audience: undefined }, pointers: ['/audience'] },
  { wrong: 'a token', value: { ...LEAST, audience: { tokens: ['ab', 'x'] } }, pointers: ['/audience/tokens/1'] },
  { wrong: 'a filter', value: { ...LEAST, audience: { filter: { all: [] } } }, pointers: ['/audience/filter/all'] },
  { wrong: 'no payload', value: { ...LEAST, payload: undefined }, pointers: ['/payload'] },
  { wrong: 'a badge', value: { ...LEAST, badge: -1 }, pointers: ['/badge'] },
  { wrong: 'a time that is over', value: { ...LEAST, sendAt: '2026-05-01T11:59:59Z' }, pointers: ['/sendAt'] },
  { wrong: 'a time without a zone', value: { ...LEAST, sendAt: '2026-06-01T12:00:00' }, pointers: ['/sendAt'] },
  { wrong: 'a day that no month has', value: { ...LEAST, sendAt: '2027-02-30T00:00:00Z' }, pointers: ['/sendAt'] },
  { wrong: 'a leap day of no leap year', value: { ...LEAST, sendAt: '2027-02-29T12:00:00Z' }, pointers: ['/sendAt'] },
  {
    wrong: 'an expiration on a day that no month has',
    value: { ...LEAST, expiration: '2027-04-31T00:00:00+01:00' },
    pointers: ['/expiration'],
  },
  {
    wrong: 'an expiration that is over',
    value: { ...LEAST, expiration: '2026-04-01T00:00:00Z' },
    pointers: ['/expiration'],
  },
  {
    wrong: 'an expiration before the push begins',
    value: { ...LEAST, sendAt: '2026-06-01T00:00:00Z', expiration: '2026-05-31T00:00:00Z' },
    pointers: ['/expiration'],
  },
  { wrong: 'an expiration as a number', value: { ...LEAST, expiration: 3600 }, pointers: ['/expiration'] },
  { wrong: 'a rate', value: { ...LEAST, rate: 0 }, pointers: ['/rate'] },
  { wrong: 'a limit', value: { ...LEAST, maxAudience: 1.5 }, pointers: ['/maxAudience'] },
  { wrong: 'a policy', value: { ...LEAST, onUnconfirmed: 'hope' }, pointers: ['/onUnconfirmed'] },
  { wrong: 'a push type', value: { ...LEAST, pushType: 'loud' }, pointers: ['/pushType'] },
  { wrong: 'a priority', value: { ...LEAST, priority: 7 }, pointers: ['/priority'] },
  {
    wrong: 'several things, all told at once',
    value: { ...LEAST, environment: 'dev', rate: 'fast', payload: { aps: { badge: -1 } } },
    pointers: ['/environment', '/rate', '/payload/aps/badge'],
  },
])('refused: $wrong', ({ value, pointers }) => {
  expect(refused(value)).toEqual({ code: 'invalid-push', pointers })
})

test.for([
  { what: 'a collapse id', value: { ...LEAST, collapseId: 'sale' }, pointers: ['/collapseId'] },
  { what: 'priority 1', value: { ...LEAST, priority: 1 }, pointers: ['/priority'] },
  { what: 'another push type', value: { ...LEAST, pushType: 'voip' }, pointers: ['/pushType'] },
  {
    what: 'more than 2048 bytes',
    value: { ...LEAST, payload: { aps: { alert: 'x'.repeat(3000) } } },
    pointers: ['/payload'],
  },
])('a gateway cannot carry $what', ({ value, pointers }) => {
  expect(parse(value).app).toBe(LEAST.app)
  expect(refused(value, GATEWAY)).toEqual({ code: 'gateway-cannot', pointers })
})

test('what no interface carries is not the fault of the gateway', () => {
  const value = { ...LEAST, collapseId: 'sale', payload: { aps: { alert: 'x'.repeat(5000) } } }
  expect(refused(value, GATEWAY).code).toBe('invalid-push')
})

test('any JSON is a push, or is refused with at least one fault', () => {
  assert(
    property(jsonValue(), (value) => {
      try {
        parse({ ...LEAST, ...(value as object) })
      } catch (error) {
        expect(error).toBeInstanceOf(DispatcherError)
        expect((error as DispatcherError).faults.length).toBeGreaterThan(0)
      }
    }),
  )
})
