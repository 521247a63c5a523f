import { createLogger, openService, parseConfig } from '@lhspn/service'
import { expect, test } from 'vitest'

import {
  forEachCase,
  gatewayInstallation,
  lhspn,
  objectsOf,
  register,
  Running,
  simulatedInstallation,
  tokenOf,
  type TestInstallation,
} from './lhspn.ts'

const good = tokenOf(1)
const bad = tokenOf(2)
const refusing = { rules: [{ when: { token: bad }, do: { status: 8 } }] } as const

interface Push {
  readonly id: string
  readonly state: string
}

async function send(installation: TestInstallation, ...flags: readonly string[]): Promise<Push> {
  const ended = await lhspn(['--config', installation.config, '--json', 'send', ...flags, 'Hello'])
  const [push] = objectsOf(ended) as Push[]
  if (push === undefined) throw new Error(`nothing was stored: ${ended.stderr}`)
  return push
}

test('pushes are listed, newest first, by state and app; one is shown with all that it is', async () => {
  const installation = await gatewayInstallation(refusing)
  const pushes = ['--config', installation.config, 'pushes']
  const none = await lhspn([...pushes, 'list'])
  expect(none).toMatchObject({ code: 0, stdout: '', stderr: 'There is no such push.\n' })
  const sent = await send(installation, '--to', good, '--to', bad)
  const stored = await send(
    installation,
    '--to',
    good,
    '--at',
    '2099-01-01T00:00:00Z',
    '--detach',
    '--badge',
    'increment',
  )
  const listed = objectsOf(await lhspn(['--json', ...pushes, 'list']))
  expect(listed).toEqual([expect.objectContaining({ ...stored }), sent])
  const scheduled = await lhspn([...pushes, 'list', '--state', 'scheduled', '--app', 'com.example.app'])
  expect(scheduled.stdout).toMatch(
    new RegExp(
      `^id +created .*\\n${stored.id} .* +1 +0 {2}com\\.example\\.app +scheduled for 2099-01-01T00:00:00\\.000Z\\n$`,
    ),
  )
  const shown = await lhspn([...pushes, 'show', sent.id])
  expect(shown.code).toBe(0)
  for (const line of [
    new RegExp(`^${sent.id} {2}2 notifications .* 2 / 2`),
    /\n +rejected +1 {2}InvalidToken 1 +lhspn explain InvalidToken\n/,
    /\n +state +completed\n/,
    /\n +payload +\{"aps":\{"alert":"Hello"\}\}\n/,
  ]) {
    expect(shown.stdout).toMatch(line)
  }
  expect(objectsOf(await lhspn(['--json', ...pushes, 'show', sent.id]))).toEqual([sent])
})

test('a push is canceled; what has ended cannot be paused: exit 2; what is not there: exit 4', async () => {
  const installation = await gatewayInstallation()
  const pushes = ['--config', installation.config, 'pushes']
  const { id } = await send(installation, '--to', good, '--at', '+1h', '--detach')
  const paused = await lhspn([...pushes, 'pause', id])
  expect(paused).toMatchObject({ code: 0, stdout: `${id}  paused (operator)  0 / 1\n` })
  const resumed = objectsOf(await lhspn(['--json', ...pushes, 'resume', id]))
  expect(resumed).toMatchObject([{ id, state: 'scheduled', pausedBecause: null }])
  expect(await lhspn([...pushes, 'cancel', id])).toMatchObject({ code: 0, stdout: `${id}  canceled  0 / 1\n` })
  const late = await lhspn(['--json', ...pushes, 'pause', id])
  expect([late.code, JSON.parse(late.stderr)]).toMatchObject([2, { code: 'state-conflict' }])
  const unknown = await lhspn([...pushes, 'show', 'psh_01KAX3Q9V6F4D1ZJ8W3M5N7P9R'])
  expect(unknown).toMatchObject({ code: 4, stderr: expect.stringContaining('There is no push') })
  const mistyped = await lhspn([...pushes, 'list', '--state', 'pausd'])
  expect(mistyped).toMatchObject({ code: 2, stderr: expect.stringContaining('did you mean paused?') })
})

