import { execFileSync } from 'node:child_process'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { type Certificates, createCertificates } from '@lhspn/apns-simulator'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { openCertificate, secureContextOf } from './credentials.ts'
import type { SenderError } from './errors.ts'

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^]+?-----END CERTIFICATE-----\r?\n/
const KEY = /-----BEGIN PRIVATE KEY-----[^]+?-----END PRIVATE KEY-----\r?\n/
/** Any version from 3 on. */
const OPENSSL = 'openssl'
const ODD = 'pässwörd 🔑'

let own: Certificates
let foreign: Certificates
/** Files made by OpenSSL, which shares no code with the simulator's certificates. */
let directory: string

beforeAll(async () => {
  ;[own, foreign] = await Promise.all([createCertificates(), createCertificates()])
  directory = mkdtempSync(join(tmpdir(), 'lhspn-credentials-'))
})
afterAll(() => rmSync(directory, { recursive: true }))

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const certificateOf = (pem: string): string => CERTIFICATE.exec(pem)?.[0] ?? ''
const keyOf = (pem: string): string => KEY.exec(pem)?.[0] ?? ''

function openssl(...args: string[]): void {
  execFileSync(OPENSSL, args, { cwd: directory, stdio: 'pipe' })
}

/** A self-signed certificate of an elliptic curve, as `name.key` and `name.crt`. */
function makeElliptic(name: string, subject: string): void {
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-noenc']
  openssl('req', '-x509', ...curve, '-keyout', `${name}.key`, '-out', `${name}.crt`, '-subj', subject, '-days', '30')
}

const file = (name: string): Buffer => readFileSync(join(directory, name))

function failure(open: () => unknown): SenderError | undefined {
  try {
    open()
    return undefined
  } catch (error) {
    return error as SenderError
  }
}

const isRefused = (input: Uint8Array): boolean => failure(() => openCertificate(input))?.code === 'invalid-credentials'

/** Throws unless the certificate is of use: a whole, readable pair. */
function check(opened: ReturnType<typeof openCertificate>): X509Certificate {
  secureContextOf(opened, undefined)
  const leaf = new X509Certificate(opened.certificate)
  expect(leaf.checkPrivateKey(createPrivateKey(opened.key))).toBe(true)
  return leaf
}

describe('PEM', () => {
  test('certificate and key, in either order, with whatever stands around them', () => {
    const [certificate, key] = [certificateOf(own.client), keyOf(own.client)]
    const expected = openCertificate(bytes(own.client))
    check(expected)
    expect(expected.topics).toEqual(['com.example.app'])
    expect(expected.expiresAt).toEqual(new Date(new X509Certificate(own.client).validTo))
    const around = `Bag Attributes\n  friendlyName: Apple Push Services\n${key}subject=CN=x\n${certificate}the end`
    for (const pem of [certificate + key, key + certificate, around, own.client.replaceAll('\r', '')]) {
      expect(openCertificate(bytes(pem))).toEqual(expected)
    }
  })

  test('the certificate of the key comes first, and the chain is kept', () => {
    const opened = openCertificate(bytes(own.ca + own.client))
    expect(check(opened).subject).toContain('com.example.app')
    expect(opened.certificate.match(/BEGIN CERTIFICATE/g)).toHaveLength(2)
  })

  test.for([
    { kind: 'PKCS #8', args: ['pkcs8', '-topk8', '-v2', 'aes-256-cbc'] },
    { kind: 'the old format of OpenSSL', args: ['ec', '-aes128'] },
  ])('a key encrypted in $kind', ({ args }) => {
    makeElliptic('encrypted', '/CN=Apple Push Services: com.example.elliptic')
    openssl(...args, '-in', 'encrypted.key', '-passout', 'pass:secret', '-out', 'encrypted.enc')
    const pem = Buffer.concat([file('encrypted.enc'), file('encrypted.crt')])
    expect(check(openCertificate(pem, 'secret')).subject).toContain('com.example.elliptic')
    expect(failure(() => openCertificate(pem))).toMatchObject({ remedy: 'If it is encrypted, give its passphrase.' })
    expect(failure(() => openCertificate(pem, 'wrong'))).toMatchObject({ remedy: 'Check the passphrase.' })
  })

  test('a passphrase that is not needed does no harm', () => {
    expect(openCertificate(bytes(own.client), 'secret')).toEqual(openCertificate(bytes(own.client)))
  })
})

