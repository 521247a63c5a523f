import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { createSecureContext, type SecureContext } from 'node:tls'

import { SenderError } from './errors.ts'
import { pemFromPkcs12 } from './pkcs12.ts'
import type { SigningKey } from './signing-key.ts'

/** A client certificate with its private key, as a gateway takes it. */
export interface Certificate {
  /** PEM: the certificate, then what the file had of its chain. */
  readonly certificate: string
  /** PEM, not encrypted. Secret. */
  readonly key: string
  /** The apps (bundle ids) that the certificate's subject names; empty if it names none. */
  readonly topics: readonly string[]
  readonly expiresAt: Date
}

const CERTIFICATES = /-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g
const PRIVATE_KEY = /-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----[\s\S]+?-----END (?:[A-Z]+ )*PRIVATE KEY-----/

/**
 * Reads a client certificate and its key from the bytes of a file: PEM with both, in any order, or PKCS #12 (.p12),
 * also with the old ciphers of the macOS keychain.
 * @param passphrase of the .p12, or of the key inside the PEM
 * @throws SenderError `invalid-credentials`: unreadable, a wrong passphrase, a part missing, or the key of another certificate
 */
export function openCertificate(bytes: Uint8Array, passphrase?: string): Certificate {
  const file = new TextDecoder('latin1').decode(bytes)
  const pem = file.includes('-----BEGIN ') ? file : pemFromPkcs12(bytes, passphrase)
  const key = readKey(pem, passphrase)
  const chain = readChain(pem)
  const leaf = chain.find((certificate) => certificate.checkPrivateKey(key))
  if (leaf === undefined) {
    throw invalid('The private key belongs to none of the certificates in the file', 'Export both together again.')
  }
  return {
    certificate: [leaf, ...chain.filter((certificate) => certificate !== leaf)].join(''),
    key: key.export({ type: 'pkcs8', format: 'pem' }) as string,
    topics: topicsOf(leaf),
    expiresAt: new Date(leaf.validTo),
  }
}

/** What a provider proves itself with: a certificate in the TLS handshake, or a signing key by the provider tokens it makes. */
export type Credentials = Certificate | SigningKey

export function isSigningKey(credentials: Credentials): credentials is SigningKey {
  return 'keyId' in credentials
}

/**
 * What TLS needs to show a certificate, if there is one, and to trust `ca` (PEM) instead of the system's CAs.
 * @throws SenderError `invalid-credentials`; `invalid-options`: the CA is none
 */
export function secureContextOf(credentials: Credentials, ca: string | undefined): SecureContext {
  // OpenSSL would read past what is no certificate, and then trust nobody.
  if (ca !== undefined && ca.search(CERTIFICATES) === -1) {
    throw new SenderError('invalid-options', 'ca holds no certificate', "Give a PEM file's content, not its name.")
  }
  const shown = isSigningKey(credentials) ? {} : { cert: credentials.certificate, key: credentials.key }
  try {
    return createSecureContext({ ...shown, ...(ca !== undefined && { ca }) })
  } catch (cause) {
    throw invalid(
      'OpenSSL takes neither the certificate, its key nor the CA as they are',
      'Open the certificate with openCertificate, and give the CA as PEM.',
      cause,
    )
  }
}

function readKey(pem: string, passphrase: string | undefined): KeyObject {
  const text = PRIVATE_KEY.exec(pem)?.[0]
  if (text === undefined)
    throw invalid('The file holds no private key', 'Export the certificate together with its key.')
  try {
    return createPrivateKey({ key: text, ...(passphrase !== undefined && { passphrase }) })
  } catch (cause) {
    const remedy = passphrase === undefined ? 'If it is encrypted, give its passphrase.' : 'Check the passphrase.'
    throw invalid('The private key cannot be read', remedy, cause)
  }
}

function readChain(pem: string): X509Certificate[] {
  const texts = pem.match(CERTIFICATES)
  if (texts === null) throw invalid('The file holds no certificate', 'Export the key together with its certificate.')
  try {
    return texts.map((text) => new X509Certificate(text))
  } catch (cause) {
    throw invalid('A certificate in the file cannot be read', 'Export it again.', cause)
  }
}

/** Apple names the app as the subject's user id, and behind a colon in its common name. */
function topicsOf(leaf: X509Certificate): string[] {
  const uid = /^UID=(.+)$/m.exec(leaf.subject)?.[1]
  const topic = uid ?? /^CN=Apple [^:]+: ?([\w.-]+)$/m.exec(leaf.subject)?.[1]
  return topic === undefined ? [] : [topic]
}

function invalid(message: string, remedy: string, cause?: unknown): SenderError {
  return new SenderError('invalid-credentials', message, remedy, { cause })
}
