import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'

import { createCertificates } from '@lhspn/apns-simulator'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import type { SenderError } from './errors.ts'
import { openSigningKey } from './signing-key.ts'

const IDS = { keyId: 'ABC123DEFG', teamId: 'DEF123GHIJ' }
const own = generateKeyPairSync('ec', { namedCurve: 'P-256' })

const pemOf = (key: KeyObject, type: 'pkcs8' | 'sec1' = 'pkcs8'): string =>
  key.export({ type, format: 'pem' }) as string
const p8 = pemOf(own.privateKey)

function refusal(open: () => unknown): SenderError | undefined {
  try {
    open()
    return undefined
  } catch (error) {
    return error as SenderError
  }
}

describe('a .p8 file is opened', () => {
  test.for<{ form: string; given: string | Uint8Array }>([
    { form: 'as Apple gives it', given: p8 },
    { form: 'without its last line end', given: p8.trimEnd() },
    { form: 'as bytes', given: Buffer.from(p8) },
    { form: 'with the line ends of Windows and a byte order mark', given: `\u{feff}${p8.replaceAll('\n', '\r\n')}` },
    { form: 'the same with a byte order mark, as bytes', given: Buffer.from(`\u{feff}${p8}`) },
    { form: 'in the older format of OpenSSL', given: pemOf(own.privateKey, 'sec1') },
    { form: 'with text around it', given: `Key for com.example.app\n${p8}\nkeep it safe` },
  ])('$form', ({ given }) => {
    expect(openSigningKey(given, IDS)).toEqual({ ...IDS, key: p8 })
  })

  test('what it gives can be opened again', () => {
    const opened = openSigningKey(p8, IDS)
    expect(openSigningKey(opened.key, opened)).toEqual(opened)
    expect(createPublicKey(createPrivateKey(opened.key)).equals(own.publicKey)).toBe(true)
  })
})

describe('what is no signing key is refused with what to do', () => {
  const other = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  const encrypted = own.privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'secret' })
  const certificates = createCertificates()
  const body = p8.replace(/-----[^-]+-----/g, '').trim()

  test.for<{ given: string; pem: string; says: RegExp; remedy: RegExp }>([
    { given: 'nothing', pem: '\n', says: /empty/, remedy: /content/ },
    { given: 'the name of the file', pem: 'keys/AuthKey_ABC123DEFG.p8', says: /name of a file/, remedy: /content/ },
    { given: 'garbage', pem: 'hello', says: /no PEM/, remedy: /content/ },
    { given: 'the key without its first and last line', pem: body, says: /no PEM/, remedy: /first and last line/ },
    { given: 'line ends turned into text', pem: p8.replaceAll('\n', '\\n'), says: /damaged/, remedy: /line ends/ },
    { given: 'line ends turned into spaces', pem: p8.replaceAll('\n', ' '), says: /damaged/, remedy: /line ends/ },
    { given: 'a part', pem: p8.slice(0, 90), says: /damaged/, remedy: /as Apple gave it/ },
    { given: 'an encrypted key', pem: encrypted as string, says: /encrypted/, remedy: /openssl/ },
    {
      given: 'a public key',
      pem: own.publicKey.export({ type: 'spki', format: 'pem' }) as string,
      says: /public key/,
      remedy: /private key/,
    },
    { given: 'a key of another curve', pem: pemOf(other), says: /secp384r1/, remedy: /\.p8/ },
    { given: 'an RSA key', pem: pemOf(rsa), says: /type rsa/, remedy: /\.p8/ },
    {
      given: 'a key of another kind',
      pem: pemOf(generateKeyPairSync('ed25519').privateKey),
      says: /type ed25519/,
      remedy: /\.p8/,
    },
  ])('$given', ({ pem, says, remedy }) => {
    const error = refusal(() => openSigningKey(pem, IDS))
    expect(error).toMatchObject({ name: 'SenderError', code: 'invalid-credentials' })
    expect(error?.message).toMatch(says)
    expect(error?.remedy).toMatch(remedy)
    expect(`${error?.message}${error?.remedy}`).not.toContain(body.slice(0, 20))
  })

  test('a certificate, alone or with its key', async () => {
    const { ca, client } = await certificates
    expect(refusal(() => openSigningKey(ca, IDS))?.remedy).toContain('openCertificate')
    expect(refusal(() => openSigningKey(client, IDS))?.message).toContain('type rsa')
  })

  test.for([
    { what: 'a key id of nine', ids: { ...IDS, keyId: 'ABC123DEF' }, says: 'key id "ABC123DEF"' },
    { what: 'a key id in small letters', ids: { ...IDS, keyId: 'abc123defg' }, says: 'key id' },
    { what: 'a bundle id for the team', ids: { ...IDS, teamId: 'com.example.app' }, says: 'team id "com.example.app"' },
    { what: 'no team id', ids: { ...IDS, teamId: '' }, says: 'team id ""' },
    { what: 'the team id twice', ids: { keyId: IDS.teamId, teamId: IDS.teamId }, says: `both ${IDS.teamId}` },
  ])('$what', ({ ids, says }) => {
    const error = refusal(() => openSigningKey(p8, ids))
    expect(error).toMatchObject({ code: 'invalid-credentials' })
    expect(error?.message).toContain(says)
  })

  test('any bytes, and any change to the file, are opened or refused by code', () => {
    const whole = Buffer.from(p8)
    const changed = fc.tuple(fc.nat(whole.length - 1), fc.nat(255)).map(([at, byte]) => {
      const copy = Buffer.from(whole)
      copy[at] = byte
      return copy
    })
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), changed), (bytes) => {
        const error = refusal(() => openSigningKey(bytes, IDS))
        return error === undefined || error.code === 'invalid-credentials'
      }),
    )
  })
})
