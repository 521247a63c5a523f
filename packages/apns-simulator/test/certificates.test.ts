import { spawnSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { afterAll, beforeAll, expect, test } from 'vitest'

import { createCertificates, startSimulator, type Certificates } from '../src/index.ts'
import { BARRIER, RawClient, connectTo, trusted } from './raw-client.ts'

/** A program of the system, not of a package. */
const OPENSSL = 'openssl'

let folder: string
let certificates: Certificates
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'lhspn-simulator-'))
  certificates = await createCertificates()
  writeFileSync(join(folder, 'ca.pem'), certificates.ca)
  writeFileSync(join(folder, 'client.pem'), certificates.client)
  writeFileSync(join(folder, 'server.pem'), certificates.server.cert)
})
afterAll(() => rmSync(folder, { recursive: true }))

/** Answers what the command said on both streams. */
function openssl(...words: readonly string[]): string {
  const { stdout, stderr, error } = spawnSync(OPENSSL, words, { cwd: folder, encoding: 'utf8' })
  if (error !== undefined) throw error
  return stdout + stderr
}

test('openssl verifies both certificates for their purposes', () => {
  expect(openssl('verify', '-CAfile', 'ca.pem', '-purpose', 'sslclient', 'client.pem')).toBe('client.pem: OK\n')
  expect(openssl('verify', '-CAfile', 'ca.pem', '-purpose', 'sslserver', 'server.pem')).toBe('server.pem: OK\n')
  const server = new X509Certificate(certificates.server.cert)
  expect([server.checkHost('localhost'), server.checkIP('127.0.0.1')]).toEqual(['localhost', '127.0.0.1'])
})

test("the client certificate looks like Apple's", () => {
  const text = openssl('x509', '-in', 'client.pem', '-noout', '-text', '-nameopt', 'RFC2253')
  expect(text).toContain('CN=Apple Push Services: com.example.app,UID=com.example.app')
  expect(text).toContain('Public-Key: (2048 bit)')
  expect(text).toContain('1.2.840.113635.100.6.3.1:')
  expect(text).toContain('1.2.840.113635.100.6.3.2:')
})

test.for([
  { kind: 'modern', flags: [], protection: 'PBES2, PBKDF2, AES-256-CBC' },
  { kind: 'legacy', flags: ['-legacy'], protection: 'pbeWithSHA1And40BitRC2-CBC' },
] as const)('openssl reads a $kind .p12 and finds what is in the PEM', ({ kind, flags, protection }) => {
  const passphrase = 'Grüße, 秘密'
  writeFileSync(join(folder, 'client.p12'), certificates.p12(passphrase, kind))
  const read = ['pkcs12', '-in', 'client.p12', '-passin', `pass:${passphrase}`, '-nodes', '-info', ...flags]
  const text = openssl(...read)
  expect(text).toContain(protection)
  expect(text).toContain('friendlyName: Apple Push Services: com.example.app')
  for (const line of certificates.client.split(/\r?\n/)) expect(text).toContain(line)
  expect(openssl('pkcs12', '-in', 'client.p12', '-passin', 'pass:wrong', '-nodes', ...flags)).toContain(
    'invalid password',
  )
})

test('a client comes in with the modern .p12', async () => {
  await using simulator = await startSimulator({ certificates })
  const client = new RawClient(simulator.gateway, {
    ca: certificates.ca,
    pfx: Buffer.from(certificates.p12('secret', 'modern')),
    passphrase: 'secret',
  })
  await client.secured
  client.write(BARRIER)
  await client.closed
  expect(client.received).toBe('080200000009')
})

test('a certificate of another authority gets no answer', async () => {
  await using simulator = await startSimulator({ certificates })
  const stranger = await createCertificates()
  const client = connectTo(simulator, { cert: stranger.client, key: stranger.client })
  client.write(BARRIER)
  await client.closed
  expect(client.received).toBe('')
  expect(simulator.journal.entries()).toEqual([])
})

test('an expired certificate gets no answer', async () => {
  const expired = await createCertificates({ topic: 'org.example.old', clientExpiresAt: new Date(Date.now() - 1000) })
  await using simulator = await startSimulator({ certificates: expired })
  const client = connectTo(simulator)
  client.write(BARRIER)
  await client.closed
  expect(client.received).toBe('')
  expect(new X509Certificate(expired.client).subject).toContain('UID=org.example.old')
})

test('without a certificate the handshake fails', async () => {
  await using simulator = await startSimulator({ certificates })
  const client = new RawClient(simulator.gateway, { ca: certificates.ca, maxVersion: 'TLSv1.2' })
  await expect(client.secured).rejects.toThrow(/handshake failure/)
})

test('who does not trust the authority sees why', async () => {
  await using simulator = await startSimulator({ certificates })
  const { cert, key } = trusted(simulator)
  const client = new RawClient(simulator.gateway, { cert, key })
  await expect(client.secured).rejects.toMatchObject({ code: 'SELF_SIGNED_CERT_IN_CHAIN' })
})