test('what has paused a push is told: exit 5; resumed, it goes on: refused content, a grown audience, a chunk that ends its processes', async () => {
  const rules = [{ when: {}, do: { status: 413, reason: 'PayloadTooLarge' } }] as const
  const installation = await simulatedInstallation({ provider: { rules } })
  const { config, directory, simulator } = installation
  const pushes = ['--config', config, '--json', 'pushes']
  await using service = await openService(
    parseConfig({ text: `[database]\nurl = "sqlite:${directory}/lhspn.db"`, variables: {} }),
    { log: createLogger({ level: 'silent', format: 'json', isTerminal: false, stream: process.stderr }) },
  )
  const { database, store } = service
  await store.save([{ app: 'com.example.app', token: good }])
  const sent = await lhspn(['--config', config, '--json', 'send', '--to', good, 'Hello'])
  expect(sent).toMatchObject({ code: 5, stderr: expect.stringContaining('lhspn explain PayloadTooLarge') })
  const [refused] = objectsOf(sent) as [Push]
  expect(refused).toMatchObject({ state: 'paused', pausedBecause: 'content', counts: { remaining: 1 } })
  const grown = await send(installation, '--all', '--max-audience', '1', '--at', '2099-01-01T00:00:00Z', '--detach')
  await store.save([{ app: 'com.example.app', token: bad }])
  const deadly = await send(installation, '--to', good, '--detach')
  await database.execute('UPDATE push SET send_at = 1 WHERE send_at IS NOT NULL')
  // what processes that end leave behind: a lease that ran out, the fifth
  await database.execute(
    'UPDATE chunk SET state = 1, owner = 1, lease_until = 1, leases = 5 WHERE push_number = (SELECT MAX(number) FROM push)',
  )
  simulator.script({})
  const worker = new Running(['--config', config, 'work'])
  const followed = ({ id }: Push) => lhspn([...pushes, 'show', id, '--follow'])
  const paused = await Promise.all([grown, deadly].map(followed))
  expect(paused.map((ended) => [ended.code, objectsOf(ended).at(-1)])).toMatchObject([
    [5, { state: 'paused', pausedBecause: 'audience-too-large' }],
    [5, { state: 'paused', pausedBecause: 'fault' }],
  ])
  const all = [refused, grown, deadly]
  await forEachCase(all, async ({ id }) => expect(await lhspn([...pushes, 'resume', id])).toMatchObject({ code: 0 }))
  await forEachCase(all, async (push) => {
    const ended = await followed(push)
    expect([ended.code, objectsOf(ended).at(-1)]).toMatchObject([0, { state: 'completed', counts: { remaining: 0 } }])
  })
  expect([simulator.journal.acceptedTimes(good), simulator.journal.acceptedTimes(bad)]).toEqual([3, 1])
  worker.kill('SIGTERM')
  expect(await worker.ended()).toMatchObject({ code: 0 })
})

test('what became of each notification: by outcome and reason, as text, JSON and CSV', async () => {
  const installation = await gatewayInstallation(refusing)
  const { id } = await send(installation, '--to', good, '--to', bad)
  const args = ['--config', installation.config, 'pushes', 'notifications', id]
  const record = { id: expect.any(String), push: id, token: bad, outcome: 'rejected', reason: 'InvalidToken' }
  expect(objectsOf(await lhspn(['--json', ...args, '--outcome', 'rejected']))).toEqual([
    { ...record, remedy: expect.stringContaining('environment') },
  ])
  expect(objectsOf(await lhspn(['--json', ...args, '--reason', 'InvalidToken']))).toMatchObject([record])
  const text = await lhspn(args)
  expect(text.stdout).toMatch(
    new RegExp(`^token +outcome +reason\\n${good} {2}accepted\\n${bad} {2}rejected +InvalidToken\\n$`),
  )
  const csv = await lhspn([...args, '--csv'])
  expect(csv.stdout.split('\n').map((line) => line.split(',').slice(1, 5).join(','))).toEqual([
    'push,token,outcome,reason',
    `${id},${good},accepted,`,
    `${id},${bad},rejected,InvalidToken`,
    '',
  ])
  const wrong = await lhspn([...args, '--outcome', 'lost'])
  expect(wrong).toMatchObject({ code: 2, stderr: expect.stringContaining('--outcome: must be one of') })
})

