import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { parsePushRequest } from '@lhspn/dispatcher'
import { createLogger, loadConfig, openService } from '@lhspn/service'
import { expect, test } from 'vitest'

import { SIMULATED_TOPIC } from '../src/simulated-installation.ts'
import { closedPort, lhspn, objectsOf, Running, gatewayInstallation, tokenOf } from './lhspn.ts'

const good = tokenOf(1)
const bad = tokenOf(2)
/** A stream that is slow is stored after a third of a lease. */
const SOON = { LHSPN_DISPATCHER_LEASE: '2s' }
const refusing = { rules: [{ when: { token: bad }, do: { status: 8 } }] }

const neverAnswers = { connections: [{ nth: { from: 1 }, do: 'half-open' }] } as const

interface Listed {
  readonly id: string
  readonly state: string
}

/** The newest push, once it is as it should be. */
async function newestPush(config: string, isMeant: (push: Listed) => boolean): Promise<Listed> {
  for (;;) {
    const [newest] = objectsOf(await lhspn(['--config', config, '--json', 'pushes', 'list'])) as Listed[]
    if (newest !== undefined && isMeant(newest)) return newest
  }
}

test('a text goes to one device: exit 0, and the payload is the alert', async () => {
  const { config, simulator } = await gatewayInstallation()
  const ended = await lhspn(['--config', config, 'send', '--to', good, 'Hello'])
  expect(ended.stderr).toBe('')
  expect(ended.stdout).toMatch(
    /^psh_[0-9A-Z]{26} {2}1 notification {2}com\.example\.app {2}production {2}1 \/ 1 {2}[\d,]+\/s\n {2}accepted +1\n/,
  )
  expect(ended.code).toBe(0)
  const sent = simulator.journal.entries().filter(({ verdict }) => verdict === 'accepted')
  expect(sent.map(({ token, payload }) => [token, new TextDecoder().decode(payload)])).toEqual([
    [good, '{"aps":{"alert":"Hello"}}'],
  ])
})

test('--detach stores the push and prints its id; work delivers it, and the same key is the same push', async () => {
  const { config, simulator } = await gatewayInstallation()
  const args = [
    '--config',
    config,
    'send',
    '--to',
    good,
    '--detach',
    '--idempotency-key',
    'sale-31',
    '--expiration',
    '2099-01-01T00:00:00Z',
    'Hello',
  ]
  const first = await lhspn(args)
  expect(first).toMatchObject({ code: 0, stdout: expect.stringMatching(/^psh_\w+\n$/) })
  expect(simulator.journal.connections).toBe(0)
  const again = await lhspn(args)
  expect(again).toMatchObject({ code: 0, stdout: first.stdout, stderr: expect.stringContaining('stored before') })
  const other = await lhspn([...args.slice(0, -1), 'Something else'])
  expect(other).toMatchObject({ code: 2, stderr: expect.stringContaining('idempotency key') })
  const id = first.stdout.trim()
  const worker = new Running(['--config', config, 'work'])
  const followed = await lhspn(['--config', config, 'pushes', 'show', id, '--follow'])
  expect(followed).toMatchObject({ code: 0, stdout: expect.stringMatching(/accepted +1\n/) })
  worker.kill('SIGINT')
  expect(await worker.ended()).toMatchObject({ code: 0 })
  expect(simulator.journal.acceptedTimes(good)).toBe(1)
})

test('what was stored before is the same push when its time has passed since; a new one is refused', async () => {
  const { config, simulator } = await gatewayInstallation()
  const sendAt = '2020-01-01T00:00:00Z'
  const args = ['--config', config, 'send', '--to', good, '--at', sendAt, '--idempotency-key', 'new year', 'Hello']
  const refused = { code: 2, stderr: expect.stringContaining('--at: Must not be in the past') }
  expect(await lhspn(args)).toMatchObject(refused)
  expect(await lhspn([...args, '--dry-run'])).toMatchObject(refused)
  const log = createLogger({ level: 'silent', format: 'json', isTerminal: false })
  await using service = await openService(loadConfig(config, {}), { log })
  const before = { app: SIMULATED_TOPIC, audience: { tokens: [good] }, payload: { aps: { alert: 'Hello' } }, sendAt }
  await service.dispatcher.submit(parsePushRequest(before, { now: 0 }), { idempotencyKey: 'new year' })
  expect(await lhspn(args)).toMatchObject({ code: 0, stderr: expect.stringContaining('stored before') })
  expect(simulator.journal.acceptedTimes(good)).toBe(1)
})

