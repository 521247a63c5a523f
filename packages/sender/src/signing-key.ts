import { createPrivateKey, type KeyObject } from 'node:crypto'

import { SenderError } from './errors.ts'

/** The key that signs provider tokens, with the names under which Apple knows it. */
export interface SigningKey {
  /** Ten capital letters and digits; Apple puts them into the file's name: `AuthKey_<key id>.p8`. */
  readonly keyId: string
  /** The developer team that the key belongs to, ten capital letters and digits. */
  readonly teamId: string
  /** PEM (PKCS #8), not encrypted. Secret. */
  readonly key: string
}

const PRIVATE_KEY = /-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----[\s\S]+?-----END (?:[A-Z]+ )*PRIVATE KEY-----/
const ID = /^[A-Z\d]{10}$/
/** What people give instead, and what is wrong with it. */
const MISTAKEN: readonly (readonly [sign: RegExp, what: string, remedy: string])[] = [
  [/^\s*$/, 'It is empty', 'Give the content of the .p8 file.'],
  [/\bENCRYPTED\b/, 'It is encrypted', 'Decrypt it: openssl pkcs8 -topk8 -nocrypt.'],
  [/BEGIN (?:EC |RSA )?PRIVATE KEY/, 'It is damaged', 'Give the .p8 file as Apple gave it, with its line ends.'],
  [/BEGIN CERTIFICATE/, 'It is a certificate', 'Open it with openCertificate, or give the .p8 file instead.'],
  [/BEGIN PUBLIC KEY/, 'It is a public key', 'Give the private key: the .p8 file.'],
  [/^[^\n]*\.p8\s*$/, 'It is the name of a file', 'Give the content of the .p8 file.'],
]

/**
 * Takes the content of the .p8 file that Apple gives out once for a key, and checks it with its two ids.
 * @throws SenderError `invalid-credentials`: no private key of the curve P-256, no ids, or both the same
 */
export function openSigningKey(
  pem: string | Uint8Array,
  { keyId, teamId }: { readonly keyId: string; readonly teamId: string },
): SigningKey {
  checkId(keyId, 'key id', "It stands in the file's name: AuthKey_<key id>.p8.")
  checkId(teamId, 'team id', 'It stands in the membership details of the developer account.')
  if (keyId === teamId) {
    throw invalid(`Key id and team id are both ${keyId}`, 'They name two things: give to each its own.')
  }
  const key = readSigningKey(typeof pem === 'string' ? pem : new TextDecoder('latin1').decode(pem))
  return { keyId, teamId, key: key.export({ type: 'pkcs8', format: 'pem' }) as string }
}

/** The key out of a PEM text. @throws SenderError `invalid-credentials` */
export function readSigningKey(pem: string): KeyObject {
  const key = readPrivateKey(pem)
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key
  if (type !== 'ec' || details?.namedCurve !== 'prime256v1') {
    const kind = type === 'ec' ? `of the curve ${details?.namedCurve}` : `of the type ${type}`
    throw invalid(
      `The signing key is ${kind}, not of P-256`,
      'Give the .p8 file that Apple made for push notifications.',
    )
  }
  return key
}

function readPrivateKey(pem: string): KeyObject {
  const text = PRIVATE_KEY.exec(pem)?.[0]
  try {
    if (text !== undefined) return createPrivateKey(text)
  } catch (cause) {
    throw unreadable(pem, cause)
  }
  throw unreadable(pem)
}

/** Never repeats the text: it may hold the key. */
function unreadable(pem: string, cause?: unknown): SenderError {
  const [, what, remedy] = MISTAKEN.find(([sign]) => sign.test(pem)) ?? [
    undefined,
    'It is no PEM',
    'Give the content of the .p8 file, its first and last line included.',
  ]
  return invalid(`The signing key cannot be read. ${what}`, remedy, cause)
}

function checkId(id: string, what: string, where: string): void {
  if (ID.test(id)) return
  throw invalid(`The ${what} ${JSON.stringify(id)} is not ten capital letters and digits`, where)
}

function invalid(message: string, remedy: string, cause?: unknown): SenderError {
  return new SenderError('invalid-credentials', message, remedy, { cause })
}
