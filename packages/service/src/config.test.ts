import { resolve } from 'node:path'

import { expect, test } from 'vitest'

import { type ConfigSources, parseConfig } from './config.ts'
import { ServiceError } from './errors.ts'

const file = '/etc/lhspn/lhspn.toml'

/** What parseConfig says is wrong, a line for each fault. */
function faultsOf(sources: ConfigSources): string[] {
  try {
    parseConfig(sources)
    return []
  } catch (error) {
    if (error instanceof ServiceError && error.code === 'invalid-configuration') {
      return error.faults.map(({ key, detail }) => `${key}: ${detail}`)
    }
    throw error
  }
}

/** A file with one app. */
function app(...lines: string[]): string {
  return ['[[apps]]', 'topic = "a.b"', ...lines].join('\n')
}

function settingOf(sources: ConfigSources, key: string): string {
  const setting = parseConfig(sources).settings.find((candidate) => candidate.key === key)
  return `${setting?.value} ${setting?.origin} ${setting?.from ?? '-'}`
}

test('without any source the defaults hold', () => {
  const { settings, ...config } = parseConfig()
  expect(config).toEqual({
    file: undefined,
    database: { url: `sqlite:${resolve('lhspn.db')}`, password: undefined, migrate: 'start' },
    server: { listen: '127.0.0.1:8080', basePath: '', trustProxy: [], drainTimeoutMs: 25_000 },
    ops: { listen: '127.0.0.1:9464' },
    legacy: { enabled: false, app: undefined },
    queue: { url: undefined },
    dispatcher: { chunkSize: 5000, concurrency: 2, leaseMs: 15_000, mismatchShare: 0.05, retentionMs: 30 * 86_400_000 },
    feedback: { everyMs: 86_400_000 },
    rateLimit: { register: { quota: 600, windowMs: 60_000 }, api: { quota: 600, windowMs: 60_000 } },
    adminKey: undefined,
    sender: {
      connections: 4,
      requestTimeoutMs: 20_000,
      attempts: 5,
      connectionsPerSecond: 4,
      quietTimeMs: 3000,
      assumeAccepted: false,
      proxy: undefined,
    },
    log: { level: 'info', format: 'auto' },
    apps: [],
  })
  expect(settings.every(({ origin }) => origin === 'default')).toBe(true)
  expect(settings.map(({ key, value }) => `${key} ${value}`)).toContain('database.url sqlite:lhspn.db')
  // a key without a default is shown once somebody gives it
  expect(settings.map(({ key }) => key)).not.toContain('legacy.app')
})

test('flags win over the environment, the environment over the file, the file over defaults', () => {
  const text = '[sender]\nquietTime = "5s"\nattempts = 2\n[log]\nlevel = "warn"'
  const variables = { LHSPN_SENDER_QUIET_TIME: '10s', LHSPN_LOG_LEVEL: 'error' }
  const sources: ConfigSources = { text, file, variables, flags: { 'log.level': 'debug' } }
  expect(parseConfig(sources).sender.quietTimeMs).toBe(10_000)
  expect(settingOf(sources, 'log.level')).toBe('debug flag -')
  expect(settingOf(sources, 'sender.quietTime')).toBe('10s environment LHSPN_SENDER_QUIET_TIME')
  expect(settingOf(sources, 'sender.attempts')).toBe(`2 file ${file}`)
  expect(settingOf(sources, 'sender.connections')).toBe('4 default -')
})