test('--at waits for its time; a signal leaves the push scheduled', async () => {
  const { config, simulator } = await gatewayInstallation()
  const running = new Running(['--config', config, '--json', 'send', '--to', good, '--at', '+1h', 'Hello'])
  const waiting = await newestPush(config, ({ state }) => state === 'scheduled')
  running.kill('SIGTERM')
  const ended = await running.ended()
  expect(ended.code).toBe(143)
  expect(objectsOf(ended)).toMatchObject([{ id: waiting.id, state: 'scheduled', counts: { planned: 1, remaining: 1 } }])
  expect(simulator.journal.connections).toBe(0)
})

test('a push that somebody cancels or pauses while it is followed: exit 3', async () => {
  for (const [change, state] of [
    ['cancel', 'canceled'],
    ['pause', 'paused'],
  ] as const) {
    const { config } = await gatewayInstallation(neverAnswers)
    const running = new Running(['--config', config, '--json', 'send', '--to', good, '--at', '+1h', 'Hello'])
    const { id } = await newestPush(config, () => true)
    expect(await lhspn(['--config', config, 'pushes', change, id])).toMatchObject({ code: 0 })
    const ended = await running.ended()
    expect(ended).toMatchObject({ code: 3, stderr: '' })
    expect(objectsOf(ended)).toMatchObject([{ id, state }])
  }
})

test('flags make up the payload', async () => {
  const { config, simulator } = await gatewayInstallation()
  const flags = '--title T --subtitle S --sound default --badge 3 --thread-id t --category c --data a=1 --data b:=1'
  const ended = await lhspn(['--config', config, 'send', '--to', good, ...flags.split(' '), 'Body'])
  expect(ended.code).toBe(0)
  const sent = simulator.journal.entries().find(({ verdict }) => verdict === 'accepted')
  expect(JSON.parse(new TextDecoder().decode(sent?.payload))).toEqual({
    aps: {
      alert: { title: 'T', subtitle: 'S', body: 'Body' },
      badge: 3,
      sound: 'default',
      'thread-id': 't',
      category: 'c',
    },
    a: '1',
    b: 1,
  })
})

test('not every notification accepted: exit 3, a count for each reason and where to read about it', async () => {
  const { config } = await gatewayInstallation(refusing)
  const ended = await lhspn(['--config', config, 'send', '--to', good, '--to', bad, '--to', tokenOf(3), 'Hello'])
  expect(ended.code).toBe(3)
  expect(ended.stdout).toMatch(/accepted +2\n/)
  expect(ended.stdout).toMatch(/rejected +1 {2}InvalidToken 1 +lhspn explain InvalidToken\n/)
  expect(ended.stderr).toMatch(/^Next: lhspn pushes notifications psh_\w+ --outcome rejected\n$/)
})

test('--json: the push as the API answers it', async () => {
  const { config } = await gatewayInstallation(refusing)
  const ended = await lhspn([
    '--config',
    config,
    '--json',
    'send',
    '--to',
    good,
    '--to',
    bad,
    '--rate',
    '1000',
    'Hello',
  ])
  expect(ended.code).toBe(3)
  expect(ended.stderr).toBe('')
  expect(objectsOf(ended)).toEqual([
    {
      id: expect.stringMatching(/^psh_/),
      app: 'com.example.app',
      environment: 'production',
      audience: { tokens: 2 },
      payload: { aps: { alert: 'Hello' } },
      pushType: 'alert',
      priority: 10,
      expiration: expect.stringMatching(/Z$/),
      collapseId: null,
      badge: null,
      sendAt: null,
      rate: 1000,
      maxAudience: null,
      onUnconfirmed: 'report',
      state: 'completed',
      pausedBecause: null,
      planning: false,
      counts: { planned: 2, accepted: 1, rejected: 1, unregistered: 0, unconfirmed: 0, remaining: 0 },
      reasons: { InvalidToken: 1 },
      createdAt: expect.any(String),
      startedAt: expect.any(String),
      completedAt: expect.any(String),
    },
  ])
})

