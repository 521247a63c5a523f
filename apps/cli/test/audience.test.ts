import { expect, test } from 'vitest'

import {
  forEachCase,
  lhspn,
  objectsOf,
  register,
  Running,
  gatewayInstallation,
  type TestInstallation,
  tokenOf,
} from './lhspn.ts'

/** Plan and age of devices 1 to 5; the fifth is in the sandbox. */
const DEVICES = [
  { token: tokenOf(1), attributes: { plan: 'pro', age: 31 } },
  { token: tokenOf(2), attributes: { plan: 'pro', age: '31', beta: true } },
  { token: tokenOf(3), attributes: { plan: 'free', age: 31 } },
  { token: tokenOf(4), attributes: {} },
  { token: tokenOf(5), environment: 'sandbox', attributes: { plan: 'pro' } },
]

async function withDevices(...args: Parameters<typeof gatewayInstallation>): Promise<TestInstallation> {
  const installation = await gatewayInstallation(...args)
  await register(installation.config, DEVICES)
  return installation
}

test('flags choose exactly the devices that match, by type, of the environment', async () => {
  const { config, simulator } = await withDevices()
  const cases: [flags: string[], numbers: number[]][] = [
    [['--all'], [1, 2, 3, 4]],
    [
      ['--where', 'plan=pro'],
      [1, 2],
    ],
    [['--where', 'plan=pro', '--where', 'age:=31'], [1]],
    [['--where', 'age=31'], [2]],
    [
      ['--any', 'plan=free', '--any', 'beta:=true'],
      [2, 3],
    ],
    [['--not', 'plan=pro', '--not', 'plan=free'], [4]],
    [['--where', 'plan=pro', '--any', 'age=31', '--any', 'age:=31', '--not', 'beta:=true'], [1]],
    [
      ['--filter', '{"any":[["plan","free"],{"all":[["plan","pro"],{"not":["beta",true]}]}]}'],
      [1, 3],
    ],
  ]
  for (const [flags, numbers] of cases) {
    const before = new Map(DEVICES.map(({ token }) => [token, simulator.journal.acceptedTimes(token)]))
    const sent = await lhspn(['--config', config, 'send', ...flags, '--max-audience', '4', 'Hi'])
    expect([flags, sent.code]).toEqual([flags, 0])
    const reached = DEVICES.filter(({ token }) => simulator.journal.acceptedTimes(token) > (before.get(token) ?? 0))
    expect([flags, reached.map(({ token }) => token)]).toEqual([flags, numbers.map(tokenOf)])
  }
})

test('--dry-run counts and samples, and sends nothing', async () => {
  const { config, simulator } = await withDevices()
  const ended = await lhspn(['--config', config, '--json', 'send', '--where', 'plan=pro', '--dry-run', 'Hi'])
  expect(ended).toMatchObject({ code: 0, stderr: '' })
  expect(objectsOf(ended)).toEqual([expect.objectContaining({ count: 2, sample: ['ab0000…0001', 'ab0000…0002'] })])
  const tooLarge = await lhspn(['--config', config, 'send', '--all', '--max-audience', '3', '--dry-run', 'Hi'])
  expect(tooLarge).toMatchObject({ code: 2, stderr: expect.stringContaining('4 devices') })
  expect(simulator.journal.connections).toBe(0)
})

test('--dry-run counts whom a push reaches, and the payload with the greatest badge', async () => {
  const { config } = await gatewayInstallation({ rules: [{ when: { token: tokenOf(2) }, do: { status: 8 } }] })
  const devices = [1, 2, 3].map((number) => ({ token: tokenOf(number), platform: number === 3 ? 'android' : 'ios' }))
  await register(config, devices)
  const send = ['--config', config, '--json', 'send', '--all', '--max-audience', '2', '--badge', 'increment', 'Hi']
  const counts = async (): Promise<object[]> =>
    objectsOf(await lhspn([...send, '--dry-run'])).map((shown) => {
      const { count, sample, payloadBytes } = shown as Record<'count' | 'sample' | 'payloadBytes', unknown>
      return { count, sample, payloadBytes }
    })
  const payloadBytes = '{"aps":{"alert":"Hi","badge":4294967295}}'.length
  expect(await counts()).toEqual([{ count: 2, sample: ['ab0000…0001', 'ab0000…0002'], payloadBytes }])
  // the second one is refused from now on
  expect(objectsOf(await lhspn(send))).toMatchObject([{ counts: { planned: 2, accepted: 1, rejected: 1 } }])
  expect(await counts()).toEqual([{ count: 1, sample: ['ab0000…0001'], payloadBytes }])
})