test.for<[name: string, sources: ConfigSources, ...faults: string[]]>([
  [
    'a mistyped key',
    { text: '[sender]\nconections = 4' },
    'sender.conections: no such key; did you mean sender.connections?',
  ],
  [
    'a key in the wrong section',
    { text: '[log]\nattempts = 4' },
    'log.attempts: no such key; did you mean sender.attempts?',
  ],
  ['a key that nothing is like', { text: '[sender]\ncolour = 4' }, 'sender.colour: no such key'],
  ['a mistyped section', { text: '[sendre]\nattempts = 4' }, 'sendre: no such section; did you mean sender?'],
  ['a key outside its section', { text: 'attempts = 4' }, 'attempts: no such key; did you mean sender.attempts?'],
  ['a section that is a value', { text: 'sender = 4' }, 'sender: must be a section, [sender]'],
  ['a section of objects', { text: '[[sender]]\nattempts = 4' }, 'sender: must be a section, [sender]'],
  ['apps that are no blocks', { text: '[apps]\ntopic = "a.b"' }, 'apps: must be one or more [[apps]] blocks'],
  [
    'a mistyped key of an app',
    { text: '[[apps]]\ntopic = "a.b"\ngatway = "h:1"' },
    'apps[0].gatway: no such key; did you mean gateway?',
  ],
  [
    'a secret in the file',
    { text: '[[apps]]\ntopic = "a.b"\npassphrase = "hush"' },
    'apps[0].passphrase: no such key; did you mean passphraseFile?',
  ],
  ['an app without a name', { text: '[[apps]]\ngateway = "h:1"' }, 'apps[0].topic: missing; it names the app'],
  [
    'an app named twice',
    { text: '[[apps]]\ntopic = "a.b"\n[[apps]]\ntopic = "a.b"' },
    'apps[1].topic: a.b has a block already, apps[0]',
  ],
  [
    'a number that is text',
    { text: '[sender]\nconnections = "4"' },
    'sender.connections: must be a whole number from 1 to 64, not "4"',
  ],
  [
    'a number too great',
    { text: '[sender]\nattempts = 101' },
    'sender.attempts: must be a whole number from 1 to 100, not 101',
  ],
  [
    'a duration without a unit',
    { text: '[sender]\nquietTime = 3' },
    'sender.quietTime: must be a duration from 100ms to 1m, such as "3s", not 3',
  ],
  [
    'a duration out of bounds',
    { text: '[sender]\nrequestTimeout = "24h"' },
    'sender.requestTimeout: must be a duration from 1s to 10m, such as "20s", not "24h"',
  ],
  [
    'a list',
    { text: '[log]\nlevel = ["info"]' },
    'log.level: must be one of trace, debug, info, warn, error, silent, not "["info"]"',
  ],
  [
    'an address without a port',
    { text: '[[apps]]\ntopic = "a.b"\ngateway = "h"' },
    'apps[0].gateway: must be HOST:PORT, not "h"',
  ],
  [
    'a port too great',
    { text: '[[apps]]\ntopic = "a.b"\ngateway = "h:65536"' },
    'apps[0].gateway: must be HOST:PORT, not "h:65536"',
  ],
  [
    'a mistyped variable',
    { variables: { LHSPN_SENDER_ATEMPTS: '3' } },
    'LHSPN_SENDER_ATEMPTS: no such variable; did you mean LHSPN_SENDER_ATTEMPTS?',
  ],
  [
    'an unknown variable of a known section',
    { variables: { LHSPN_SENDER_COLOUR_OF_THINGS: '3' } },
    'LHSPN_SENDER_COLOUR_OF_THINGS: no such variable',
  ],
  [
    'a bad value in a variable',
    { variables: { LHSPN_SENDER_ATTEMPTS: 'many' } },
    'sender.attempts: must be a whole number from 1 to 100, not "many" (LHSPN_SENDER_ATTEMPTS)',
  ],
  [
    'a variable and its file',
    { variables: { LHSPN_LOG_LEVEL: 'info', LHSPN_LOG_LEVEL_FILE: '/x' } },
    'LHSPN_LOG_LEVEL_FILE: LHSPN_LOG_LEVEL is set too; only one of both may be',
  ],
  [
    'a file that a variable names and nobody has',
    {
      variables: { LHSPN_LOG_LEVEL_FILE: '/x' },
      readFile: (path) => {
        throw new Error(`nothing at ${path}`)
      },
    },
    'LHSPN_LOG_LEVEL_FILE: cannot be read: nothing at /x',
  ],
  [
    'variables of an app that is not named',
    { variables: { LHSPN_APP_GATEWAY: 'h:1' } },
    'LHSPN_APP_TOPIC: missing: other LHSPN_APP_ variables are set, and the file has no app',
  ],
  [
    'variables of one app beside several',
    { text: '[[apps]]\ntopic = "a.b"\n[[apps]]\ntopic = "a.c"', variables: { LHSPN_APP_GATEWAY: 'h:1' } },
    'LHSPN_APP_TOPIC: missing: other LHSPN_APP_ variables are set, and the file has several apps',
  ],
  [
    'a passphrase twice',
    {
      variables: { LHSPN_APP_TOPIC: 'a.b', LHSPN_APP_PASSPHRASE: 'hush' },
      text: '[[apps]]\ntopic = "a.b"\npassphraseFile = "p"',
    },
    'apps[0].passphraseFile: a passphrase is given too; only one of both may be',
  ],
  [
    'a signing key without a team',
    { text: app('key = "AuthKey_ABC123DEFG.p8"') },
    'apps[0].teamId: missing; it stands in the membership details of the developer account',
  ],
  [
    'a team without a signing key',
    { text: app('teamId = "DEF123GHIJ"', 'certificate = "push.pem"') },
    'apps[0].teamId: is for a signing key, and there is none; give key, or leave it out',
  ],
  [
    'a team id that is none, without a word about what follows from it',
    { text: app('teamId = "def"', 'key = "AuthKey_ABC123DEFG.p8"') },
    'apps[0].teamId: must be a team id, ten capital letters and digits, not "def"',
  ],
  [
    'a key id that nobody says',
    { text: app('teamId = "DEF123GHIJ"', 'key = "push.p8"') },
    'apps[0].keyId: missing; only a file with the name that Apple gave it, AuthKey_<key id>.p8, says it itself',
  ],
  [
    'a key id that the file contradicts',
    { text: app('teamId = "DEF123GHIJ"', 'key = "AuthKey_ABC123DEFG.p8"', 'keyId = "ABC123DEFH"') },
    'apps[0].keyId: must be "ABC123DEFG", as the name of key says, not "ABC123DEFH"',
  ],
  [
    'a key id that is the team id',
    { text: app('teamId = "ABC123DEFG"', 'key = "AuthKey_ABC123DEFG.p8"') },
    'apps[0].teamId: is "ABC123DEFG", which is the id of key; the team has another',
  ],
  [
    'a key id without a key',
    { text: app('sandboxKeyId = "ABC123DEFG"') },
    'apps[0].sandboxKeyId: is the id of a signing key, and there is no sandboxKey',
  ],
  [
    'a signing key beside a certificate',
    { text: app('teamId = "DEF123GHIJ"', 'key = "AuthKey_ABC123DEFG.p8"', 'certificate = "push.pem"') },
    'apps[0].certificate: key is given too; only one of both may be',
  ],
  [
    'a signing key for a binary gateway',
    { text: app('teamId = "DEF123GHIJ"', 'key = "AuthKey_ABC123DEFG.p8"', 'gateway = "h:1"') },
    'apps[0].key: a binary gateway takes no signing key, and gateway is given; give certificate instead of it',
  ],
  [
    'a signing key that only a binary gateway of the sandbox could use',
    { text: app('teamId = "DEF123GHIJ"', 'key = "AuthKey_ABC123DEFG.p8"', 'sandboxFeedback = "h:1"') },
    'apps[0].key: a binary gateway takes no signing key, and sandboxFeedback is given; give sandboxCertificate',
  ],
  [
    'a provider API beside a binary gateway',
    { text: app('certificate = "push.pem"', 'sandboxProvider = "h"', 'sandboxGateway = "h:1"') },
    'apps[0].sandboxProvider: sandboxGateway is given too, and belongs to the binary interface; only one of both may be',
  ],
  [
    'a provider API with a path',
    { text: app('provider = "https://h/3"') },
    'apps[0].provider: must be HOST or HOST:PORT, not "https://h/3"',
  ],
  [
    'a proxy that is no http://, without its password',
    { text: '[sender]\nproxy = "https://user:hu@sh@proxy:3128"' },
    'sender.proxy: must be http://HOST:PORT or http://USER:PASSWORD@HOST:PORT, special characters percent-encoded, not "https://[redacted]@proxy:3128"',
  ],
  [
    'a database of another kind',
    { text: '[database]\nurl = "postgres://h/x"' },
    'database.url: must be sqlite:FILE or mysql://USER@HOST/NAME, not "postgres://h/x"',
  ],
  [
    'a path without a slash',
    { text: '[server]\nbasePath = "push"' },
    'server.basePath: must be a path that begins with /, such as /push, not "push"',
  ],
  [
    'a queue that is no Redis, without its password',
    { text: '[queue]\nurl = "amqp://user:hush@rabbit:5672"' },
    'queue.url: must be redis://HOST:PORT, rediss://HOST:PORT, or empty for the queue in the database, not "amqp://[redacted]@rabbit:5672"',
  ],
  [
    'a proxy by its name',
    { text: '[server]\ntrustProxy = ["proxy.internal"]' },
    'server.trustProxy: must be a list of addresses or networks, such as ["10.0.0.0/8"], not "["proxy.internal"]"',
  ],
  [
    'a network that is too small to be one',
    { variables: { LHSPN_SERVER_TRUST_PROXY: '10.0.0.0/33' } },
    'server.trustProxy: must be a list of addresses or networks, such as ["10.0.0.0/8"], not "["10.0.0.0/33"]" (LHSPN_SERVER_TRUST_PROXY)',
  ],
  [
    'a rate without a time',
    { text: '[rateLimit]\nregister = "600"' },
    'rateLimit.register: must be requests in a time from 1s to 1h, such as "600/1m", not "600"',
  ],
  [
    'a share of nothing',
    { text: '[dispatcher]\nmismatchShare = 0' },
    'dispatcher.mismatchShare: must be a share above 0, up to 1 (off), not 0',
  ],
  ['an admin key in the file', { text: 'adminKey = "0123456789abcdef0123456789abcdef"' }, 'adminKey: no such key'],
  [
    'a short admin key, which is not shown',
    { variables: { LHSPN_ADMIN_KEY: 'hush' } },
    'adminKey: must be text of 32 printable characters or more, without spaces, not "[redacted]" (LHSPN_ADMIN_KEY)',
  ],
  [
    'a legacy endpoint for nobody',
    { text: '[legacy]\nenabled = true' },
    'legacy.app: missing; it names the app whose devices come to the legacy endpoint',
  ],
  [
    'a legacy endpoint for an unknown app',
    { text: '[legacy]\nenabled = true\napp = "com.example.ap"\n[[apps]]\ntopic = "com.example.app"' },
    'legacy.app: must be one of the apps, not "com.example.ap"; did you mean com.example.app?',
  ],
  [
    'several faults at once',
    { text: 'x = 1\n[sender]\nattempts = 0\n[log]\nlvel = 1' },
    'x: no such key',
    'log.lvel: no such key; did you mean log.level?',
    'sender.attempts: must be a whole number from 1 to 100, not 0',
  ],
])('%s is refused', ([, sources, ...faults]) => {
  expect(faultsOf(sources)).toEqual(faults)
})

