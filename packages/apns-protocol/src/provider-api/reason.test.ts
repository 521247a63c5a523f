import { expect, test } from 'vitest'

import { aboutProviderAnswer, isProviderReason, PROVIDER_REASONS, type ProviderReasonFacts } from './reason.ts'

const REASONS: readonly (readonly [string, ProviderReasonFacts])[] = Object.entries(PROVIDER_REASONS)

test('the statuses of all reasons are those that Apple prints', () => {
  const byStatus = new Map<number, string[]>()
  for (const [reason, { status }] of REASONS) byStatus.set(status, [...(byStatus.get(status) ?? []), reason])
  expect(Object.fromEntries(byStatus)).toEqual({
    400: [
      'BadCollapseId',
      'BadDeviceToken',
      'BadExpirationDate',
      'BadMessageId',
      'BadPriority',
      'BadTopic',
      'DeviceTokenNotForTopic',
      'DuplicateHeaders',
      'IdleTimeout',
      'InvalidPushType',
      'MissingDeviceToken',
      'MissingTopic',
      'PayloadEmpty',
      'TopicDisallowed',
    ],
    403: [
      'BadCertificate',
      'BadCertificateEnvironment',
      'BadEnvironmentKeyIdInToken',
      'ExpiredProviderToken',
      'Forbidden',
      'InvalidProviderToken',
      'MissingProviderToken',
      'UnrelatedKeyIdInToken',
    ],
    404: ['BadPath'],
    405: ['MethodNotAllowed'],
    410: ['ExpiredToken', 'Unregistered'],
    413: ['PayloadTooLarge'],
    429: ['TooManyProviderTokenUpdates', 'TooManyRequests'],
    500: ['InternalServerError'],
    503: ['ServiceUnavailable', 'Shutdown'],
  })
})

test.for(REASONS)('%s tells its meaning and a remedy as sentences', ([reason, { meaning, remedy }]) => {
  expect(isProviderReason(reason)).toBe(true)
  for (const sentence of [meaning, remedy]) expect(sentence).toMatch(/^[A-Z].*\.$/)
})

test.for<[ProviderReasonFacts['about'], string]>([
  ['token', 'BadDeviceToken DeviceTokenNotForTopic MissingDeviceToken ExpiredToken Unregistered'],
  [
    'credentials',
    'TopicDisallowed BadCertificate BadCertificateEnvironment BadEnvironmentKeyIdInToken ExpiredProviderToken ' +
      'Forbidden InvalidProviderToken MissingProviderToken UnrelatedKeyIdInToken',
  ],
  [
    'service',
    'IdleTimeout TooManyProviderTokenUpdates TooManyRequests InternalServerError ServiceUnavailable Shutdown',
  ],
])('about %s are these', ([about, reasons]) => {
  expect(REASONS.filter(([, facts]) => facts.about === about).map(([reason]) => reason)).toEqual(reasons.split(' '))
})

test.for<[number, string | undefined, ProviderReasonFacts['about']]>([
  [400, 'BadDeviceToken', 'token'],
  [500, 'BadDeviceToken', 'token'],
  [400, 'NewReason', 'content'],
  [404, undefined, 'content'],
  [403, 'NewReason', 'credentials'],
  [410, undefined, 'token'],
  [429, 'NewReason', 'service'],
  [500, undefined, 'service'],
  [599, 'toString', 'service'],
  [302, undefined, 'service'],
])('%d with the reason %s is about %3$s', ([status, reason, about]) => {
  expect(aboutProviderAnswer(status, reason)).toBe(about)
})
