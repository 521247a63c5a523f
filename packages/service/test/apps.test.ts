import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { createCertificates, startSimulator } from '@lhspn/apns-simulator'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'

import { findApp, openFeedback, openSender, parseConfig, readCertificate, serverOf } from '../src/index.ts'

const directory = mkdtempSync(join(tmpdir(), 'lhspn-service-'))
const certificates = await createCertificates()
const file = join(directory, 'lhspn.toml')
const token = 'c0ffee'.repeat(10)
beforeAll(() => {
  writeFileSync(join(directory, 'push.pem'), certificates.client)
  writeFileSync(join(directory, 'ca.pem'), certificates.ca)
  writeFileSync(join(directory, 'old.p12'), certificates.p12('hush', 'legacy'))
  writeFileSync(join(directory, 'pass'), 'hush\n')
})
afterAll(() => rmSync(directory, { recursive: true }))

function configOf(text: string, variables: Readonly<Record<string, string>> = {}) {
  return parseConfig({ text, file, variables })
}

const two = configOf('[[apps]]\ntopic = "com.example.app"\n[[apps]]\ntopic = "com.example.other"')
const one = configOf('[[apps]]\ntopic = "com.example.app"\ncertificate = "push.pem"\ngateway = "push:1"')

test('the only app may be left out, one of several must be named', () => {
  expect(findApp(one, undefined).topic).toBe('com.example.app')
  expect(findApp(two, 'com.example.other').topic).toBe('com.example.other')
  expect(() => findApp(two, undefined)).toThrow(expect.objectContaining({ code: 'unknown-app' }))
})

test.for([
  [two, 'com.example.othr', 'There is no app com.example.othr; did you mean com.example.other?'],
  [one, 'org.elsewhere', 'There is no app org.elsewhere'],
  [parseConfig(), undefined, 'No app is configured: there is no configuration file'],
  [configOf(''), undefined, `No app is configured: ${file} has no [[apps]]`],
] as const)('an unknown app is named, with the nearest', ([config, topic, message]) => {
  expect(() => findApp(config, topic)).toThrow(expect.objectContaining({ code: 'unknown-app', message }))
})

test('an environment has servers of its own', () => {
  const app = findApp(one, undefined)
  expect(serverOf(app, 'production', 'gateway')).toBe('push:1')
  for (const [environment, server, key] of [
    ['production', 'feedback', 'feedback'],
    ['sandbox', 'gateway', 'sandboxGateway'],
    ['sandbox', 'feedback', 'sandboxFeedback'],
  ] as const) {
    expect(() => serverOf(app, environment, server)).toThrow(
      expect.objectContaining({ code: 'app-not-configured', remedy: `Set ${key} in its [[apps]] block.` }),
    )
  }
})

test.for([
  ['PEM', 'certificate = "push.pem"', {}],
  ['an old .p12 with a passphrase from a file', 'certificate = "old.p12"\npassphraseFile = "pass"', {}],
  ['an old .p12 with a passphrase from the environment', 'certificate = "old.p12"', { LHSPN_APP_PASSPHRASE: 'hush' }],
  ['PEM text from the environment', '', { LHSPN_APP_CERTIFICATE: certificates.client }],
] as const)('reads a certificate: %s; it serves both environments', async ([, lines, variables]) => {
  const app = findApp(configOf(`[[apps]]\ntopic = "com.example.app"\n${lines}`, variables), undefined)
  const certificate = await readCertificate(app, 'production')
  expect(certificate.topics).toEqual(['com.example.app'])
  expect(await readCertificate(app, 'sandbox')).toEqual(certificate)
})

test.for([
  ['', 'app-not-configured'],
  ['certificate = "none.pem"', 'unreadable-file'],
  ['certificate = "push.pem"\npassphraseFile = "none"', 'unreadable-file'],
  ['certificate = "ca.pem"', 'invalid-credentials'],
  ['certificate = "old.p12"\npassphraseFile = "ca.pem"', 'invalid-credentials'],
] as const)('a certificate that cannot be had: %s', async ([lines, code]) => {
  const app = findApp(configOf(`[[apps]]\ntopic = "com.example.app"\n${lines}`), undefined)
  await expect(readCertificate(app, 'production')).rejects.toMatchObject({ code })
})

test('sandboxCertificate serves the sandbox alone', async () => {
  const app = findApp(configOf('[[apps]]\ntopic = "com.example.app"\nsandboxCertificate = "push.pem"'), undefined)
  expect((await readCertificate(app, 'sandbox')).topics).toEqual(['com.example.app'])
  await expect(readCertificate(app, 'production')).rejects.toMatchObject({ code: 'app-not-configured' })
})

test('opens a sender and reads the feedback service of an app as it is configured', async () => {
  const feedback = [{ at: 1_700_000_000, token }]
  const simulator = await startSimulator({ certificates, script: { feedback } })
  onTestFinished(() => simulator.close())
  const config = configOf(
    `[[apps]]
    topic = "com.example.app"
    certificate = "push.pem"
    sandboxGateway = "${simulator.gateway}"
    sandboxFeedback = "${simulator.feedback}"
    ca = "ca.pem"`,
  )
  const app = findApp(config, undefined)
  const kinds: string[] = []
  const sender = await openSender(config, app, 'sandbox', ({ kind }) => kinds.push(kind))
  const outcome = await sender.sendOne({ token, content: { payload: { aps: { alert: 'Hello' } } } })
  await sender.close()
  expect(outcome.kind).toBe('accepted')
  expect(kinds).toContain('connected')
  expect(simulator.journal.acceptedTimes(token)).toBe(1)
  const tuples = []
  for await (const tuple of openFeedback(config, app, 'sandbox')) tuples.push(tuple)
  expect(tuples).toEqual(feedback)
})
