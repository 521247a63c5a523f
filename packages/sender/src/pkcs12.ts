import { createRequire } from 'node:module'

import type forgeModule from 'node-forge'

import { SenderError } from './errors.ts'

/** Loaded with the first .p12: it costs a process 10 MB and 20 ms, and most never need it. */
const loadForge = (): typeof forgeModule => createRequire(import.meta.url)('node-forge') as typeof forgeModule

/**
 * PKCS #12 → PEM: its private keys and certificates, one after the other. By node-forge, since OpenSSL 3 refuses the
 * ciphers (RC2, 3DES) that the macOS keychain exports with.
 * @throws SenderError `invalid-credentials`
 */
export function pemFromPkcs12(bytes: Uint8Array, passphrase = ''): string {
  const forge = loadForge()
  const { safeContents } = read(forge, bytes, passphrase)
  return safeContents.flatMap(({ safeBags }) => safeBags.map((bag) => pemOf(forge, bag))).join('\n')
}

function read(forge: typeof forgeModule, bytes: Uint8Array, passphrase: string): forgeModule.pkcs12.Pkcs12Pfx {
  let tree: forgeModule.asn1.Asn1
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
    const opened = readUtf8(forge, tree, passphrase)
    if (opened !== undefined) return opened
    throw new SenderError(
      'invalid-credentials',
      'The .p12 cannot be opened',
      'Check its passphrase, or export it again.',
      { cause },
    )
  }
}

/**
 * The seal of a file and the old ciphers take a passphrase as UTF-16, the new ones (PBES2, RFC 8018) as UTF-8; forge takes
 * one for all, as UTF-16. With letters beyond ASCII that differs: the seal is left out then, so that UTF-8 fits the rest.
 */
function readUtf8(
  forge: typeof forgeModule,
  tree: forgeModule.asn1.Asn1,
  passphrase: string,
): forgeModule.pkcs12.Pkcs12Pfx | undefined {
  const utf8 = forge.util.encodeUtf8(passphrase)
  if (utf8 === passphrase || typeof tree.value === 'string') return undefined
  try {
    return forge.pkcs12.pkcs12FromAsn1({ ...tree, value: tree.value.slice(0, 2) }, utf8)
  } catch {
    return undefined
  }
}

/** Bags that forge has no type for, as those of elliptic curves, still carry their bytes. */
function pemOf(forge: typeof forgeModule, bag: forgeModule.pkcs12.Bag): string {
  if (bag.key) return forge.pki.privateKeyToPem(bag.key)
  if (bag.cert) return forge.pki.certificateToPem(bag.cert)
  const body = forge.asn1.toDer(bag.asn1).getBytes()
  const type = bag.type === forge.pki.oids['certBag'] ? 'CERTIFICATE' : 'PRIVATE KEY'
  return forge.pem.encode({ type, body })
}
