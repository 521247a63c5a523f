import forge from 'node-forge'

/** How a PKCS #12 file is protected: `modern` as OpenSSL 3 writes it, `legacy` as Keychain Access did (RC2 and 3DES, which OpenSSL 3 reads with `-legacy` only). */
export type Pkcs12Kind = 'modern' | 'legacy'

/** What goes into the file; certificate and PKCS #8 key as ASN.1. */
export interface Pkcs12Contents {
  readonly certificate: forge.asn1.Asn1
  readonly key: forge.asn1.Asn1
  /** The friendly name of the entry. */
  readonly name: string
}

/** Writes certificate and key as PKCS #12 (RFC 7292). forge's own writer leaves the certificate in the clear, which no exporter does. */
export function writePkcs12(contents: Pkcs12Contents, passphrase: string, kind: Pkcs12Kind): Uint8Array {
  const { encryptCertificates, encryptKey, digest } = PROTECTIONS[kind]
  const attributes = entryAttributes(contents)
  const certificateBag = sequence(
    oid('certBag'),
    tagged(sequence(oid('x509Certificate'), tagged(octets(der(contents.certificate))))),
    attributes,
  )
  const keyBag = sequence(oid('pkcs8ShroudedKeyBag'), tagged(encryptKey(contents.key, passphrase)), attributes)
  const [algorithm, ciphertext] = encryptCertificates(sequence(certificateBag), passphrase)
  const safe = der(
    sequence(
      sequence(
        oid('encryptedData'),
        tagged(sequence(integer(0), sequence(oid('data'), algorithm, implicitOctets(ciphertext)))),
      ),
      sequence(oid('data'), tagged(octets(der(sequence(keyBag))))),
    ),
  )
  const file = sequence(integer(3), sequence(oid('data'), tagged(octets(safe))), seal(safe, passphrase, digest))
  return Uint8Array.from(Buffer.from(der(file), 'binary'))
}

/** Binary strings, a byte a character, are forge's way. */
type Bytes = string
type Encrypted = readonly [algorithm: forge.asn1.Asn1, ciphertext: Bytes]

/** The file is a fixture that lives in memory: few rounds keep tests quick. */
const ROUNDS = 2048

const PROTECTIONS = {
  modern: { encryptCertificates: encryptWithAes, encryptKey: encryptKeyWithAes, digest: 'sha256' },
  legacy: { encryptCertificates: encryptWithRc2, encryptKey: encryptKeyWith3Des, digest: 'sha1' },
} as const

/** PBES2 takes the passphrase as UTF-8, the older schemes as UTF-16, which forge sees to itself. */
function encryptKeyWithAes(key: forge.asn1.Asn1, passphrase: string): forge.asn1.Asn1 {
  return forge.pki.encryptPrivateKeyInfo(key, forge.util.encodeUtf8(passphrase), {
    algorithm: 'aes256',
    prfAlgorithm: 'sha256',
    count: ROUNDS,
    saltSize: 16,
  })
}

function encryptKeyWith3Des(key: forge.asn1.Asn1, passphrase: string): forge.asn1.Asn1 {
  return forge.pki.encryptPrivateKeyInfo(key, passphrase, { algorithm: '3des', count: ROUNDS })
}

/** forge encrypts any ASN.1 value by the name of a private key; the result is taken apart again. */
function encryptWithAes(safeContents: forge.asn1.Asn1, passphrase: string): Encrypted {
  const { value } = encryptKeyWithAes(safeContents, passphrase)
  const [algorithm, ciphertext] = typeof value === 'string' ? [] : value
  if (algorithm === undefined || typeof ciphertext?.value !== 'string') throw new TypeError('no encrypted value')
  return [algorithm, ciphertext.value]
}