test('a token that is typed twice is sent to once', async () => {
  const { config, simulator } = await gatewayInstallation()
  const ended = await lhspn(['--config', config, 'send', '--to', good, '--to', good.toUpperCase(), 'Hello'])
  expect(ended.stderr).toContain('1 of the tokens')
  expect(simulator.journal.acceptedTimes(good)).toBe(1)
})

test('tokens stream from stdin, while it is open, in any spelling', async () => {
  const { config, simulator } = await gatewayInstallation()
  const running = new Running(['--config', config, '--json', 'send', '--to', '-', 'Hello'], { variables: SOON })
  running.write(`${tokenOf(1)}\n<${tokenOf(2).toUpperCase()}>\r\n\n`)
  await simulator.journal.waitFor(({ accepted }) => accepted === 2)
  const ended = await running.end(tokenOf(3))
  expect(ended.code).toBe(0)
  expect(simulator.journal.accepted).toBe(3)
  expect(objectsOf(ended)).toMatchObject([{ state: 'completed', counts: { planned: 3, accepted: 3 } }])
})

test('stdin that is cut, since another process took the push over: exit 3, and after how many tokens', async () => {
  const { config, simulator } = await gatewayInstallation()
  const running = new Running(['--config', config, '--json', 'send', '--to', '-', 'Hello'], { variables: SOON })
  running.write(`${tokenOf(1)}\n${tokenOf(2)}\n`)
  await simulator.journal.waitFor(({ accepted }) => accepted === 2)
  const log = createLogger({ level: 'silent', format: 'json', isTerminal: false })
  await using service = await openService(loadConfig(config, {}), { log })
  // What `serve` does with a push whose process was stopped for longer than a lease.
  await service.store.database.execute('UPDATE push SET plan_owner = 1, planning = 0')
  running.write(`${tokenOf(3)}\n`)
  const ended = await running.ended()
  expect(ended.code).toBe(3)
  expect(objectsOf(ended)).toMatchObject([{ state: 'completed', counts: { planned: 2, accepted: 2 } }])
  expect(JSON.parse(ended.stderr)).toMatchObject({
    code: 'stream-cut',
    detail: expect.stringContaining('first 2 different'),
    remedy: expect.stringContaining('send the rest'),
  })
})

test('lines of stdin that are no tokens are told with their numbers; the others are sent to: exit 3', async () => {
  const { config, simulator } = await gatewayInstallation()
  const input = `${tokenOf(1)}\nno token\n${tokenOf(2)}\nabc\n`
  const ended = await lhspn(['--config', config, 'send', '--to', '-', 'Hello'], { input })
  expect(ended.code).toBe(3)
  expect(ended.stderr.split('\n')).toEqual([
    expect.stringMatching(/^--to line 2: /),
    expect.stringMatching(/^--to line 4: .*hex digits/),
    '2 lines of stdin had no device token; see above.',
    '',
  ])
  expect(simulator.journal.accepted).toBe(2)
})

test('a hundred thousand tokens stream through', async () => {
  const { config, simulator } = await gatewayInstallation({ rules: [{ when: { nth: 70_000 }, do: { status: 8 } }] })
  const running = new Running(['--config', config, '--json', 'send', '--to', '-', 'Hello'])
  for (let number = 0; number < 100_000; number += 1000) {
    running.write(Array.from({ length: 1000 }, (_, at) => `${tokenOf(number + at)}\n`).join(''))
  }
  const ended = await running.end()
  expect(ended.code).toBe(3)
  expect(objectsOf(ended).at(-1)).toMatchObject({ counts: { planned: 100_000, accepted: 99_999, rejected: 1 } })
  expect(simulator.journal.accepted).toBe(99_999)
})

