import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { lhspn, objectsOf, register, Running, simulatedInstallation, tokenOf } from './lhspn.ts'

const taken = tokenOf(1)
const gone = tokenOf(2)
const back = tokenOf(3)
const refused = tokenOf(4)
const since = Date.UTC(2020, 0, 31)
const unregistered = { status: 410, reason: 'Unregistered', timestamp: since }
const bad = { status: 400, reason: 'BadDeviceToken' }
const answering = {
  provider: {
    rules: [
      { when: { token: gone }, do: unregistered },
      { when: { token: back }, do: unregistered },
      { when: { token: refused }, do: bad },
    ],
  },
}

test('an alert goes out with headers that the dry run has shown before', async () => {
  const { config, simulator } = await simulatedInstallation()
  const flags = ['--to', taken, '--collapse-id', 'sale-31', '--priority', '5', '--expiration', '2099-01-01T00:00:00Z']
  const args = ['--config', config, '--json', 'send', ...flags, 'Hello']
  const [preview] = objectsOf(await lhspn([...args, '--dry-run'])) as { headers: Record<string, string> }[]
  expect(simulator.journal.connections).toBe(0)
  expect(preview).toMatchObject({ interface: 'provider-api', count: 1, collapseId: 'sale-31', payloadBytes: 25 })
  expect(await lhspn(args)).toMatchObject({ code: 0 })
  const [request] = simulator.journal.requests()
  expect(request?.token).toBe(taken)
  expect(new TextDecoder().decode(request?.payload)).toBe('{"aps":{"alert":"Hello"}}')
  const { ':path': path, ...headers } = preview?.headers ?? {}
  expect(path).toBe('/3/device/ab0000…0001')
  expect(request?.headers).toMatchObject(headers)
  expect(Object.keys(request?.headers ?? {}).toSorted()).toEqual(
    [':path', ...Object.keys(headers), 'apns-id', 'authorization'].toSorted(),
  )
  expect(simulator.journal.violations()).toEqual([])
})

test('--dry-run shows the headers to people too, without a whole token', async () => {
  const { config, simulator } = await simulatedInstallation()
  const args = ['send', '--to', taken, '--type', 'voip', '--data', 'call=7', '--expiration', '0', '--dry-run']
  const ended = await lhspn(['--config', config, ...args])
  expect(ended.code).toBe(0)
  expect(ended.stdout).toContain(`sent to     the provider API ${simulator.provider}\n`)
  for (const line of [':path: /3/device/ab0000…0001', 'apns-topic: com.example.app.voip', 'apns-expiration: 0']) {
    expect(ended.stdout).toContain(`\n    ${line}\n`)
  }
  expect(ended.stdout).not.toContain(taken)
})

test('a Live Activity is sent from a file, with its topic and priority', async () => {
  const { config, directory, simulator } = await simulatedInstallation()
  const payload = join(directory, 'activity.json')
  await writeFile(payload, '{"aps":{"event":"update","timestamp":1700000000,"content-state":{"score":"2:1"}}}')
  const args = ['send', '--to', taken, '--type', 'liveactivity', '--payload', payload]
  expect(await lhspn(['--config', config, ...args])).toMatchObject({ code: 0 })
  expect(simulator.journal.requests()[0]?.headers).toMatchObject({
    'apns-topic': 'com.example.app.push-type.liveactivity',
    'apns-push-type': 'liveactivity',
    'apns-priority': '10',
  })
})

test('what only the provider API can is refused for an environment on a gateway: exit 2', async () => {
  const { config, simulator } = await simulatedInstallation()
  const flags = ['--environment', 'sandbox', '--collapse-id', 'x', '--priority', '1', '--type', 'voip']
  const ended = await lhspn(['--config', config, 'send', '--to', taken, ...flags, 'Hello'])
  expect(ended.code).toBe(2)
  for (const flag of ['--collapse-id', '--priority', '--type']) expect(ended.stderr).toContain(`\n  ${flag}: `)
  expect(simulator.journal.connections).toBe(0)
})

