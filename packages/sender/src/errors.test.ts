import { expect, test } from 'vitest'

import { fromSocketError, refusedByProxy, type SenderErrorCode } from './errors.ts'

test.for<[string, SenderErrorCode]>([
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'untrusted-server'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'untrusted-server'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'untrusted-server'],
  ['CERT_HAS_EXPIRED', 'untrusted-server'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'untrusted-server'],
  ['ERR_SSL_SSLV3_ALERT_CERTIFICATE_REVOKED', 'credentials-refused'],
  ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'credentials-refused'],
  ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', 'credentials-refused'],
  ['ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE', 'credentials-refused'],
  ['ERR_SSL_TLSV1_ALERT_DECRYPT_ERROR', 'credentials-refused'],
  ['ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL', 'unreachable'],
  ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'unreachable'],
  ['ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR', 'unreachable'],
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

test('what OpenSSL says is told by its reason, without its source lines', () => {
  const message = '80FE:error:0A00042E:SSL routines:ssl3_read_bytes:tlsv1 alert protocol version:rec_layer.c:1601:\n'
  const cause = Object.assign(new Error(message), {
    code: 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION',
    reason: 'tlsv1 alert protocol version',
  })
  expect(fromSocketError(cause, 'host:1').message).toBe('The connection to host:1 failed: tlsv1 alert protocol version')
})

test.for([
  [403, /Allow CONNECT/],
  [407, /user and password/],
  [502, /can reach the address/],
  [418, /takes CONNECT/],
] as const)('a proxy that answers %i has a remedy of its own', ([status, remedy]) => {
  const error = refusedByProxy('proxy:3128', 'api.example.com:443', status)
  expect(error).toMatchObject({
    code: 'unreachable',
    message: `The proxy proxy:3128 answered ${status} to CONNECT api.example.com:443`,
  })
  expect(error.remedy).toMatch(remedy)
})
