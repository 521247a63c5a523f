import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { startSimulator } from '@lhspn/apns-simulator'
import { afterAll, beforeAll, expect, test } from 'vitest'

const root = new URL('..', import.meta.url)
let directory: string
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'lhspn-examples-'))
})
afterAll(() => rm(directory, { recursive: true }))

function start(example: string, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): ChildProcess {
  const node = ['--conditions=lhspn-source', '--import', 'tsx', example, ...args]
  return spawn(process.execPath, node, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

/** What an example printed until it ended. */
async function output(example: ChildProcess): Promise<string> {
  let printed = ''
  example.stdout?.setEncoding('utf8').on('data', (text: string) => (printed += text))
  const [code] = await once(example, 'close')
  expect(code, `${example.spawnargs.at(-1)} printed: ${printed}`).toBe(0)
  return printed
}

/** A simulator in this process, and the environment that leads an example to it. */
async function realServers(script = {}) {
  const simulator = await startSimulator({ script })
  const [certificate, ca] = [join(directory, 'push.p12'), join(directory, 'ca.pem')]
  await writeFile(certificate, simulator.certificates.p12('open sesame', 'modern'))
  await writeFile(ca, simulator.certificates.ca)
  const { gateway: GATEWAY, feedback: FEEDBACK } = simulator
  return { simulator, env: { GATEWAY, FEEDBACK, CERTIFICATE: certificate, PASSPHRASE: 'open sesame', CA: ca } }
}

test('each example has a script of its name and a line in the README', async () => {
  const { scripts } = JSON.parse(await readFile(new URL('package.json', root), 'utf8')) as { scripts: object }
  const readme = await readFile(new URL('README.md', root), 'utf8')
  const named = Object.keys(scripts).filter((name) => name !== 'typecheck')
  expect(named).toEqual(['send-with-key', 'send-to-list', 'send-one-with-p12', 'read-feedback', 'broadcast'])
  for (const name of named) {
    expect(Reflect.get(scripts, name)).toContain(` ${name}.ts`)
    expect(readme).toContain(`(${name}.ts)`)
  }
})

test('send-with-key, simulated: one device has gone', async () => {
  const printed = await output(start('send-with-key.ts'))
  expect(printed).toMatch(/^0a0a0a…0a0a: accepted, apns-id [0-9a-f-]{36}$/m)
  expect(printed).toMatch(/^0b0b0b…0b0b: unregistered \(Unregistered\) since 2025-01-31T00:00:00.000Z, apns-id /m)
})

test('send-with-key: sends to the provider API that it is given, through the proxy that it is given', async () => {
  const simulator = await startSimulator()
  const { signingKey, provider, certificates } = simulator
  const [key, ca] = [join(directory, `AuthKey_${signingKey.keyId}.p8`), join(directory, 'ca.pem')]
  await writeFile(key, signingKey.key)
  await writeFile(ca, certificates.ca)
  const tunnels: string[] = []
  const proxy = createServer().on('connect', (request, client) => {
    tunnels.push(request.url ?? '')
    const [host, port] = provider.split(':')
    const server = connect(Number(port), host, () => client.write('HTTP/1.1 200 Connection established\r\n\r\n'))
    server.pipe(client).pipe(server)
    // whoever ends it, the other side is of no use then
    server.on('error', () => client.destroy())
    client.on('error', () => server.destroy())
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  const { port } = proxy.address() as AddressInfo
  const env = { KEY: key, TEAM: signingKey.teamId, APP: 'com.example.app', PROVIDER: provider, CA: ca }
  const args = ['--proxy', `http://127.0.0.1:${port}`, 'aabb']
  expect(await output(start('send-with-key.ts', args, env))).toMatch(/^aabb: accepted, apns-id /)
  expect(tunnels).toEqual([provider])
  const [request] = simulator.journal.requests()
  expect(request?.headers).toMatchObject({ 'apns-topic': 'com.example.app', 'apns-collapse-id': 'match-31' })
  expect(simulator.journal.violations()).toEqual([])
  proxy.close()
  await simulator.close()
})

test('send-to-list, simulated: groups by outcome', async () => {
  const printed = await output(start('send-to-list.ts'))
  expect(printed).toContain('rejected (InvalidToken): bad0bad0bad0bad0\n')
  expect(printed).toContain('accepted: 0a0a0a0a0a0a0a0a, 0b0b0b0b0b0b0b0b\n')
})

test('send-to-list: sends the tokens it is given to the gateway it is given', async () => {
  const { simulator, env } = await realServers()
  expect(await output(start('send-to-list.ts', ['AABB', 'ccdd'], env))).toBe('accepted: aabb, ccdd\n')
  expect([...simulator.journal.acceptedTokens()]).toEqual(['aabb', 'ccdd'])
  await simulator.close()
})

test('send-one-with-p12, simulated', async () => {
  const printed = await output(start('send-one-with-p12.ts'))
  expect(printed).toContain('certificate for com.example.app, valid until ')
  expect(printed).toContain('740f47…5894: accepted')
})

test('send-one-with-p12: a rejection is told with its reason', async () => {
  const { simulator, env } = await realServers({ rules: [{ when: { token: 'aabb' }, do: { status: 8 } }] })
  expect(await output(start('send-one-with-p12.ts', ['aabb'], env))).toContain('aabb: rejected (InvalidToken)')
  expect(simulator.journal.accepted).toBe(0)
  await simulator.close()
})

test('read-feedback, simulated and real', async () => {
  expect(await output(start('read-feedback.ts'))).toMatch(
    /^0a0a.* is gone since 2023-11-14T22:13:20.000Z\n0b0b.*\n2 devices\n$/,
  )
  const { simulator, env } = await realServers({ feedback: [{ at: 0, token: 'aabb' }] })
  expect(await output(start('read-feedback.ts', [], env))).toBe(
    'aabb is gone since 1970-01-01T00:00:00.000Z\n1 devices\n',
  )
  expect(simulator.journal.feedbackReads).toBe(1)
  await simulator.close()
})

test('broadcast: sends a file of tokens', async () => {
  const { simulator, env } = await realServers()
  const file = join(directory, 'tokens')
  const tokens = Array.from({ length: 2500 }, (_, index) => index.toString(16).padStart(8, '0'))
  await writeFile(file, tokens.join('\n'))
  expect(await output(start('broadcast.ts', [file], env))).toContain('done: {"accepted":2500,')
  expect([...simulator.journal.acceptedTokens()].toSorted()).toEqual(tokens)
  await simulator.close()
})

test('broadcast: Ctrl-C ends an endless one, and nothing is left without an outcome', async () => {
  const broadcast = start('broadcast.ts', [], { DEVICES: '1e12' })
  broadcast.stdout?.once('data', () => broadcast.kill('SIGINT'))
  const printed = await output(broadcast)
  const [, accepted, rejected, unconfirmed, unsent] =
    /ended by Ctrl-C: {"accepted":(\d+),"rejected":(\d+),"unregistered":0,"unconfirmed":(\d+),"unsent":(\d+)}/.exec(
      printed,
    ) ?? []
  expect([rejected, unconfirmed]).toEqual(['0', '0'])
  expect(Number(accepted)).toBeGreaterThanOrEqual(20_000)
  expect(Number(unsent)).toBeGreaterThan(0)
})