test('no tokens at all: exit 0, and stderr says so', async () => {
  const { config } = await gatewayInstallation()
  const ended = await lhspn(['--config', config, 'send', '--to', '-', 'Hello'], { input: '\n' })
  expect(ended).toMatchObject({ code: 0, stderr: expect.stringContaining('nothing was sent') })
})

test('bad input is refused before anything is sent, every fault at once: exit 2', async () => {
  const { config, simulator } = await gatewayInstallation()
  const args = ['--to', good, '--to', 'xyz', '--badge', '-1', '--environment', 'prod', '--priority', '7']
  const delivery = ['--at', 'noon', '--rate', '0', '--idempotency-key', ' ']
  const ended = await lhspn(['--config', config, 'send', ...args, ...delivery, 'Hello'])
  expect(ended.code).toBe(2)
  for (const flag of ['--to', '--badge', '--environment', '--priority', '--at', '--rate', '--idempotency-key'])
    expect(ended.stderr).toContain(`\n  ${flag}: `)
  expect(ended.stderr).toContain('did you mean production?')
  expect(simulator.journal.connections).toBe(0)
})

test('--json: refused input is a problem object with every fault', async () => {
  const { config, directory } = await gatewayInstallation()
  const payload = join(directory, 'push.json')
  await writeFile(payload, '{"aps":{"badge":-1,"alert":"Hello"}}')
  const ended = await lhspn(['--config', config, '--json', 'send', '--to', 'xyz', '--payload', payload])
  expect(ended).toMatchObject({ code: 2, stdout: '' })
  expect(JSON.parse(ended.stderr)).toMatchObject({
    type: '/problems/invalid-request',
    status: 400,
    errors: [
      { flag: '--to', detail: expect.any(String) },
      { flag: '--payload', pointer: '/aps/badge', detail: expect.any(String) },
    ],
  })
})

test('--payload - takes the payload from stdin', async () => {
  const { config, simulator } = await gatewayInstallation()
  const input = '{"aps":{"alert":{"loc-key":"HELLO"}},"link":"/sale"}'
  const ended = await lhspn(['--config', config, 'send', '--to', good, '--payload', '-'], { input })
  expect(ended.code).toBe(0)
  const sent = simulator.journal.entries().find(({ verdict }) => verdict === 'accepted')
  expect(new TextDecoder().decode(sent?.payload)).toBe(input)
})

test('--dry-run shows count, bytes, payload and sample, and opens no connection', async () => {
  const { config, simulator } = await gatewayInstallation()
  const args = ['send', '--to', '-', '--expiration', '2099-01-01T00:00:00Z', '--dry-run', 'Hello']
  const input = `${tokenOf(1)}\nbad\n${tokenOf(2)}\n`
  const ended = await lhspn(['--config', config, '--json', ...args], { input })
  expect(ended.code).toBe(0)
  expect(objectsOf(ended)).toEqual([
    {
      app: 'com.example.app',
      environment: 'production',
      count: 2,
      refusedLines: 1,
      interface: 'gateway',
      pushType: 'alert',
      priority: 10,
      expiration: '2099-01-01T00:00:00.000Z',
      payloadBytes: 25,
      payload: { aps: { alert: 'Hello' } },
      sample: ['ab0000…0001', 'ab0000…0002'],
      warnings: [],
    },
  ])
  expect(simulator.journal.connections).toBe(0)
  const text = await lhspn(['--config', config, ...args], { input })
  expect(text.stdout).toContain('2 notifications  com.example.app  production  (dry run: nothing was sent)')
  expect(text.stdout).toContain('25 bytes  {"aps":{"alert":"Hello"}}')
})

test('an unknown app is named: exit 4', async () => {
  const { config } = await gatewayInstallation()
  const ended = await lhspn(['--config', config, 'send', '--app', 'com.example.ap', '--to', good, 'Hello'])
  expect(ended).toMatchObject({ code: 4, stderr: expect.stringContaining('did you mean com.example.app?') })
})

