import { expect, test } from 'vitest'

import { credentialKeyOf, interfaceOf } from './app-config.ts'
import { parseConfig } from './config.ts'

const KEY = 'teamId = "DEF123GHIJ"\nkey = "AuthKey_ABC123DEFG.p8"'
const SANDBOX_KEY = 'teamId = "DEF123GHIJ"\nsandboxKey = "AuthKey_SBX123DEFG.p8"'

test.for<[lines: string, production: string, sandbox: string]>([
  ['', 'none', 'none'],
  [KEY, 'provider-api by key', 'provider-api by key'],
  [SANDBOX_KEY, 'none', 'provider-api by sandboxKey'],
  [`${KEY}\nsandboxCertificate = "s.pem"`, 'provider-api by key', 'provider-api by sandboxCertificate'],
  [`certificate = "p.pem"\n${SANDBOX_KEY}`, 'provider-api by certificate', 'provider-api by sandboxKey'],
  ['certificate = "p.pem"', 'provider-api by certificate', 'provider-api by certificate'],
  ['sandboxCertificate = "s.pem"', 'none', 'provider-api by sandboxCertificate'],
  ['certificate = "p.pem"\nprovider = "h"', 'provider-api by certificate', 'provider-api by certificate'],
  ['certificate = "p.pem"\ngateway = "h:1"', 'gateway by certificate', 'none'],
  ['certificate = "p.pem"\nfeedback = "h:1"', 'gateway by certificate', 'none'],
  ['certificate = "p.pem"\nsandboxGateway = "h:1"', 'none', 'gateway by certificate'],
  // the certificate of an app on a gateway goes to the provider API only where one is named
  [
    'certificate = "p.pem"\ngateway = "h:1"\nsandboxProvider = "h"',
    'gateway by certificate',
    'provider-api by certificate',
  ],
  [`certificate = "p.pem"\ngateway = "h:1"\n${SANDBOX_KEY}`, 'gateway by certificate', 'provider-api by sandboxKey'],
  [
    `${KEY}\nsandboxGateway = "h:1"\nsandboxCertificate = "s.pem"`,
    'provider-api by key',
    'gateway by sandboxCertificate',
  ],
  ['gateway = "h:1"', 'gateway by undefined', 'none'],
])('%j: production is reached over %s, the sandbox over %s', ([lines, ...expected]) => {
  const [app] = parseConfig({ text: `[[apps]]\ntopic = "a.b"\n${lines}` }).apps
  if (app === undefined) throw new Error('there is no app')
  const found = (['production', 'sandbox'] as const).map((environment) => {
    const over = interfaceOf(app, environment)
    return over === undefined ? 'none' : `${over} by ${credentialKeyOf(app, environment)}`
  })
  expect(found).toEqual(expected)
})
