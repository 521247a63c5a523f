import forge from 'node-forge'

import { SenderError } from './errors.ts'

/**
 * PKCS #12 → PEM: its private keys and certificates, one after the other. By node-forge, since OpenSSL 3 refuses the
 * ciphers (RC2, 3DES) that the macOS keychain exports with.
 * @throws SenderError `invalid-credentials`
 */
export function pemFromPkcs12(bytes: Uint8Array, passphrase = ''): string {
  const archive = read(bytes, passphrase)
  const bags = archive.safeContents.flatMap(({ safeBags }) => safeBags)
  return bags.map(pemOf).join('\n')
}

function read(bytes: Uint8Array, passphrase: string): forge.pkcs12.Pkcs12Pfx {
  let tree: forge.asn1.Asn1
  try {
    tree = forge.asn1.fromDer(forge.util.createBuffer(bytes as Uint8Array<ArrayBuffer>))
  } catch (cause) {
    throw new SenderError(
      'invalid-credentials',
      'The file is neither PEM nor PKCS #12',
      'Export certificate and key as .pem or .p12.',
      { cause },
    )
  }
  try {
    return forge.pkcs12.pkcs12FromAsn1(tree, passphrase)
  } catch (cause) {
    throw new SenderError(
      'invalid-credentials',
      'The .p12 cannot be opened',
      'Check its passphrase, or export it again.',
      {
        cause,
      },
    )
  }
}

/** Bags that forge has no type for, as those of elliptic curves, still carry their bytes. */
function pemOf(bag: forge.pkcs12.Bag): string {
  if (bag.key) return forge.pki.privateKeyToPem(bag.key)
  if (bag.cert) return forge.pki.certificateToPem(bag.cert)
  const body = forge.asn1.toDer(bag.asn1).getBytes()
  const type = bag.type === forge.pki.oids['certBag'] ? 'CERTIFICATE' : 'PRIVATE KEY'
  return forge.pem.encode({ type, body })
}