test('--badge increment counts each device up, and sends its own number', async () => {
  const { config, simulator } = await gatewayInstallation()
  await register(config, [{ token: tokenOf(1), badge: 6 }, { token: tokenOf(2) }])
  const flags = ['--badge', 'increment', '--sound', 'default']
  const sent = await lhspn(['--config', config, 'send', '--all', '--max-audience', '2', ...flags])
  expect(sent.code).toBe(0)
  const payloads = simulator.journal
    .entries()
    .filter(({ verdict }) => verdict === 'accepted')
    .map(({ payload }): unknown => JSON.parse(new TextDecoder().decode(payload)))
  expect(payloads).toEqual([{ aps: { badge: 7, sound: 'default' } }, { aps: { badge: 1, sound: 'default' } }])
  const shown = await lhspn(['--config', config, '--json', 'devices', 'show', tokenOf(1)])
  expect(objectsOf(shown)).toEqual([expect.objectContaining({ badge: 7 })])
})

test('an empty audience: exit 0, and stderr says so', async () => {
  const { config, simulator } = await withDevices()
  const ended = await lhspn(['--config', config, 'send', '--where', 'plan=gold', '--max-audience', '1', 'Hi'])
  expect(ended).toMatchObject({ code: 0, stderr: 'No device matches: nothing was sent.\n' })
  expect(simulator.journal.connections).toBe(0)
})

test('more devices than --max-audience: exit 2, a problem, and nothing is sent', async () => {
  const { config, simulator } = await withDevices()
  const ended = await lhspn(['--config', config, '--json', 'send', '--all', '--max-audience', '3', 'Hi'])
  expect(ended).toMatchObject({ code: 2, stdout: '' })
  expect(JSON.parse(ended.stderr)).toMatchObject({ type: '/problems/audience-too-large', code: 'audience-too-large' })
  expect(simulator.journal.connections).toBe(0)
})

test('without a terminal --all and filters need --max-audience; tokens do not: exit 2', async () => {
  const { config, simulator } = await withDevices()
  for (const flags of [['--all'], ['--where', 'plan=pro'], ['--filter', '["plan","pro"]']]) {
    const ended = await lhspn(['--config', config, 'send', ...flags, 'Hi'])
    expect(ended).toMatchObject({ code: 2, stderr: expect.stringContaining('--max-audience: missing') })
  }
  expect(simulator.journal.connections).toBe(0)
})

const REFUSED = [
  [['--all', '--to', tokenOf(1)], '--to: cannot stand beside --all or a filter'],
  [['--all', '--where', 'a=b', '--max-audience', '1'], '--to: cannot stand beside'],
  [[], '--to: missing'],
  [['--where', 'plan', '--max-audience', '1'], '--where: must be KEY=VALUE or KEY:=JSON, not "plan"'],
  [['--where', 'plan:=[1]', '--max-audience', '1'], '--where: plan:=[1]: Must be text, a number, true or false.'],
  [['--not', 'a:={', '--max-audience', '1'], '--not: a is no valid JSON'],
  [['--filter', '{"al":[]}', '--max-audience', '1'], '--filter: Must be a pair'],
  [['--filter', '[', '--max-audience', '1'], '--filter: no valid JSON'],
  [['--filter', '["a","b"]', '--any', 'c=d', '--max-audience', '1'], '--filter: cannot stand beside --where'],
  [['--all', '--max-audience', 'many'], '--max-audience: Must be a whole number'],
  [['--to', '-', '--max-audience', '1'], '--max-audience: cannot stand beside --to -'],
] as const