test('an environment without a gateway: exit 5, and the key that is missing', async () => {
  const { config } = await gatewayInstallation()
  const ended = await lhspn(['--config', config, 'send', '--environment', 'sandbox', '--to', good, 'Hello'])
  expect(ended).toMatchObject({ code: 5, stderr: expect.stringContaining('sandboxGateway') })
})

test('a refused certificate: exit 5, the push is paused, nothing is spent, and it can be resumed', async () => {
  const { config, simulator } = await gatewayInstallation({ connections: [{ nth: { from: 1 }, do: 'tls-alert' }] })
  const ended = await lhspn(['--config', config, '--json', 'send', '--to', good, 'Hello'])
  expect(ended.code).toBe(5)
  const [push] = objectsOf(ended) as { id: string }[]
  expect(push).toMatchObject({ state: 'paused', pausedBecause: 'credentials', counts: { planned: 1, remaining: 1 } })
  expect(JSON.parse(ended.stderr)).toMatchObject({
    code: 'push-paused',
    status: 422,
    remedy: expect.stringContaining(`lhspn pushes resume ${push?.id}`),
  })
  simulator.script({})
  const resumed = await lhspn(['--config', config, '--json', 'pushes', 'resume', push?.id ?? ''])
  expect(objectsOf(resumed)).toMatchObject([{ state: 'running', pausedBecause: null }])
  // whoever delivers next takes it up
  const worker = new Running(['--config', config, 'work'])
  await simulator.journal.waitFor(({ accepted }) => accepted === 1)
  worker.kill('SIGTERM')
  expect(await worker.ended()).toMatchObject({ code: 0, stdout: '' })
})

test('a gateway that is not trusted: exit 5', async () => {
  const { config } = await gatewayInstallation()
  await writeFile(config, (await readFile(config, 'utf8')).replace('ca = "ca.pem"', ''))
  const ended = await lhspn(['--config', config, 'send', '--to', good, 'Hello'])
  expect(ended).toMatchObject({ code: 5, stderr: expect.stringContaining('not trusted') })
})

test('a gateway that cannot be reached: stderr says what is tried, until somebody leaves it to others', async () => {
  const { config, simulator } = await gatewayInstallation()
  const nobody = `127.0.0.1:${await closedPort()}`
  await writeFile(config, (await readFile(config, 'utf8')).replace(simulator.gateway, nobody))
  const running = new Running(['--config', config, 'send', '--to', good, 'Hello'])
  await running.until(/The connection to .* failed.* Trying on\./)
  running.kill('SIGINT')
  const ended = await running.ended()
  expect(ended.code).toBe(130)
  expect(ended.stdout).toMatch(/ running\n[\s\S]* remaining +1\n/)
  expect(ended.stderr).toContain('What is left is stored')
})

test.for([
  { signal: 'SIGINT', code: 130 },
  { signal: 'SIGTERM', code: 143 },
] as const)(
  '$signal ends a stream: what is in flight settles, the summary is printed, exit $code',
  async ({ signal, code }) => {
    const { config, simulator } = await gatewayInstallation()
    const running = new Running(['--config', config, '--json', 'send', '--to', '-', 'Hello'], { variables: SOON })
    running.write(Array.from({ length: 10 }, (_, at) => `${tokenOf(at)}\n`).join(''))
    await simulator.journal.waitFor(({ accepted }) => accepted === 10)
    running.kill(signal)
    const ended = await running.ended()
    expect(ended.code).toBe(code)
    expect(objectsOf(ended).at(-1)).toMatchObject({ counts: { planned: 10, accepted: 10 } })
  },
)