test('show --follow tells each change, to the end, while somebody else delivers', async () => {
  const installation = await gatewayInstallation(refusing)
  const { id } = await send(installation, '--to', good, '--to', bad, '--detach')
  const following = new Running(['--config', installation.config, '--json', 'pushes', 'show', id, '--follow'])
  await following.until(/"state"/)
  const worker = new Running(['--config', installation.config, 'work'])
  const ended = await following.ended()
  expect(ended).toMatchObject({ code: 3, stderr: '' })
  const changes = objectsOf(ended) as Push[]
  expect([changes[0]?.state, changes.at(-1)]).toMatchObject(['queued', { state: 'completed', counts: { accepted: 1 } }])
  worker.kill('SIGTERM')
  expect(await worker.ended()).toMatchObject({ code: 0, stdout: '' })
})

test('a token is explained: registered, refused and why, its last notifications; removed; unknown: exit 4', async () => {
  const installation = await gatewayInstallation(refusing)
  const explain = ['--config', installation.config, 'explain']
  await register(installation.config, [{ token: good }, { token: bad }])
  const { id } = await send(installation, '--all', '--max-audience', '2')
  const [device] = objectsOf(await lhspn(['--json', ...explain, bad.toUpperCase()]))
  expect(device).toMatchObject({
    app: 'com.example.app',
    token: bad,
    device: { refused: { reason: 'InvalidToken', push: id } },
    tombstone: null,
    notifications: [{ push: id, outcome: 'rejected', reason: 'InvalidToken' }],
  })
  const text = await lhspn([...explain, bad])
  expect(text.stdout).toMatch(
    new RegExp(`^${bad}\\n +it stands +registered .*, production\\n +but +refused .* by push ${id}`),
  )
  expect(text.stdout).toMatch(
    new RegExp(`\\nlast notifications\\n {2}${id} {2}[0-9a-f-]{36} {2}rejected {2}InvalidToken`),
  )
  await lhspn(['--config', installation.config, 'devices', 'delete', good])
  const removed = await lhspn([...explain, good])
  expect(removed).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/it stands +removed .*: somebody asked for it/),
  })
  const unknown = await lhspn([...explain, tokenOf(9)])
  expect(unknown).toMatchObject({ code: 4, stderr: expect.stringContaining('has no such device') })
})

test('a notification is explained by its id: what became of it, and what to do', async () => {
  const installation = await gatewayInstallation(refusing)
  const { id: push } = await send(installation, '--to', good, '--to', bad)
  const listed = await lhspn(['--config', installation.config, '--json', 'pushes', 'notifications', push])
  const [, { id } = { id: '' }] = objectsOf(listed) as { id: string }[]
  const explained = await lhspn(['--config', installation.config, 'explain', id])
  expect(explained.code).toBe(0)
  expect(explained.stdout).toMatch(
    new RegExp(
      `^${id}\\n +push +${push}\\n +token +${bad}\\n +what became of it +rejected: InvalidToken\\n +what to do +\\S`,
    ),
  )
  const unknown = await lhspn(['--config', installation.config, 'explain', '01234567-89ab-8def-8123-456789abcdef'])
  expect(unknown).toMatchObject({ code: 4, stderr: expect.stringContaining('No notification with the id') })
})