test('the message lists every fault and names the file', () => {
  expect(() => parseConfig({ text: 'x = 1\n[sender]\nattempts = 0', file: 'lhspn.toml' })).toThrow(
    'lhspn.toml has 2 faults:\n  x: no such key\n  sender.attempts: must be a whole number from 1 to 100, not 0',
  )
})

test('a fault of syntax names line and column, and shows nothing of the text', () => {
  const faults = faultsOf({ text: '[log]\nlevel = "hush', file: 'lhspn.toml' })
  expect(faults).toHaveLength(1)
  expect(faults[0]).toMatch(/^lhspn\.toml:2:\d+: no valid TOML: /)
  expect(faults[0]).not.toContain('hush')
})

test('variables of others are left alone', () => {
  const variables = {
    LHSPN_PORT: 'tcp://10.0.0.1:80',
    LHSPN_APP_SERVICE_HOST: '10.0.0.1',
    LHSPN_APP_PORT_8080_TCP_ADDR: '10.0.0.1',
    LHSPN_TEST_MYSQL_URL: 'mysql://',
    LHSPN_CONFIG: 'x.toml',
    PATH: '/bin',
  }
  expect(faultsOf({ variables })).toEqual([])
})

test('a relative SQLite file is relative to the configuration, or to the working directory', () => {
  const text = '[database]\nurl = "sqlite:data/lhspn.db"'
  expect(parseConfig({ text, file }).database.url).toBe('sqlite:/etc/lhspn/data/lhspn.db')
  expect(parseConfig({ text: '', file }).database.url).toBe('sqlite:/etc/lhspn/lhspn.db')
  expect(parseConfig().database.url).toBe(`sqlite:${resolve('lhspn.db')}`)
  expect(parseConfig({ text, file, variables: { LHSPN_DATABASE_URL: 'sqlite:x.db' } }).database.url).toBe(
    `sqlite:${resolve('x.db')}`,
  )
  expect(parseConfig({ text: '[database]\nurl = "sqlite::memory:"', file }).database.url).toBe('sqlite::memory:')
})