test('bad choices are refused, and say why: exit 2', async () => {
  const { config } = await gatewayInstallation()
  await forEachCase(REFUSED, async ([flags, fault]) => {
    const ended = await lhspn(['--config', config, 'send', ...flags, 'Hi'])
    expect({ flags, ...ended }).toMatchObject({
      flags,
      code: 2,
      stdout: '',
      stderr: expect.stringContaining(`\n  ${fault}`),
    })
  })
})

test.runIf(process.platform === 'linux')('on a terminal --all asks to type the count', async () => {
  const { config, simulator } = await withDevices()
  const wrong = new Running(['--config', config, 'send', '--all', 'Hi'], { terminal: true })
  await wrong.until(/4 devices of com\.example\.app, production\. Type the count to send: /)
  wrong.write('yes\n')
  expect(await wrong.ended()).toMatchObject({ code: 2, stdout: expect.stringContaining('nothing was sent') })
  const left = new Running(['--config', config, 'send', '--all', 'Hi'], { terminal: true })
  await left.until(/Type the count/)
  left.write('\u0003')
  expect(await left.ended()).toMatchObject({ code: 130 })
  expect(simulator.journal.accepted).toBe(0)
  const right = new Running(['--config', config, 'send', '--all', 'Hi'], { terminal: true })
  await right.until(/Type the count/)
  right.write('4\n')
  expect(await right.ended()).toMatchObject({ code: 0 })
  expect(simulator.journal.accepted).toBe(4)
})

test.runIf(process.platform === 'linux')(
  'on a terminal a small filter asks nothing, one above 1,000 does, and --no-input needs the limit',
  async () => {
    const { config, simulator } = await withDevices()
    const filter = ['--config', config, 'send', '--where', 'plan=pro', 'Hi']
    expect(await new Running(filter, { terminal: true }).ended()).toMatchObject({ code: 0 })
    expect(simulator.journal.accepted).toBe(2)
    const unasked = new Running(['--no-input', ...filter], { terminal: true })
    expect(await unasked.ended()).toMatchObject({ code: 2, stdout: expect.stringContaining('--max-audience: missing') })
    const many = Array.from({ length: 999 }, (_, at) => ({ token: tokenOf(100 + at), attributes: { plan: 'pro' } }))
    await register(config, many)
    const asked = new Running(filter, { terminal: true })
    await asked.until(/1,001 devices of .* Type the count/)
    asked.write('1,001\n')
    expect(await asked.ended()).toMatchObject({ code: 0 })
    expect(simulator.journal.accepted).toBe(1003)
  },
)

test('so many rejected tokens that it must be the wrong environment: exit 5, the remedy, and no device is refused before it is resumed', async () => {
  const { config } = await gatewayInstallation({ rules: [{ when: { every: 5 }, do: { status: 8 } }] })
  const devices = Array.from({ length: 300 }, (_, at) => ({ token: tokenOf(at) }))
  await register(config, devices)
  const ended = await lhspn(['--config', config, '--json', 'send', '--all', '--max-audience', '300', 'Hi'])
  expect(ended.code).toBe(5)
  expect(JSON.parse(ended.stderr)).toMatchObject({
    code: 'push-paused',
    detail: expect.stringContaining('other environment'),
  })
  expect(objectsOf(ended)).toMatchObject([
    { state: 'paused', pausedBecause: 'environment-mismatch', counts: { planned: 300 } },
  ])
  const refusedDevices = async () =>
    objectsOf(await lhspn(['--config', config, '--json', 'devices', 'list', '--refused', 'true']))
  expect(await refusedDevices()).toEqual([])
  const [{ id }] = objectsOf(ended) as [{ readonly id: string }]
  expect(await lhspn(['--config', config, 'pushes', 'resume', id])).toMatchObject({ code: 0 })
  const worker = new Running(['--config', config, 'work'])
  const followed = await lhspn(['--config', config, '--json', 'pushes', 'show', id, '--follow'])
  expect(followed.code).toBe(3)
  const { state, counts } = objectsOf(followed).at(-1) as { state: string; counts: { rejected: number } }
  expect([state, counts]).toMatchObject(['completed', { planned: 300, remaining: 0 }])
  // somebody has looked: now the marks are made
  expect(await refusedDevices()).toHaveLength(counts.rejected)
  worker.kill('SIGTERM')
  expect(await worker.ended()).toMatchObject({ code: 0 })
})
