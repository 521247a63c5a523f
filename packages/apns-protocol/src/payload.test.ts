import { isDeepStrictEqual } from 'node:util'

import * as fc from 'fast-check'
import { expect, expectTypeOf, test } from 'vitest'

import { ProtocolError } from './errors.ts'
import { type AlertParts, makeAlert, MAX_BADGE, type Payload, renderPayload } from './payload.ts'

const text = (bytes: Uint8Array): string => new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)

test.for<{ rule: string; parts: AlertParts; alert: unknown }>([
  { rule: 'a body alone is the alert', parts: { body: 'Hi' }, alert: 'Hi' },
  { rule: 'a launch image alone is ignored', parts: { body: 'Hi', launchImage: 'a.png' }, alert: 'Hi' },
  { rule: 'nothing is the empty text', parts: {}, alert: '' },
  {
    rule: 'empty and null count as not given',
    parts: { body: 'Hi', actionLocKey: '', locKey: null, locArgs: [], launchImage: '' },
    alert: 'Hi',
  },
  {
    rule: 'an action key stands beside the body',
    parts: { body: 'Hi', actionLocKey: 'PLAY' },
    alert: { 'action-loc-key': 'PLAY', body: 'Hi' },
  },
  {
    rule: 'a loc key replaces the body, and without an action key there is one button',
    parts: { body: 'Hi', locKey: 'GREETING' },
    alert: { 'action-loc-key': null, 'loc-key': 'GREETING' },
  },
  {
    rule: 'loc args alone keep the body',
    parts: { body: 'Hi', locArgs: ['a'] },
    alert: { 'action-loc-key': null, 'loc-args': ['a'], body: 'Hi' },
  },
  {
    rule: 'an empty body is left out',
    parts: { body: '', actionLocKey: 'PLAY' },
    alert: { 'action-loc-key': 'PLAY' },
  },
  {
    rule: 'everything',
    parts: { body: 'Hi', actionLocKey: 'PLAY', locKey: 'GREETING', locArgs: ['a', 'b'], launchImage: 'a.png' },
    alert: { 'action-loc-key': 'PLAY', 'loc-key': 'GREETING', 'loc-args': ['a', 'b'], 'launch-image': 'a.png' },
  },
])('makeAlert: $rule', ({ parts, alert }) => {
  expect(makeAlert(parts)).toStrictEqual(alert)
})

test('an empty payload gets its badge too', () => {
  const { plain, beforeBadge, afterBadge } = renderPayload({})
  expect([plain, beforeBadge, afterBadge].map(text)).toEqual(['{}', '{"aps":{"badge":', '}}'])
})

test('the badge of the payload gives way to the one spliced in', () => {
  const { plain, beforeBadge, afterBadge } = renderPayload({
    link: '/a',
    aps: { badge: 7, alert: 'Zoë 猫 🐱' },
    n: null,
  })
  expect(text(plain)).toBe('{"link":"/a","aps":{"badge":7,"alert":"Zoë 猫 🐱"},"n":null}')
  expect(`${text(beforeBadge)}12${text(afterBadge)}`).toBe(
    '{"aps":{"badge":12,"alert":"Zoë 猫 🐱"},"link":"/a","n":null}',
  )
})

/** Objects as JSON.parse makes them, with keys that trip code up. */
const key = fc.oneof(fc.string(), fc.constantFrom('__proto__', 'constructor', 'badge', 'aps', 'toJSON', '1', ''))
const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.string({ unit: 'grapheme' }),
    fc.double({ noNaN: true, noDefaultInfinity: true }).filter((number) => !Object.is(number, -0)),
    fc.boolean(),
    fc.constant(null),
    fc.array(tie('value')),
    tie('object'),
  ),
  object: fc.array(fc.tuple(key, tie('value'))).map((entries): unknown => {
    const members = entries.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`)
    return JSON.parse(`{${members.join(',')}}`)
  }),
}))
const payload = fc.tuple(json.object, fc.option(json.object)).map(([custom, aps]): unknown => {
  const members = JSON.stringify(custom).slice(1, -1)
  if (aps === null) return JSON.parse(`{${members}${members === '' ? '' : ','}"aps":{}}`)
  return JSON.parse(`{${members}${members === '' ? '' : ','}"aps":${JSON.stringify(aps)}}`)
})

test('plain is the payload, and with a badge between its parts it is the payload with that badge', () => {
  fc.assert(
    fc.property(payload, fc.nat(MAX_BADGE), (value, badge) => {
      const { plain, beforeBadge, afterBadge } = Reflect.apply(renderPayload, undefined, [value])
      // isDeepStrictEqual, as it alone tells an own __proto__ from an inherited one.
      expect(isDeepStrictEqual(JSON.parse(text(plain)), value)).toBe(true)
      const badged = JSON.parse(JSON.stringify(value))
      badged.aps.badge = badge
      const spliced: unknown = JSON.parse(`${text(beforeBadge)}${badge}${text(afterBadge)}`)
      expect(isDeepStrictEqual(spliced, badged)).toBe(true)
    }),
  )
})

const circle: Record<string, unknown> = {}
circle['again'] = { circle }

test.for([
  { what: 'null', value: null, where: 'no JSON object' },
  { what: 'a string', value: '{}', where: 'no JSON object' },
  { what: 'an array', value: [], where: 'no JSON object' },
  { what: 'a Date', value: new Date(0), where: 'no JSON object' },
  { what: 'aps that is text', value: { aps: 'hi' }, where: '"aps"' },
  { what: 'aps that is null', value: { aps: null }, where: '"aps"' },
  { what: 'aps that is an array', value: { aps: [] }, where: '"aps"' },
  { what: 'undefined inside', value: { aps: { alert: undefined } }, where: '"/aps/alert"' },
  { what: 'NaN inside', value: { k: [1, NaN] }, where: '"/k/1"' },
  { what: 'a function inside', value: { toJSON: () => ({}) }, where: '"/toJSON"' },
  { what: 'a bigint inside', value: { k: 1n }, where: '"/k"' },
  { what: 'a Map inside', value: { k: new Map() }, where: '"/k"' },
  { what: 'half a surrogate pair', value: { 'a/b': '\ud83d' }, where: '"/a~1b"' },
  { what: 'a circle', value: circle, where: '"/again/circle"' },
])('renderPayload refuses $what', ({ value, where }) => {
  let refusal: unknown
  try {
    Reflect.apply(renderPayload, undefined, [value])
  } catch (error) {
    refusal = error
  }
  expect(refusal).toBeInstanceOf(ProtocolError)
  expect(refusal).toMatchObject({ code: 'invalid-payload', message: expect.stringContaining(where) })
})

test('the type of a payload takes Apple’s keys and any of the app’s own', () => {
  expectTypeOf<{
    aps: { alert: { title: 'a'; 'loc-args': ['b'] }; sound: { name: 'c'; critical: 1; volume: 0.5 }; badge: 1 }
    link: string
    list: (number | { deep: null })[]
  }>().toExtend<Payload>()
  expectTypeOf<{ aps: { 'interruption-level': 'time-sensitive'; 'content-available': 1 } }>().toExtend<Payload>()
  expectTypeOf<{ aps: { badge: '1' } }>().not.toExtend<Payload>()
  expectTypeOf<{ aps: { 'interruption-level': 'loud' } }>().not.toExtend<Payload>()
  expectTypeOf<{ when: Date }>().not.toExtend<Payload>()
  expectTypeOf<{ aps: 'text' }>().not.toExtend<Payload>()
})