test('secrets of the database and the admin key reach the program, and nobody who looks', () => {
  const variables = {
    LHSPN_DATABASE_URL: 'mysql://lhspn:hu@sh@db.internal/push',
    LHSPN_DATABASE_PASSWORD: 'hush',
    LHSPN_ADMIN_KEY: '0123456789abcdef0123456789abcdef',
  }
  const { database, adminKey, settings } = parseConfig({ variables })
  expect([database.url, database.password, adminKey]).toEqual(Object.values(variables))
  const shown = settings.filter(({ origin }) => origin === 'environment').map(({ value }) => value)
  expect(shown).toEqual(['mysql://lhspn:[redacted]@db.internal/push', '[redacted]', '[redacted]'])
})

test('the URL of the queue reaches the program whole, people without its password, and an empty one is none', () => {
  const variables = { LHSPN_QUEUE_URL: 'redis://user:hush@redis.internal:6379/1' }
  expect(parseConfig({ variables }).queue.url).toBe(variables.LHSPN_QUEUE_URL)
  expect(settingOf({ variables }, 'queue.url')).toBe(
    'redis://[redacted]@redis.internal:6379/1 environment LHSPN_QUEUE_URL',
  )
  expect(parseConfig({ variables: { LHSPN_QUEUE_URL: '' } }).queue.url).toBeUndefined()
})