test('devices from which the app is gone are removed, unless they registered since; rejected ones are refused', async () => {
  const { config } = await simulatedInstallation(answering)
  const updatedAt = '2020-01-30T00:00:00.000Z'
  await register(config, [
    ...[taken, gone, refused].map((token) => ({ token, environment: 'production', updatedAt })),
    { token: back, environment: 'production' },
  ])
  const ended = await lhspn(['--config', config, '--json', 'send', '--all', '--max-audience', '4', 'Hello'])
  expect(ended.code).toBe(3)
  const [push] = objectsOf(ended) as { id: string }[]
  expect(push).toMatchObject({
    counts: { planned: 4, accepted: 1, rejected: 1, unregistered: 2, unconfirmed: 0, remaining: 0 },
    reasons: { BadDeviceToken: 1, Unregistered: 2 },
  })
  const args = ['--config', config, 'pushes', 'notifications', push?.id ?? '']
  const records = objectsOf(await lhspn([...args, '--json'])) as { token: string }[]
  expect(records.find(({ token }) => token === gone)).toEqual({
    id: expect.stringMatching(/^[0-9a-f-]{36}$/),
    push: push?.id,
    token: gone,
    outcome: 'unregistered',
    reason: 'Unregistered',
    since: expect.stringMatching(/Z$/),
    remedy: expect.stringContaining('Remove the token'),
  })
  const listed = objectsOf(await lhspn(['--config', config, '--json', 'devices', 'list'])) as { token: string }[]
  expect(listed.map(({ token }) => token).toSorted()).toEqual([taken, back, refused])
  expect(await lhspn(['--config', config, 'devices', 'show', gone])).toMatchObject({ code: 4 })
})

test('a refused key: exit 5, the push is paused, and what to do', async () => {
  const rules = [{ when: {}, do: { status: 403, reason: 'InvalidProviderToken' } }]
  const { config } = await simulatedInstallation({ provider: { rules } })
  const ended = await lhspn(['--config', config, '--json', 'send', '--to', taken, 'Hello'])
  expect(ended.code).toBe(5)
  expect(JSON.parse(ended.stderr)).toMatchObject({ code: 'push-paused', status: 422 })
  expect(objectsOf(ended)).toMatchObject([{ state: 'paused', pausedBecause: 'credentials', counts: { remaining: 1 } }])
})

test.for([
  { status: 429, reason: 'TooManyRequests', retryAfter: 3600 },
  { status: 503, reason: 'ServiceUnavailable', retryAfter: 3600 },
])('where Apple asks to wait for long ($reason), the push waits, and a signal leaves it to others', async (answer) => {
  const { config, simulator } = await simulatedInstallation({ provider: { rules: [{ when: {}, do: answer }] } })
  const running = new Running(['--config', config, '--json', 'send', '--to', taken, 'Hello'])
  await simulator.journal.waitFor((journal) => journal.requests().length > 0)
  running.kill('SIGINT')
  const ended = await running.ended()
  expect(ended.code).toBe(130)
  expect(objectsOf(ended)).toMatchObject([{ state: 'running', counts: { planned: 1, remaining: 1 } }])
})

test('an app without credentials can neither send nor preview: exit 5', async () => {
  const { directory } = await simulatedInstallation()
  const config = join(directory, 'bare.toml')
  await writeFile(config, '[[apps]]\ntopic = "com.example.app"\n')
  for (const more of [[], ['--dry-run']]) {
    const ended = await lhspn(['--config', config, 'send', '--to', taken, ...more, 'Hello'])
    expect(ended).toMatchObject({ code: 5, stderr: expect.stringContaining('teamId') })
  }
})

test('the feedback service is the gateway’s: exit 2 for an environment on the provider API', async () => {
  const { config, simulator } = await simulatedInstallation()
  const ended = await lhspn(['--config', config, 'feedback'])
  expect(ended).toMatchObject({ code: 2, stderr: expect.stringContaining('sending removes the devices') })
  expect(simulator.journal.feedbackReads).toBe(0)
})
