import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { toUtf8 } from '../utf8.ts'
import { type ErrorBody, MAX_ERROR_BODY_BYTES, parseErrorBody, parseGoawayReason, renderErrorBody } from './response.ts'

/** Reads bytes that lie between others. */
function inside<T>(read: (bytes: Uint8Array, start: number, end: number) => T, bytes: Uint8Array): T {
  const around = new Uint8Array(bytes.length + 10).fill(0x7b)
  around.set(bytes, 4)
  return read(around, 4, 4 + bytes.length)
}

test.for<[string, ErrorBody]>([
  ['{"reason":"BadDeviceToken"}', { reason: 'BadDeviceToken' }],
  ['{"reason":"Unregistered","timestamp":1700000000123}', { reason: 'Unregistered', timestamp: 1_700_000_000_123 }],
  [' {"timestamp": 0, "more": [1], "reason": "NewReason"}\n', { reason: 'NewReason', timestamp: 0 }],
  ['{"reason":"Service Unavailable"}', { reason: 'ServiceUnavailable' }],
  ['{"reason":"Unregistered","timestamp":"1700000000123"}', { reason: 'Unregistered' }],
  ['{"reason":"Unregistered","timestamp":1.5}', { reason: 'Unregistered' }],
  ['{"reason":"Unregistered","timestamp":-1}', { reason: 'Unregistered' }],
  ['{"reason":"Unregistered","timestamp":8640000000000001}', { reason: 'Unregistered' }],
  ['{"reason":""}', {}],
  ['{"reason":"Bad\\u001b[31mToken"}', {}],
  [`{"reason":"${'a'.repeat(65)}"}`, {}],
  ['{"reason":42}', {}],
  ['{"__proto__":{"reason":"Bad"}}', {}],
  ['["reason"]', {}],
  ['null', {}],
  ['<html>', {}],
  ['{"reason":"BadDev', {}],
  ['', {}],
])('the body %s says %j', ([body, expected]) => {
  expect(inside(parseErrorBody, toUtf8(body))).toEqual(expected)
})

test(`a body of more than ${MAX_ERROR_BODY_BYTES} bytes is not read`, () => {
  const body = toUtf8('{"reason":"Shutdown"}'.padEnd(MAX_ERROR_BODY_BYTES + 1))
  expect(parseErrorBody(body, 0, MAX_ERROR_BODY_BYTES)).toEqual({ reason: 'Shutdown' })
  expect(parseErrorBody(body, 0, MAX_ERROR_BODY_BYTES + 1)).toEqual({})
})

test.for<[string, string | undefined]>([
  ['{"reason":"BadCertificateEnvironment"}', 'BadCertificateEnvironment'],
  ['Maximum active streams violated for this endpoint.', 'Maximum active streams violated for this endpoint.'],
  ['', undefined],
  ['\0\n', undefined],
  ['{"reason":7}', '{"reason":7}'],
  ['a\u001b[31m\tb\u00e9', 'a [31m b'],
  ['x'.repeat(5000), 'x'.repeat(100)],
])('a GOAWAY with %j tells %j', ([data, expected]) => {
  expect(inside(parseGoawayReason, toUtf8(data))).toBe(expected)
})

test('what is rendered is read again', () => {
  expect(inside(parseErrorBody, renderErrorBody('BadTopic'))).toEqual({ reason: 'BadTopic' })
  expect(inside(parseErrorBody, renderErrorBody('ExpiredToken', 5))).toEqual({ reason: 'ExpiredToken', timestamp: 5 })
  expect(renderErrorBody('BadTopic')).toEqual(toUtf8('{"reason":"BadTopic"}'))
})

test('any bytes give a bounded reason of letters, or none', () => {
  const json = fc.record({ reason: fc.anything(), timestamp: fc.anything() }, { requiredKeys: [] })
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 2000 }),
    json.map((body) => toUtf8(JSON.stringify(body, (_, value: unknown) => (typeof value === 'bigint' ? 0 : value)))),
  )
  fc.assert(
    fc.property(bytes, (data) => {
      const { reason = 'none', timestamp = 0, ...more } = inside(parseErrorBody, data)
      expect(reason).toMatch(/^[A-Za-z]{1,64}$/)
      expect(new Date(timestamp).getTime()).toBe(timestamp)
      expect(more).toEqual({})
      expect(inside(parseGoawayReason, data) ?? 'none').toMatch(/^[ -~]{1,100}$/)
    }),
  )
})
