import { expect, test } from 'vitest'

import { fromSocketError, type SenderErrorCode } from './errors.ts'

test.for<[string, SenderErrorCode]>([
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'untrusted-server'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'untrusted-server'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'untrusted-server'],
  ['CERT_HAS_EXPIRED', 'untrusted-server'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'untrusted-server'],
  ['ERR_SSL_SSLV3_ALERT_CERTIFICATE_REVOKED', 'credentials-refused'],
  ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'credentials-refused'],
  ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', 'credentials-refused'],
  ['ERR_SSL_WRONG_VERSION_NUMBER', 'unreachable'],
  ['ECONNREFUSED', 'unreachable'],
  ['ECONNRESET', 'unreachable'],
  ['ENOTFOUND', 'unreachable'],
  ['', 'unreachable'],
])('%s is %s', ([code, expected]) => {
  const cause = Object.assign(new Error('it failed'), { code })
  const error = fromSocketError(cause, 'gateway.example.com:2195')
  expect(error).toMatchObject({ name: 'SenderError', code: expected, cause })
  expect(error.message).toContain('gateway.example.com:2195')
  expect(error.remedy).toMatch(/\.$/)
})

test('several addresses that all failed say so by their code, for they have no message', () => {
  const cause = Object.assign(new AggregateError([], ''), { code: 'ECONNREFUSED' })
  expect(fromSocketError(cause, 'localhost:1').message).toContain('ECONNREFUSED')
})