describe('PKCS #12', () => {
  test.for(['modern', 'legacy'] as const)('%s, with any passphrase', (kind) => {
    for (const passphrase of ['', 'secret', ODD]) {
      expect(openCertificate(own.p12(passphrase, kind), passphrase)).toEqual(openCertificate(bytes(own.client)))
    }
    expect(openCertificate(own.p12('', kind))).toEqual(openCertificate(bytes(own.client)))
  })

  test.for([
    { kind: 'as OpenSSL 3 writes it', args: [] },
    { kind: 'with RC2 and 3DES', args: ['-legacy'] },
    { kind: 'with 3DES alone', args: ['-keypbe', 'PBE-SHA1-3DES', '-certpbe', 'PBE-SHA1-3DES'] },
    { kind: 'with its certificate in the clear', args: ['-certpbe', 'NONE'] },
    { kind: 'without a seal', args: ['-nomac'] },
  ])('of an elliptic curve with its chain, $kind', ({ args }) => {
    makeElliptic('curve', '/CN=Apple Push Services: com.example.elliptic')
    writeFileSync(join(directory, 'chain.crt'), own.ca)
    for (const passphrase of ['secret', ODD]) {
      const inputs = ['-inkey', 'curve.key', '-in', 'curve.crt', '-certfile', 'chain.crt']
      openssl('pkcs12', '-export', ...inputs, ...args, '-passout', `pass:${passphrase}`, '-out', 'curve.p12')
      const opened = openCertificate(file('curve.p12'), passphrase)
      expect(check(opened).subject).toBe('CN=Apple Push Services: com.example.elliptic')
      expect(opened.certificate.match(/BEGIN CERTIFICATE/g)).toHaveLength(2)
      expect(opened.topics).toEqual(['com.example.elliptic'])
    }
  })
})

describe('what cannot be opened is refused with invalid-credentials', () => {
  test.for<{ what: string; open: () => unknown; message: RegExp }>([
    { what: 'nothing', open: () => openCertificate(bytes('')), message: /neither PEM nor PKCS #12/ },
    { what: 'garbage', open: () => openCertificate(bytes('hello')), message: /neither PEM nor PKCS #12/ },
    {
      what: 'a wrong passphrase',
      open: () => openCertificate(own.p12('a', 'modern'), 'b'),
      message: /cannot be opened/,
    },
    { what: 'a wrong old one', open: () => openCertificate(own.p12('a', 'legacy'), 'b'), message: /cannot be opened/ },
    { what: 'no passphrase', open: () => openCertificate(own.p12('a', 'modern')), message: /cannot be opened/ },
    { what: 'no key', open: () => openCertificate(bytes(own.ca)), message: /no private key/ },
    { what: 'no certificate', open: () => openCertificate(bytes(keyOf(own.client))), message: /no certificate/ },
    {
      what: 'the key of another certificate',
      open: () => openCertificate(bytes(certificateOf(own.client) + keyOf(foreign.client))),
      message: /belongs to none/,
    },
    {
      what: 'a certificate that is none',
      open: () =>
        openCertificate(bytes(`-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n${keyOf(own.client)}`)),
      message: /certificate in the file cannot be read/,
    },
    {
      what: 'a key that is none',
      open: () => openCertificate(bytes('-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n')),
      message: /key cannot be read/,
    },
  ])('$what', ({ open, message }) => {
    const error = failure(open)
    expect(error).toMatchObject({ name: 'SenderError', code: 'invalid-credentials' })
    expect(error?.message).toMatch(message)
    expect(error?.remedy).toMatch(/\.$/)
  })

  test('files cut off or with a flipped byte open as they are, or are refused by code', () => {
    for (const kind of ['modern', 'legacy'] as const) {
      const whole = own.p12('secret', kind)
      for (let at = 0; at < whole.length; at += 97) {
        expect(failure(() => openCertificate(whole.subarray(0, at), 'secret'))).toMatchObject({
          code: 'invalid-credentials',
        })
        const flipped = whole.slice()
        flipped[at] = (flipped[at] ?? 0) ^ 0x55
        expect(failure(() => openCertificate(flipped, 'secret'))?.code ?? 'invalid-credentials').toBe(
          'invalid-credentials',
        )
      }
    }
  })

  test('any bytes at all', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), isRefused))
  })

  test('a pair that OpenSSL does not take', () => {
    const nonsense = { certificate: 'nonsense', key: 'nonsense', topics: [], expiresAt: new Date() }
    expect(failure(() => secureContextOf(nonsense, undefined))).toMatchObject({ code: 'invalid-credentials' })
  })

  test.for(['', 'ca.pem', 'KEY'])('a CA that is none (%j) is an invalid option', (given) => {
    const ca = given === 'KEY' ? keyOf(own.client) : given
    const error = failure(() => secureContextOf(openCertificate(bytes(own.client)), ca))
    expect(error).toMatchObject({ code: 'invalid-options', message: 'ca holds no certificate' })
  })
})

describe('topics', () => {
  test.for([
    ['/UID=com.example.app/CN=Apple Push Services: com.example.other/O=Example', ['com.example.app']],
    ['/CN=Apple Push Services: com.example.app/OU=1234', ['com.example.app']],
    ['/CN=Apple Development IOS Push Services: com.example-x.app', ['com.example-x.app']],
    ['/CN=Apple Push Services:com.example.app', ['com.example.app']],
    ['/CN=Somebody else: com.example.app', []],
    ['/CN=localhost', []],
  ] as const)('%s', ([subject, topics]) => {
    makeElliptic('topic', subject)
    expect(openCertificate(Buffer.concat([file('topic.key'), file('topic.crt')])).topics).toEqual(topics)
  })
})
