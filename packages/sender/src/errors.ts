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

/** Alerts about a client's certificate, or about its lack (TLS 1.2 calls that a handshake failure), as OpenSSL names them. */
const ABOUT_CERTIFICATE =
  /ALERT_(?:NO_CERTIFICATE|BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_\w+|UNKNOWN_CA|ACCESS_DENIED|DECRYPT_ERROR|HANDSHAKE_FAILURE)$/

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
  if (ABOUT_CERTIFICATE.test(code)) {
    return new SenderError(
      'credentials-refused',
      `${address} refused the client certificate, or that there is none, with a TLS alert: ${error.reason ?? code}`,
      'Check that the certificate is valid, not revoked, and made for this app and environment.',
      { cause: error },
    )
  }
  if (code.endsWith('ALERT_NO_APPLICATION_PROTOCOL')) return withoutHttp2(address, error)
  // OpenSSL has its own source lines in the message.
  const what = code.startsWith('ERR_SSL_') ? error.reason : error.message
  return new SenderError(
    'unreachable',
    `The connection to ${address} failed: ${what || code}`,
    'Check the address, the network and the server.',
    { cause: error },
  )
}

/** TLS came about, but not with HTTP/2 on top. */
export function withoutHttp2(address: string, cause?: Error): SenderError {
  return new SenderError(
    'unreachable',
    `${address} does not agree on HTTP/2 (ALPN "h2"): it is another server, or a proxy in between opens TLS`,
    'Check the address, and let proxies and firewalls pass TLS to it unopened.',
    { cause },
  )
}

const PROXY_REMEDIES: Readonly<Record<number, string>> = {
  403: 'Allow CONNECT to this host and port in the proxy.',
  405: 'Allow CONNECT in the proxy.',
  407: "Give a user and password that it takes in the proxy's address: http://user:password@host:port.",
  502: 'Check that the proxy can reach the address.',
  503: 'Check that the proxy can reach the address.',
  504: 'Check that the proxy can reach the address.',
}

/** A proxy did not open a tunnel. */
export function refusedByProxy(proxy: string, address: string, status: number): SenderError {
  return new SenderError(
    'unreachable',
    `The proxy ${proxy} answered ${status} to CONNECT ${address}`,
    PROXY_REMEDIES[status] ?? 'Check that it is an HTTP proxy that takes CONNECT.',
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
  return new SenderError('unreachable', what, 'Check the address, the network and the server.')
}