test('the proxy reaches the program whole, and people without its user and password', () => {
  const variables = { LHSPN_SENDER_PROXY: 'http://user:hush@proxy.internal:3128' }
  expect(parseConfig({ variables }).sender.proxy).toBe(variables.LHSPN_SENDER_PROXY)
  expect(settingOf({ variables }, 'sender.proxy')).toBe(
    'http://[redacted]@proxy.internal:3128 environment LHSPN_SENDER_PROXY',
  )
})

test('a signing key is known by the name that Apple gave its file, or by keyId', () => {
  const text = app('teamId = "DEF123GHIJ"', 'key = "keys/AuthKey_ABC123DEFG.p8"', 'sandboxKey = "sandbox.p8"')
  const { apps } = parseConfig({ text: `${text}\nsandboxKeyId = "SBX123DEFG"`, file })
  expect(apps).toEqual([
    {
      topic: 'a.b',
      teamId: 'DEF123GHIJ',
      key: '/etc/lhspn/keys/AuthKey_ABC123DEFG.p8',
      keyId: 'ABC123DEFG',
      sandboxKey: '/etc/lhspn/sandbox.p8',
      sandboxKeyId: 'SBX123DEFG',
    },
  ])
})

test.for<[what: string, key: Record<string, string>, stored: string, keyId: string]>([
  ['as a file', { LHSPN_APP_KEY_FILE: 'AuthKey_ABC123DEFG.p8' }, resolve('AuthKey_ABC123DEFG.p8'), 'ABC123DEFG'],
  [
    'as its text',
    { LHSPN_APP_KEY: '-----BEGIN PRIVATE KEY-----', LHSPN_APP_KEY_ID: 'ABC123DEFG' },
    '-----BEGIN PRIVATE KEY-----',
    'ABC123DEFG',
  ],
])('the environment alone may configure an app with a signing key, %s', ([, given, key, keyId]) => {
  const variables = { LHSPN_APP_TOPIC: 'a.b', LHSPN_APP_TEAM_ID: 'DEF123GHIJ', ...given }
  expect(parseConfig({ variables }).apps).toEqual([{ topic: 'a.b', teamId: 'DEF123GHIJ', key, keyId }])
  expect(parseConfig({ variables }).settings.some(({ value }) => String(value).includes('BEGIN'))).toBe(false)
})

