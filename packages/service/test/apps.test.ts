import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { createCertificates, startSimulator } from '@lhspn/apns-simulator'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'

import {
  describeApp,
  findApp,
  openFeedback,
  openSender,
  parseConfig,
  readCertificate,
  readCredentials,
  serverOf,
} from '../src/index.ts'

const directory = mkdtempSync(join(tmpdir(), 'lhspn-service-'))
const certificates = await createCertificates()
const file = join(directory, 'lhspn.toml')
const token = 'c0ffee'.repeat(10)
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const signingKey = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
beforeAll(() => {
  writeFileSync(join(directory, 'push.pem'), certificates.client)
  writeFileSync(join(directory, 'ca.pem'), certificates.ca)
  writeFileSync(join(directory, 'old.p12'), certificates.p12('hush', 'legacy'))
  writeFileSync(join(directory, 'pass'), 'hush\n')
  writeFileSync(join(directory, 'AuthKey_ABC123DEFG.p8'), signingKey)
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

test('the provider API is Apple’s, unless another is named', () => {
  const app = findApp(configOf('[[apps]]\ntopic = "com.example.app"\nsandboxProvider = "127.0.0.1:1"'), undefined)
  expect(serverOf(app, 'production', 'provider')).toBe('api.push.apple.com')
  expect(serverOf(app, 'sandbox', 'provider')).toBe('127.0.0.1:1')
})

test.for([
  ['from a file', 'teamId = "DEF123GHIJ"\nkey = "AuthKey_ABC123DEFG.p8"', {}],
  [
    'as text from the environment',
    '',
    { LHSPN_APP_TEAM_ID: 'DEF123GHIJ', LHSPN_APP_KEY_ID: 'ABC123DEFG', LHSPN_APP_KEY: signingKey },
  ],
] as const)('reads a signing key %s; it serves both environments', async ([, lines, variables]) => {
  const app = findApp(configOf(`[[apps]]\ntopic = "com.example.app"\n${lines}`, variables), undefined)
  const credentials = await readCredentials(app, 'production')
  expect(credentials).toEqual({ keyId: 'ABC123DEFG', teamId: 'DEF123GHIJ', key: signingKey })
  expect(await readCredentials(app, 'sandbox')).toEqual(credentials)
})

test.for([
  ['', 'app-not-configured'],
  ['teamId = "DEF123GHIJ"\nkey = "keys/AuthKey_ABC123DEFG.p8"', 'unreadable-file'],
  ['teamId = "DEF123GHIJ"\nkeyId = "ABC123DEFG"\nkey = "push.pem"', 'invalid-credentials'],
] as const)('credentials that cannot be had: %s', async ([lines, code]) => {
  const config = configOf(`[[apps]]\ntopic = "com.example.app"\n${lines}`)
  const app = findApp(config, undefined)
  await expect(readCredentials(app, 'production')).rejects.toMatchObject({ code })
  await expect(openSender(config, app, 'production')).rejects.toMatchObject({ code })
})

test('an app on a binary gateway is not sent to Apple where it has none', async () => {
  const sending = openSender(one, findApp(one, undefined), 'sandbox')
  await expect(sending).rejects.toMatchObject({
    code: 'app-not-configured',
    remedy: 'Set sandboxGateway in its [[apps]] block.',
  })
})

test('a sender on the provider API is opened as it is configured, by key and by certificate', async () => {
  const simulator = await startSimulator({ certificates })
  onTestFinished(() => simulator.close())
  const { keyId, teamId } = simulator.signingKey
  writeFileSync(join(directory, 'simulated.p8'), simulator.signingKey.key)
  const config = configOf(
    `[[apps]]
    topic = "com.example.app"
    teamId = "${teamId}"
    key = "simulated.p8"
    keyId = "${keyId}"
    sandboxCertificate = "push.pem"
    provider = "${simulator.provider}"
    sandboxProvider = "${simulator.provider}"
    ca = "ca.pem"`,
  )
  const app = findApp(config, undefined)
  for (const environment of ['production', 'sandbox'] as const) {
    const sender = await openSender(config, app, environment)
    onTestFinished(() => sender.close())
    const outcome = await sender.sendOne({ token, content: { payload: { aps: { alert: 'Hello' } } } })
    expect(outcome.kind).toBe('accepted')
  }
  expect(simulator.journal.acceptedTimes(token)).toBe(2)
  expect(await describeApp(app)).toEqual({
    topic: 'com.example.app',
    environments: {
      production: { interface: 'provider-api', credential: 'key', keyId, provider: simulator.provider },
      sandbox: {
        interface: 'provider-api',
        credential: 'certificate',
        expiresAt: expect.any(Date),
        provider: simulator.provider,
      },
    },
  })
})
