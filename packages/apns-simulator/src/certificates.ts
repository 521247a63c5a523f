import { generateKeyPair, randomBytes } from 'node:crypto'
import { promisify } from 'node:util'

import forge from 'node-forge'

import { writePkcs12, type Pkcs12Kind } from './pkcs12.ts'

/** The certificates of one simulated Apple. All keys are RSA with 2048 bits; nothing is written to disk. */
export interface Certificates {
  /** PEM of the authority that signed the two others: what a client has to trust. */
  readonly ca: string
  /** PEM of the provider's certificate followed by its key, as one text: what a client has to present. */
  readonly client: string
  /** PEM of the server's certificate, valid for `localhost`, `127.0.0.1` and `::1`, and of its key. */
  readonly server: { readonly cert: string; readonly key: string }
  /** The client certificate and its key as PKCS #12: `modern` with AES-256 and SHA-256, `legacy` with RC2, 3DES and SHA-1 as Keychain Access exported them for years. */
  p12(passphrase: string, kind: Pkcs12Kind): Uint8Array
}

/** What may differ from one simulated Apple to the next. */
export interface CertificatesOptions {
  /** The bundle id that the client certificate is made for. Default `com.example.app`. */
  readonly topic?: string
  /** When the client certificate expires; a moment in the past makes one that the simulator refuses. Default in 397 days. */
  readonly clientExpiresAt?: Date
}

/**
 * Makes a certificate authority, a server certificate and a client certificate (three RSA keys: a few tenths of a second).
 * A client certificate made by another call is one that a simulator does not trust.
 */
export async function createCertificates(options: CertificatesOptions = {}): Promise<Certificates> {
  const topic = options.topic ?? 'com.example.app'
  const clientExpiresAt = options.clientExpiresAt ?? daysFromNow(397)
  const [authorityKey, serverKey, clientKey] = await Promise.all([createKey(), createKey(), createKey()])
  const authority = { subject: named('LHSPN simulated certification authority'), key: authorityKey }
  const ca = issue(authority, authority, daysFromNow(3650), [
    { name: 'basicConstraints', critical: true, cA: true },
    { name: 'keyUsage', critical: true, keyCertSign: true, cRLSign: true },
    { name: 'subjectKeyIdentifier' },
  ])
  const server = issue({ subject: named('LHSPN simulated gateway'), key: serverKey }, authority, daysFromNow(397), [
    { name: 'basicConstraints', critical: true, cA: false },
    { name: 'keyUsage', critical: true, digitalSignature: true, keyEncipherment: true },
    { name: 'extKeyUsage', serverAuth: true },
    {
      name: 'subjectAltName',
      altNames: [{ type: 2, value: 'localhost' }, ...ADDRESSES.map((ip) => ({ type: 7, ip }))],
    },
    { name: 'subjectKeyIdentifier' },
    { name: 'authorityKeyIdentifier', keyIdentifier: keyIdentifier(authority) },
  ])
  const client = issue({ subject: ofProvider(topic), key: clientKey }, authority, clientExpiresAt, [
    { name: 'basicConstraints', critical: true, cA: false },
    { name: 'keyUsage', critical: true, digitalSignature: true },
    { name: 'extKeyUsage', clientAuth: true },
    ...APPLE_PUSH_ENVIRONMENTS.map((id) => ({ id, critical: false, value: DER_NULL })),
    { name: 'subjectKeyIdentifier' },
    { name: 'authorityKeyIdentifier', keyIdentifier: keyIdentifier(authority) },
  ])
  const clientKeyPem = forge.pki.privateKeyInfoToPem(keyInfo(clientKey))
  return {
    ca: forge.pki.certificateToPem(ca),
    client: forge.pki.certificateToPem(client) + clientKeyPem,
    server: { cert: forge.pki.certificateToPem(server), key: forge.pki.privateKeyInfoToPem(keyInfo(serverKey)) },
    p12: (passphrase, kind) =>
      writePkcs12(
        {
          certificate: forge.pki.certificateToAsn1(client),
          key: keyInfo(clientKey),
          name: `Apple Push Services: ${topic}`,
        },
        passphrase,
        kind,
      ),
  }
}

const ADDRESSES = ['127.0.0.1', '::1']
/** The extensions by which Apple marks a certificate as good for the sandbox (1) and for production (2): empty but for a NULL. */
const APPLE_PUSH_ENVIRONMENTS = ['1.2.840.113635.100.6.3.1', '1.2.840.113635.100.6.3.2']
const DER_NULL = '\x05\x00'
/** The attribute `UID`, in which Apple puts the bundle id. */
const USER_ID = '0.9.2342.19200300.100.1.1'
/** Clocks of two machines may differ; a certificate that begins an hour ago is valid on both. */
const BACKDATED_MS = 3_600_000

interface Holder {
  readonly subject: forge.pki.CertificateField[]
  readonly key: forge.pki.rsa.KeyPair
}

/** Made by Node: forge's own generator takes seconds. */
async function createKey(): Promise<forge.pki.rsa.KeyPair> {
  const { privateKey } = await promisify(generateKeyPair)('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs1', format: 'pem' },
  })
  const key = forge.pki.privateKeyFromPem(privateKey)
  return { privateKey: key, publicKey: forge.pki.setRsaPublicKey(key.n, key.e) }
}

function issue(
  holder: Holder,
  issuer: Holder,
  expiresAt: Date,
  extensions: readonly Readonly<Record<string, unknown>>[],
): forge.pki.Certificate {
  const certificate = forge.pki.createCertificate()
  certificate.publicKey = holder.key.publicKey
  // positive and short enough for every reader: a leading 01, then 15 random bytes
  certificate.serialNumber = `01${randomBytes(15).toString('hex')}`
  certificate.validity.notBefore = new Date(Math.min(Date.now(), expiresAt.getTime()) - BACKDATED_MS)
  certificate.validity.notAfter = expiresAt
  certificate.setSubject(holder.subject)
  certificate.setIssuer(issuer.subject)
  certificate.setExtensions([...extensions])
  certificate.sign(issuer.key.privateKey, forge.md.sha256.create())
  return certificate
}

function named(commonName: string): forge.pki.CertificateField[] {
  return [
    { name: 'commonName', value: commonName },
    { name: 'organizationName', value: 'LHSPN' },
  ]
}

function ofProvider(topic: string): forge.pki.CertificateField[] {
  return [
    { type: USER_ID, value: topic },
    { name: 'commonName', value: `Apple Push Services: ${topic}` },
    { name: 'organizationName', value: 'LHSPN' },
  ]
}

function keyIdentifier({ key }: Holder): string {
  return forge.pki.getPublicKeyFingerprint(key.publicKey, { type: 'RSAPublicKey' }).getBytes()
}

function keyInfo({ privateKey }: forge.pki.rsa.KeyPair): forge.asn1.Asn1 {
  return forge.pki.wrapRsaPrivateKey(forge.pki.privateKeyToAsn1(privateKey))
}

function daysFromNow(days: number): Date {
  return new Date(Date.now() + days * 86_400_000)
}
