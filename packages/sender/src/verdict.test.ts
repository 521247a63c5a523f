import { ERROR_STATUSES } from '@lhspn/apns-protocol'
import { expect, test } from 'vitest'

import { reasonOfStatus } from './outcome.ts'
import { gatewayVerdict, isAboutService, providerVerdict, type ProviderVerdict } from './verdict.ts'

const LIMIT = 3

test.for([
  { status: 0, verdicts: ['unknown', 'unknown', 'unknown'] },
  { status: 1, verdicts: ['again', 'again', 'rejected'] },
  { status: 2, verdicts: ['rejected', 'rejected', 'rejected'] },
  { status: 3, verdicts: ['stop', 'stop', 'stop'] },
  { status: 4, verdicts: ['rejected', 'rejected', 'rejected'] },
  { status: 5, verdicts: ['rejected', 'rejected', 'rejected'] },
  { status: 6, verdicts: ['stop', 'stop', 'stop'] },
  { status: 7, verdicts: ['rejected', 'rejected', 'rejected'] },
  { status: 8, verdicts: ['rejected', 'rejected', 'rejected'] },
  { status: 10, verdicts: ['accepted', 'accepted', 'accepted'] },
  { status: 99, verdicts: ['again', 'rejected', 'rejected'] },
  { status: 128, verdicts: ['unknown', 'unknown', 'unknown'] },
  { status: 255, verdicts: ['again', 'rejected', 'rejected'] },
])('status $status at the first, second and third of three attempts: $verdicts', ({ status, verdicts }) => {
  expect([1, 2, 3].map((attempts) => gatewayVerdict(status, attempts, LIMIT))).toEqual(verdicts)
})

test('every status of Apple has a verdict here, and the table above has every one', () => {
  const statuses = Array.from({ length: 256 }, (_, status) => status)
  const named = statuses.filter((status) => status in ERROR_STATUSES)
  expect(named).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 128, 255])
})

test('what goes again comes to an end, whatever the status', () => {
  for (let status = 0; status < 256; status++) {
    for (const limit of [1, 2, 100]) expect(gatewayVerdict(status, limit, limit)).not.toBe('again')
  }
})

test('the service is to blame for its own faults and for what nobody knows', () => {
  const blamed = Array.from({ length: 256 }, (_, status) => status).filter(isAboutService)
  expect(blamed.filter((status) => status in ERROR_STATUSES)).toEqual([0, 1, 10, 128, 255])
  expect(blamed).toContain(99)
})

test('a status that Apple never named is called unknown', () => {
  expect([1, 8, 10, 99, 255].map(reasonOfStatus)).toEqual([
    'ProcessingError',
    'InvalidToken',
    'Shutdown',
    'Unknown',
    'Unknown',
  ])
})

test.for<[status: number, reason: string | undefined, verdict: ProviderVerdict]>([
  [400, 'BadDeviceToken', 'rejected'],
  [400, 'DeviceTokenNotForTopic', 'rejected'],
  [400, 'PayloadEmpty', 'rejected'],
  [413, 'PayloadTooLarge', 'rejected'],
  [400, 'NeverHeardOf', 'rejected'],
  [404, undefined, 'rejected'],
  [410, 'Unregistered', 'unregistered'],
  [410, 'ExpiredToken', 'unregistered'],
  [410, undefined, 'unregistered'],
  [429, 'TooManyRequests', 'wait'],
  [429, 'TooManyProviderTokenUpdates', 'wait'],
  [429, undefined, 'wait'],
  [400, 'IdleTimeout', 'wait'],
  [500, 'InternalServerError', 'unavailable'],
  [503, 'Shutdown', 'unavailable'],
  [502, undefined, 'unavailable'],
  [302, undefined, 'unavailable'],
  [403, 'ExpiredProviderToken', 'renew'],
  [403, 'UnrelatedKeyIdInToken', 'reconnect'],
  [403, 'InvalidProviderToken', 'stop'],
  [403, 'BadEnvironmentKeyIdInToken', 'stop'],
  [403, undefined, 'stop'],
  [400, 'TopicDisallowed', 'stop'],
  [400, '__proto__', 'rejected'],
])('provider API, %i %s: %s', ([status, reason, verdict]) => {
  expect(providerVerdict(status, reason)).toBe(verdict)
})
