import { expect, test } from 'vitest'

import { requestHeadersOf } from './request-headers.ts'

const target = { topic: 'com.example.app', authority: 'api.push.apple.com' }

test('they are those of the bytes that are sent, with the suffix of the push type', () => {
  const content = { payload: { call: 7 }, pushType: 'voip', expiration: 0, collapseId: 'Übung-1' } as const
  expect(requestHeadersOf(content, target, 'ababab…abab')).toEqual({
    ':method': 'POST',
    ':scheme': 'https',
    ':authority': 'api.push.apple.com',
    ':path': '/3/device/ababab…abab',
    'apns-topic': 'com.example.app.voip',
    'apns-push-type': 'voip',
    'apns-priority': '10',
    'apns-expiration': '0',
    'apns-collapse-id': 'Übung-1',
  })
})

test('without a token the path has none, and what is not given has no header', () => {
  const headers = requestHeadersOf({ payload: { aps: { alert: 'Hello' } } }, target)
  expect(headers).toMatchObject({ ':path': '/3/device/…', 'apns-push-type': 'alert', 'apns-priority': '10' })
  expect(Object.keys(headers)).not.toContain('apns-collapse-id')
})
