import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { createServer as createProxy } from 'node:http'
import { createSecureServer } from 'node:http2'
import { type AddressInfo, connect } from 'node:net'

import { createCertificates, type Script, type Simulator, startSimulator } from '@lhspn/apns-simulator'
import { openSigningKey } from '@lhspn/sender'
import { expect, onTestFinished, test } from 'vitest'

import { parseConfig, probe, type Probe } from '../src/index.ts'
import { probeProvider } from '../src/probe/provider-probe.ts'
import { addressOf } from '../src/probe/reach.ts'

const certificates = await createCertificates()
const otherAuthority = await createCertificates()
const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' })

async function simulatorFor(script: Script = {}): Promise<Simulator> {
  const simulator = await startSimulator({ certificates, script })
  onTestFinished(() => simulator.close())
  return simulator
}

/** Probes an app in production that is configured by variables alone. */
function probeOf(variables: Readonly<Record<string, string>>): Promise<Probe> {
  const config = parseConfig({
    variables: { LHSPN_APP_TOPIC: 'com.example.app', LHSPN_APP_CA: certificates.ca, ...variables },
  })
  const [app] = config.apps
  if (app === undefined) throw new Error('there is no app')
  return probe(config, app, 'production')
}

function keyOf({ signingKey: { keyId, teamId, key } }: Simulator): Record<string, string> {
  return { LHSPN_APP_KEY_ID: keyId, LHSPN_APP_TEAM_ID: teamId, LHSPN_APP_KEY: key }
}

const byCertificate = { LHSPN_APP_CERTIFICATE: certificates.client }

async function portOf(server: {
  listen(port: number, host: string): unknown
  address(): unknown
  close(): unknown
}): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server as never, 'listening')
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

async function closedPort(): Promise<number> {
  const server = createProxy()
  const port = await portOf(server)
  await new Promise((closed) => server.close(closed))
  return port
}

test('the good answer to a token that cannot exist is BadDeviceToken: the credentials were taken', async () => {
  const simulator = await simulatorFor({
    provider: { rules: [{ when: {}, do: { status: 400, reason: 'BadDeviceToken' } }] },
  })
  for (const credentials of [keyOf(simulator), byCertificate]) {
    const {
      connection,
      credentials: found,
      clock,
    } = await probeOf({
      ...credentials,
      LHSPN_APP_PROVIDER: simulator.provider,
    })
    expect(connection).toEqual({
      verdict: 'ok',
      found: `${simulator.provider} reached over TLSv1.3, HTTP/2`,
    })
    expect(found).toEqual({
      verdict: 'ok',
      taken: true,
      found:
        'answered with BadDeviceToken, status 400, as is due for a token that cannot exist: the credentials were taken; the topic is proven only by a real device: lhspn send --to TOKEN',
    })
    expect(clock).toEqual({ verdict: 'ok', found: 'agrees with that of 127.0.0.1' })
  }
  expect(simulator.journal.violations()).toEqual([])
})

test('a simulator that takes everything has taken the credentials', async () => {
  const simulator = await simulatorFor()
  const { credentials } = await probeOf({ ...keyOf(simulator), LHSPN_APP_PROVIDER: simulator.provider })
  expect(credentials).toMatchObject({ verdict: 'ok', taken: true, found: expect.stringContaining('200') })
})

test('a key that Apple does not know for this team is refused', async () => {
  const simulator = await simulatorFor()
  const { credentials } = await probeOf({
    ...keyOf(simulator),
    LHSPN_APP_KEY: stranger.toString(),
    LHSPN_APP_PROVIDER: simulator.provider,
  })
  expect(credentials).toMatchObject({
    verdict: 'fail',
    taken: false,
    found: expect.stringContaining('InvalidProviderToken'),
    remedy: expect.stringContaining('team id'),
  })
})

test.for<[status: number, reason: string | undefined, verdict: string, taken: boolean | undefined, remedy: RegExp]>([
  [403, 'ExpiredProviderToken', 'fail', false, /^Set the clock of this machine/],
  [403, 'BadEnvironmentKeyIdInToken', 'fail', false, /key of this environment/],
  [403, 'BadCertificateEnvironment', 'fail', false, /certificate of this environment/],
  [400, 'TopicDisallowed', 'fail', false, /covers the app/],
  [403, 'NobodyKnowsThis', 'fail', false, /key or certificate/],
  [403, undefined, 'fail', false, /key or certificate/],
  [400, 'BadTopic', 'fail', undefined, /bundle id/],
  [503, 'ServiceUnavailable', 'warn', undefined, /after a while/],
  [502, undefined, 'warn', undefined, /after a while/],
])('answer %s %s: %s, with a remedy', async ([status, reason, verdict, taken, remedy]) => {
  const action = reason === undefined ? { status } : { status, reason }
  const simulator = await simulatorFor({ provider: { rules: [{ when: {}, do: action }] } })
  const { credentials } = await probeOf({ ...keyOf(simulator), LHSPN_APP_PROVIDER: simulator.provider })
  expect(credentials).toMatchObject({ verdict, found: expect.stringContaining(reason ?? `${status}`) })
  expect(credentials?.taken).toBe(taken)
  expect(credentials?.remedy).toMatch(remedy)
})