/** pbeWithSHAAnd40BitRC2-CBC (RFC 7292, appendix C). */
function encryptWithRc2(safeContents: forge.asn1.Asn1, passphrase: string): Encrypted {
  const salt = forge.random.getBytesSync(8)
  const cipher = forge.rc2.createEncryptionCipher(deriveKey(passphrase, salt, FOR_KEY, 5, 'sha1'), 40)
  cipher.start(deriveKey(passphrase, salt, FOR_IV, 8, 'sha1'))
  cipher.update(forge.util.createBuffer(der(safeContents)))
  cipher.finish()
  return [sequence(oid('pbewithSHAAnd40BitRC2-CBC'), sequence(octets(salt), integer(ROUNDS))), cipher.output.getBytes()]
}

function seal(safe: Bytes, passphrase: string, digest: 'sha1' | 'sha256'): forge.asn1.Asn1 {
  const salt = forge.random.getBytesSync(8)
  const hmac = forge.hmac.create()
  const length = forge.md[digest].create().digestLength
  hmac.start(digest, deriveKey(passphrase, salt, FOR_MAC, length, digest))
  hmac.update(safe)
  return sequence(
    sequence(sequence(oid(digest), primitive(forge.asn1.Type.NULL, '')), octets(hmac.digest().getBytes())),
    octets(salt),
    integer(ROUNDS),
  )
}

const FOR_KEY = 1
const FOR_IV = 2
const FOR_MAC = 3

/** Key derivation of RFC 7292, appendix B. */
function deriveKey(
  passphrase: string,
  salt: Bytes,
  purpose: number,
  length: number,
  digest: 'sha1' | 'sha256',
): forge.util.ByteBuffer {
  return forge.pkcs12.generateKey(
    passphrase,
    forge.util.createBuffer(salt),
    purpose,
    ROUNDS,
    length,
    forge.md[digest].create(),
  )
}

/** Both bags carry them: the local key id is how a reader finds the key of a certificate. */
function entryAttributes({ certificate, name }: Pkcs12Contents): forge.asn1.Asn1 {
  const fingerprint = forge.md.sha1.create().update(der(certificate)).digest().getBytes()
  return set(
    sequence(oid('friendlyName'), set(primitive(forge.asn1.Type.BMPSTRING, name))),
    sequence(oid('localKeyId'), set(octets(fingerprint))),
  )
}

function der(value: forge.asn1.Asn1): Bytes {
  return forge.asn1.toDer(value).getBytes()
}

function sequence(...values: readonly forge.asn1.Asn1[]): forge.asn1.Asn1 {
  return forge.asn1.create(forge.asn1.Class.UNIVERSAL, forge.asn1.Type.SEQUENCE, true, [...values])
}

function set(...values: readonly forge.asn1.Asn1[]): forge.asn1.Asn1 {
  return forge.asn1.create(forge.asn1.Class.UNIVERSAL, forge.asn1.Type.SET, true, [...values])
}

function tagged(value: forge.asn1.Asn1): forge.asn1.Asn1 {
  return forge.asn1.create(forge.asn1.Class.CONTEXT_SPECIFIC, forge.asn1.Type.NONE, true, [value])
}

function implicitOctets(bytes: Bytes): forge.asn1.Asn1 {
  return forge.asn1.create(forge.asn1.Class.CONTEXT_SPECIFIC, forge.asn1.Type.NONE, false, bytes)
}

function octets(bytes: Bytes): forge.asn1.Asn1 {
  return primitive(forge.asn1.Type.OCTETSTRING, bytes)
}

function integer(value: number): forge.asn1.Asn1 {
  return primitive(forge.asn1.Type.INTEGER, forge.asn1.integerToDer(value).getBytes())
}

function oid(name: string): forge.asn1.Asn1 {
  const dotted = forge.pki.oids[name]
  if (dotted === undefined) throw new TypeError(`no such object identifier: ${name}`)
  return primitive(forge.asn1.Type.OID, forge.asn1.oidToDer(dotted).getBytes())
}

function primitive(type: forge.asn1.Type, bytes: Bytes): forge.asn1.Asn1 {
  return forge.asn1.create(forge.asn1.Class.UNIVERSAL, type, false, bytes)
}
