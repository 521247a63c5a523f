/** What can go wrong with a Sender or a feedback service as a whole. Never renamed, never used for something else. */
export type SenderErrorCode =
  | 'invalid-options'
  | 'invalid-credentials'
  | 'credentials-refused'
  | 'untrusted-server'
  | 'unreachable'
  | 'unavailable'
  | 'feedback-cut'
  | 'closed'

/** A fault that is about the sender, not about one notification: that is an outcome. */
export class SenderError extends Error {
  override readonly name = 'SenderError'
  readonly code: SenderErrorCode
  /** What to do about it. */
  readonly remedy: string

  constructor(code: SenderErrorCode, message: string, remedy: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
    this.remedy = remedy
  }
}

/** Codes of OpenSSL's verification of the server's certificate that a wrong CA or a wrong name leads to. */
const UNTRUSTED = new Set([
  'CERT_HAS_EXPIRED',
  'CERT_NOT_YET_VALID',
  'CERT_REJECTED',
  'CERT_UNTRUSTED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'HOSTNAME_MISMATCH',
  'INVALID_CA',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
])

/** Turns a failure of a socket or of TLS towards `address` into ours; the one place that knows Node's and OpenSSL's codes. */
export function fromSocketError(error: Error & { code?: string; reason?: string }, address: string): SenderError {
  const code = error.code ?? ''
  if (UNTRUSTED.has(code)) {
    return new SenderError(
      'untrusted-server',
      `${address} showed a certificate that is not trusted: ${error.message}`,
      'Set the CA that signed it, or correct the host name.',
      { cause: error },
    )
  }
  if (/^ERR_SSL_.*ALERT/.test(code)) {
    return new SenderError(
      'credentials-refused',
      `${address} refused the client certificate with a TLS alert: ${error.reason ?? code}`,
      'Check that the certificate is valid, not revoked, and made for this app and environment.',
      { cause: error },
    )
  }
  return new SenderError(
    'unreachable',
    `The connection to ${address} failed: ${error.message || code}`,
    'Check the address, the network and the gateway.',
    { cause: error },
  )
}

/** The gateway answered that our certificate names no topic, or none that it takes. */
export function credentialsRefused(status: number): SenderError {
  return new SenderError(
    'credentials-refused',
    `The gateway refused the client certificate with status ${status}`,
    'Check that the certificate is a push certificate of this app.',
  )
}

/** The gateway took a connection and closed it again, twice, without a word. */
export function closedAtOnce(): SenderError {
  return new SenderError(
    'credentials-refused',
    'The gateway closes connections at once and gives no answer, as it does with a certificate of the other environment',
    'Check that the certificate belongs to this gateway: production or sandbox.',
  )
}

/** Connections came to nothing, and no failure of a socket says why. */
export function nothingReached(what: string): SenderError {
  return new SenderError('unreachable', what, 'Check the address, the network and the gateway.')
}
