import { access } from 'node:fs/promises'

import { expect, test } from 'vitest'

import { lhspn, objectsOf, Running } from './lhspn.ts'

test('shows the main job, with figures that agree on both sides, and leaves nothing behind', async () => {
  const { code, stdout, stderr } = await lhspn(['demo'])
  expect([code, stderr]).toEqual([0, ''])
  for (const line of [
    /\n {2}1 registered 1,000 devices through PUT \/v1\/devices +\d+\.\d s; the registry has 1,000\n/,
    /\n {2}2 sent to plan=pro: 601 devices\n[\s\S]*\n +accepted +584 +584 of them taken, each once\n/,
    /\n +unregistered +11 +11, as scripted \(11\)\n/,
    /\n +refused 6 devices, /,
    /\n +removed 10 devices, kept 1 that registered again after Apple's timestamp; the registry has 990\n/,
    /\n {2}3 sent to all: 984 devices, with trouble on the way\n[\s\S]*\n +accepted +984 +984 of them taken, each once\n/,
    /\n +on the way: 1 GOAWAY, 1 refused stream, 1 told to wait \(429\), /,
    /\n {2}4 over the binary gateway: sent to 250 other devices, with trouble on the way\n/,
    /\n +on the way: 1 shutdown, 1 processing error, 1 cut, /,
    /\n +read the feedback service: 4 devices, the simulator handed out 4; read again: 0\n/,
    /\n +removed 3 devices, kept 1 that registered again\n/,
    /\n {2}5 killed the dispatcher in the middle of a push to all, \d+ of 984 taken; started it again\n +0 lost, \d+ twice: /,
    /\n {2}6 lhspn explain ConnectionLost: /,
  ]) {
    expect(stdout).toMatch(line)
  }
  const [, config = ''] = /configuration (\S+)/.exec(stdout) ?? []
  await expect(access(config)).rejects.toThrow('ENOENT')
})

test('--json: the figures of each step', async () => {
  const ended = await lhspn(['--json', 'demo'])
  expect([ended.code, ended.stderr]).toEqual([0, ''])
  const [, registered, , filtered, , all, , gateway, feedback, killed, explained] = objectsOf(ended)
  expect(registered).toMatchObject({ step: 1, registered: 1000, stored: 1000 })
  expect(filtered).toMatchObject({
    step: 2,
    planned: 601,
    accepted: 584,
    rejected: 6,
    unregistered: 11,
    unconfirmed: 0,
    remaining: 0,
    wrong: [],
    answers: { BadDeviceToken: 6, Unregistered: 11 },
    refused: 6,
    removed: 10,
    kept: 1,
    left: 990,
  })
  expect(all).toMatchObject({
    step: 3,
    planned: 984,
    accepted: 984,
    acceptedTakenOnce: 984,
    taken: 984,
    violations: 0,
    wrong: [],
    answers: { TooManyRequests: 1 },
  })
  expect(gateway).toMatchObject({
    step: 4,
    planned: 250,
    rejected: 1,
    remaining: 0,
    wrong: [],
    answers: { ProcessingError: 1, InvalidToken: 1, Shutdown: 1 },
  })
  expect(feedback).toMatchObject({ step: 4, handedOut: 4, read: 4, removed: 3, kept: 1, again: 0, left: 247 })
  expect(killed).toMatchObject({
    step: 5,
    devices: 984,
    lost: 0,
    counts: { planned: 984, accepted: 984, remaining: 0 },
  })
  expect(explained).toMatchObject({ step: 6, reason: 'ConnectionLost' })
})

test.runIf(process.platform === 'linux')('on a terminal it stays up to look around, until Ctrl-C', async () => {
  const terminal = new Running(['demo'], { terminal: true })
  await terminal.until(/Ctrl-C ends it/)
  const hint = /--config (\S+) send --to (\w+) --to (\w+) --to (\w+)/
  const [, config = '', taken = '', refused = '', gone = ''] = await terminal.until(hint)
  const [, key = '', url = ''] = await terminal.until(/Bearer (\w+)' '(\S+)'/)
  const listed = await fetch(url, { headers: { authorization: `Bearer ${key}` } })
  expect(await listed.json()).toMatchObject({ count: 1237 })
  const sent = await lhspn(['--config', config, 'send', '--to', taken, '--to', refused, '--to', gone, 'Hello'])
  expect(sent.code).toBe(3)
  expect(sent.stdout).toMatch(/\n +rejected +1 {2}BadDeviceToken 1 .*\n +unregistered +1 {2}Unregistered 1 /)
  const shown = await lhspn(['--config', config, 'devices', 'show', gone])
  expect(shown).toMatchObject({ code: 4, stdout: expect.stringContaining('APNs said that the token is dead') })
  const feedback = await lhspn(['--config', config, '--json', 'feedback', '--environment', 'sandbox'])
  expect(objectsOf(feedback).at(-1)).toMatchObject({ read: 4, removed: 4, kept: 0 })
  terminal.write('\u0003')
  expect(await terminal.ended()).toMatchObject({ code: 0 })
  await expect(access(config)).rejects.toThrow('ENOENT')
})