test.for<[what: string, provider: NonNullable<Script['provider']>, found: RegExp, taken: boolean | undefined]>([
  [
    'says in a GOAWAY why',
    { rules: [{ when: {}, do: { goaway: 'zero', reason: 'BadCertificateEnvironment' } }] },
    /ended the connection with BadCertificateEnvironment: /,
    false,
  ],
  ['closes the connection', { rules: [{ when: {}, do: 'close' }] }, /ended without an answer/, undefined],
  ['resets the stream', { rules: [{ when: {}, do: { reset: 2 } }] }, /ended without an answer/, undefined],
  ['does not answer', { rules: [{ when: {}, do: 'silent' }] }, /no answer came in time/, undefined],
  [
    'refuses the certificate with a TLS alert',
    { connections: [{ nth: { from: 1 }, do: 'tls-alert' }] },
    /was refused with .*alert/,
    false,
  ],
])('a provider API that %s', async ([, provider, found, taken]) => {
  const simulator = await simulatorFor({ provider })
  const { connection, credentials } = await probeOf({
    ...byCertificate,
    LHSPN_APP_PROVIDER: simulator.provider,
    LHSPN_SENDER_REQUEST_TIMEOUT: '1s',
  })
  expect(connection.verdict).toBe('ok')
  expect(credentials).toMatchObject({
    verdict: 'fail',
    found: expect.stringMatching(found),
    remedy: expect.any(String),
  })
  expect(credentials?.taken).toBe(taken)
})

test('what stands between us and a provider API is told, with what to do', async () => {
  const simulator = await simulatorFor()
  const away = `127.0.0.1:${await closedPort()}`
  const byKey = keyOf(simulator)
  for (const [variables, found, remedy] of [
    [{ LHSPN_APP_PROVIDER: 'no.such.host.invalid' }, /not known to DNS/, /DNS/],
    [{ LHSPN_APP_PROVIDER: away }, /ECONNREFUSED/, /network/],
    [{ LHSPN_APP_PROVIDER: simulator.provider, LHSPN_APP_CA: otherAuthority.ca }, /not trusted/, /ca/],
    [{ LHSPN_APP_PROVIDER: simulator.gateway, ...byCertificate }, /ALPN "h2"/, /proxies/],
  ] as const) {
    const isKey = !('LHSPN_APP_CERTIFICATE' in variables)
    const shown = await probeOf({ ...(isKey && byKey), ...variables })
    expect(shown.credentials).toBeUndefined()
    expect(shown.connection).toMatchObject({ verdict: 'fail', found: expect.stringMatching(found) })
    expect(shown.connection.remedy).toMatch(remedy)
  }
})

test('where the port of HTTPS is closed, the other one of Apple’s is tried', async () => {
  const simulator = await simulatorFor()
  const { host, port } = addressOf(simulator.provider)
  const credentials = openSigningKey(simulator.signingKey.key, simulator.signingKey)
  const options = { host, port: await closedPort(), topic: 'com.example.app', credentials, ca: certificates.ca }
  const timeoutMs = 5000
  expect(await probeProvider({ ...options, timeoutMs, substitutePort: port })).toMatchObject({
    kind: 'unreachable',
    openPort: port,
  })
  const both = await probeProvider({ ...options, timeoutMs, substitutePort: options.port })
  expect(both).not.toHaveProperty('openPort')
})

test('a clock that differs from the server’s is told', async () => {
  const { cert, key } = certificates.server
  const server = createSecureServer({ cert, key }, (_request, response) => {
    response.setHeader('date', new Date(Date.now() + 90_000).toUTCString())
    response.writeHead(400).end('{"reason":"BadDeviceToken"}')
  })
  const { clock } = await probeOf({ ...byCertificate, LHSPN_APP_PROVIDER: `127.0.0.1:${await portOf(server)}` })
  expect(clock).toMatchObject({
    verdict: 'warn',
    found: expect.stringMatching(/^is (8\d|90) s behind that of 127\.0\.0\.1$/),
    remedy: expect.stringContaining('NTP'),
  })
})

test('the proxy is gone through, and what it refuses is told without its password', async () => {
  const simulator = await simulatorFor()
  const proxy = createProxy()
  proxy.on('connect', ({ url = '', headers }, socket) => {
    if (headers['proxy-authorization'] === undefined) return socket.end('HTTP/1.1 407 No\r\n\r\n')
    const { host, port } = addressOf(url)
    const server = connect(port, host, () => socket.write('HTTP/1.1 200 OK\r\n\r\n'))
    server.pipe(socket).pipe(server)
    socket.on('error', () => server.destroy())
    server.on('error', () => socket.destroy())
    return undefined
  })
  const address = `127.0.0.1:${await portOf(proxy)}`
  const variables = { ...keyOf(simulator), LHSPN_APP_PROVIDER: simulator.provider }
  const through = await probeOf({ ...variables, LHSPN_SENDER_PROXY: `http://user:hush@${address}` })
  expect(through.connection.found).toBe(`${simulator.provider} reached over TLSv1.3, HTTP/2, through the proxy`)
  expect(through.credentials?.taken).toBe(true)
  const refused = await probeOf({ ...variables, LHSPN_SENDER_PROXY: `http://${address}` })
  expect(refused.connection).toMatchObject({ verdict: 'fail', found: expect.stringContaining('407') })
  expect(JSON.stringify([through, refused])).not.toContain('hush')
})

test('a binary gateway is asked by a confirmation barrier', async () => {
  const simulator = await simulatorFor()
  const shown = await probeOf({ ...byCertificate, LHSPN_APP_GATEWAY: simulator.gateway })
  expect(shown).toMatchObject({ interface: 'gateway', connection: { verdict: 'ok' }, credentials: { taken: true } })
  expect(simulator.journal.counts()).toMatchObject({ accepted: 0, barrier: 1 })
})

test('an app without credentials is not probed', async () => {
  await expect(probeOf({})).rejects.toMatchObject({ code: 'app-not-configured' })
})
