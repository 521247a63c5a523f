import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import { parseRequest } from './request-parser.ts'

const TOKEN = '740f4707bebcf74f9b7c25d48e3358945f6aa01da5ddb387462c7eaf61bb78ad'
const ID = '01234567-89ab-8cde-bf01-23456789abcd'

const WHOLE: Readonly<Record<string, string>> = {
  ':method': 'POST',
  ':scheme': 'https',
  ':authority': 'api.push.apple.com',
  ':path': `/3/device/${TOKEN}`,
  'apns-id': ID,
  'apns-topic': 'com.example.app.voip',
  'apns-push-type': 'voip',
  'apns-priority': '5',
  'apns-expiration': '1700000000',
  'apns-collapse-id': 'caf\u00c3\u00a9',
  authorization: 'bearer a.b.c',
}

test('a whole request is read', () => {
  expect(parseRequest(Object.entries(WHOLE))).toEqual({
    token: TOKEN,
    id: ID,
    topic: 'com.example.app.voip',
    pushType: 'voip',
    priority: 5,
    expiration: 1_700_000_000,
    collapseId: 'café',
    authorization: 'a.b.c',
    fault: undefined,
  })
})

test('so is the least that a request has', () => {
  const read = parseRequest([
    [':method', 'POST'],
    [':path', '/3/device/AABB'],
  ])
  expect(read).toEqual({ token: 'aabb' })
})

test.for<[string, string | undefined, string | undefined]>([
  [':method', 'GET', 'MethodNotAllowed'],
  [':path', undefined, 'BadPath'],
  [':path', '/', 'BadPath'],
  [':path', '/3/devices/aabb', 'BadPath'],
  [':path', '/4/broadcasts/apps/com.example.app', 'BadPath'],
  [':path', '/3/device', 'MissingDeviceToken'],
  [':path', '/3/device/', 'MissingDeviceToken'],
  [':path', '/3/device/xyz', 'BadDeviceToken'],
  [':path', '/3/device/aab', 'BadDeviceToken'],
  [':path', '/3/device/aa/bb', 'BadDeviceToken'],
  [':path', `/3/device/${'aa'.repeat(101)}`, 'BadDeviceToken'],
  [':path', `/3/device/${'aa'.repeat(100)}`, undefined],
  ['apns-id', '1', 'BadMessageId'],
  ['apns-id', ID.toUpperCase(), 'BadMessageId'],
  ['apns-expiration', '', 'BadExpirationDate'],
  ['apns-expiration', '-1', 'BadExpirationDate'],
  ['apns-expiration', '1e9', 'BadExpirationDate'],
  ['apns-expiration', '0', undefined],
  ['apns-priority', '7', 'BadPriority'],
  ['apns-priority', '10', undefined],
  ['apns-priority', '1', undefined],
  ['apns-push-type', 'Alert', 'InvalidPushType'],
  ['apns-push-type', 'toString', 'InvalidPushType'],
  ['apns-push-type', 'background', undefined],
  ['apns-collapse-id', 'a'.repeat(64), undefined],
  ['apns-collapse-id', 'a'.repeat(65), 'BadCollapseId'],
  ['apns-collapse-id', '', 'BadCollapseId'],
  ['apns-topic', '', 'BadTopic'],
  ['apns-topic', 'com.example.app ', 'BadTopic'],
  ['apns-topic', undefined, undefined],
  ['authorization', 'Basic abc', undefined],
])('%s: %s has the fault %s', ([name, value, fault]) => {
  const { [name]: _left, ...others } = WHOLE
  const read = parseRequest(Object.entries(value === undefined ? others : { ...others, [name]: value }))
  expect(read.fault).toBe(fault)
})

test('a push of type background with priority 10 has a fault', () => {
  const headers = { ...WHOLE, 'apns-push-type': 'background', 'apns-priority': '10' }
  expect(parseRequest(Object.entries(headers)).fault).toBe('BadPriority')
})

test.for(['apns-id', 'apns-topic', 'authorization', ':path'])('%s may not come twice', (name) => {
  const headers = [...Object.entries(WHOLE), [name, WHOLE[name]!] as const]
  expect(parseRequest(headers).fault).toBe('DuplicateHeaders')
})

test('a header that is not read may come twice', () => {
  const cookies = [['cookie', 'a=1'] as const, ['cookie', 'b=2'] as const]
  expect(parseRequest([...Object.entries(WHOLE), ...cookies]).fault).toBeUndefined()
})

test.for([
  ['bearer a.b.c', 'a.b.c'],
  ['Bearer  a.b.c', 'a.b.c'],
  ['bearer', ''],
  ['Basic abc', ''],
  ['a.b.c', ''],
])('authorization %j carries %j', ([value, expected]) => {
  expect(parseRequest([['authorization', value!]]).authorization).toBe(expected)
})

test('whatever comes is read', () => {
  const name = fc.oneof(fc.constantFrom(...Object.keys(WHOLE)), fc.string())
  const value = fc.oneof(fc.constantFrom(...Object.values(WHOLE)), fc.string({ unit: 'binary' }))
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value)), (headers) => {
      const { token = 'aa', priority = 10, expiration = 0 } = parseRequest(headers)
      expect(token).toMatch(/^(?:[0-9a-f]{2}){1,100}$/)
      expect([10, 5, 1]).toContain(priority)
      expect(Number.isSafeInteger(expiration)).toBe(true)
    }),
  )
})