test('a signal before anything was written leaves the push to others', async () => {
  const { config, simulator } = await gatewayInstallation(neverAnswers)
  const running = new Running(['--config', config, '--json', 'send', '--to', good, 'Hello'], {
    variables: { LHSPN_SENDER_QUIET_TIME: '100ms', LHSPN_SENDER_REQUEST_TIMEOUT: '1s' },
  })
  await simulator.journal.waitFor(({ connections }) => connections > 0)
  running.kill('SIGINT')
  const ended = await running.ended()
  expect(ended.code).toBe(130)
  const [push] = objectsOf(ended) as { counts: { remaining: number; unconfirmed: number } }[]
  expect(push).toMatchObject({ counts: { planned: 1, accepted: 0, rejected: 0 } })
  expect((push?.counts.remaining ?? 0) + (push?.counts.unconfirmed ?? 0)).toBe(1)
})

test('what stdin brings after a signal is not read; what was stored before goes on later', async () => {
  const { config, simulator } = await gatewayInstallation({ rules: [{ when: { token: good }, do: 'stall' }] })
  const running = new Running(['--config', config, 'send', '--to', '-', 'Hello'], {
    variables: { ...SOON, LHSPN_SENDER_REQUEST_TIMEOUT: '3s' },
  })
  running.write(`${good}\n`)
  await simulator.journal.waitFor((journal) => journal.entries().some(({ token }) => token === good))
  running.kill('SIGINT')
  // no answer comes to what is in flight; meanwhile somebody goes on writing
  await running.until(/Stopping/)
  running.write(`${tokenOf(7)}\n`)
  const ended = await running.ended()
  expect(ended.code).toBe(130)
  expect(ended.stdout).toMatch(/^psh_\w+ {2}1 notification .*\n +accepted +0\n[\s\S]* unconfirmed +1 {2}NoAnswer 1 /)
})

test('a second signal ends at once', async () => {
  const { config, simulator } = await gatewayInstallation(neverAnswers)
  const running = new Running(['--config', config, 'send', '--to', good, 'Hello'], {
    variables: { LHSPN_SENDER_QUIET_TIME: '1m', LHSPN_SENDER_REQUEST_TIMEOUT: '10m' },
  })
  await simulator.journal.waitFor(({ connections }) => connections > 0)
  running.kill('SIGINT')
  // it waits for the answer to its barrier, which never comes
  await running.until(/Once more ends at once/)
  running.kill('SIGINT')
  expect(await running.ended()).toMatchObject({ code: 130 })
})

test('a reader of stdout that leaves does not end the sending', async () => {
  const { config, simulator } = await gatewayInstallation({ rules: [{ when: {}, do: { status: 8 }, times: 1 }] })
  const running = new Running(['--config', config, '--json', 'send', '--to', '-', 'Hello'], { variables: SOON })
  running.closeStdout()
  running.write(`${tokenOf(1)}\n`)
  await simulator.journal.waitFor((journal) => journal.counts().rejected === 1)
  const ended = await running.end(`${tokenOf(2)}\n`)
  expect(ended).toMatchObject({ code: 3, stderr: '' })
  expect(simulator.journal.acceptedTimes(tokenOf(2))).toBe(1)
})

test('at an unknown position --on-unconfirmed resend sends again, report does not', async () => {
  const cut = { rules: [{ when: { token: good }, do: 'close', times: 1 }] } as const
  const reporting = await gatewayInstallation(cut)
  const reported = await lhspn(['--config', reporting.config, 'send', '--to', good, 'Hello'])
  expect(reported).toMatchObject({ code: 3, stdout: expect.stringMatching(/unconfirmed +1 {2}ConnectionLost 1/) })
  const resending = await gatewayInstallation(cut)
  const args = ['--config', resending.config, 'send', '--on-unconfirmed', 'resend', '--to', good, 'Hello']
  expect(await lhspn(args)).toMatchObject({ code: 0, stdout: expect.stringMatching(/accepted +1\n/) })
})

test('--verbose logs connections on stderr, without secrets or tokens', async () => {
  const { config } = await gatewayInstallation()
  const ended = await lhspn(['--config', config, '--verbose', 'send', '--to', good, 'Hello'])
  expect(ended.code).toBe(0)
  const [line = ''] = ended.stderr.split('\n')
  expect(JSON.parse(line)).toMatchObject({ level: 'debug', app: 'com.example.app', environment: 'production' })
})