test('a list is an array in the file, and has commas in a variable', () => {
  const text = '[server]\ntrustProxy = ["10.0.0.0/8", "::1"]\n[[apps]]\ntopic = "a.b"\ntrustedAttributes = ["userId"]'
  const fromFile = parseConfig({ text })
  expect(fromFile.server.trustProxy).toEqual(['10.0.0.0/8', '::1'])
  expect(fromFile.apps).toEqual([{ topic: 'a.b', trustedAttributes: ['userId'] }])
  const variables = { LHSPN_SERVER_TRUST_PROXY: '10.0.0.0/8, ::1', LHSPN_APP_TRUSTED_ATTRIBUTES: 'userId,accountId' }
  const fromVariables = parseConfig({ text, variables })
  expect(fromVariables.server.trustProxy).toEqual(['10.0.0.0/8', '::1'])
  expect(fromVariables.apps[0]?.trustedAttributes).toEqual(['userId', 'accountId'])
  expect(settingOf({ text, variables }, 'server.trustProxy')).toBe(
    '["10.0.0.0/8","::1"] environment LHSPN_SERVER_TRUST_PROXY',
  )
})

test.for([
  ['/', ''],
  ['/push', '/push'],
  ['/push/v2/', '/push/v2'],
])('the base path %s stands before every path as "%s"', ([basePath, stored]) => {
  expect(parseConfig({ text: `[server]\nbasePath = "${basePath}"` }).server.basePath).toBe(stored)
})

test('a _FILE variable gives the content of the file, without its last line end', () => {
  const variables = { LHSPN_LOG_LEVEL_FILE: '/run/level' }
  expect(parseConfig({ variables, readFile: (path) => (path === '/run/level' ? 'warn\n' : '') }).log.level).toBe('warn')
})

test('the environment alone may configure an app; its paths are relative to the working directory', () => {
  const variables = {
    LHSPN_APP_TOPIC: 'com.example.app',
    LHSPN_APP_CERTIFICATE_FILE: 'push.p12',
    LHSPN_APP_PASSPHRASE: 'true',
    LHSPN_APP_SANDBOX_GATEWAY: '[::1]:2195',
    LHSPN_APP_CA: '-----BEGIN CERTIFICATE-----',
  }
  expect(parseConfig({ variables }).apps).toEqual([
    {
      topic: 'com.example.app',
      certificate: resolve('push.p12'),
      passphrase: 'true',
      sandboxGateway: '[::1]:2195',
      ca: '-----BEGIN CERTIFICATE-----',
    },
  ])
  expect(settingOf({ variables }, 'apps[0].passphrase')).toBe('[redacted] environment LHSPN_APP_PASSPHRASE')
  expect(settingOf({ variables }, 'apps[0].ca')).toBe('[redacted] environment LHSPN_APP_CA')
})

test('the environment changes the only app of the file, or the one of its topic, or adds one', () => {
  const text = '[[apps]]\ntopic = "a.b"\ngateway = "file:1"\ncertificate = "keys/push.pem"'
  const gateways = (variables: Record<string, string>): string[] =>
    parseConfig({ text, file, variables }).apps.map(
      ({ topic, gateway, certificate }) => `${topic} ${gateway} ${certificate}`,
    )
  const ofFile = '/etc/lhspn/keys/push.pem'
  expect(gateways({})).toEqual([`a.b file:1 ${ofFile}`])
  expect(gateways({ LHSPN_APP_GATEWAY: 'env:1' })).toEqual([`a.b env:1 ${ofFile}`])
  expect(gateways({ LHSPN_APP_TOPIC: 'a.b', LHSPN_APP_GATEWAY: 'env:1' })).toEqual([`a.b env:1 ${ofFile}`])
  expect(gateways({ LHSPN_APP_TOPIC: 'a.c', LHSPN_APP_GATEWAY: 'env:1' })).toEqual([
    `a.b file:1 ${ofFile}`,
    'a.c env:1 undefined',
  ])
})
