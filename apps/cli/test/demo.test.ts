import { access } from 'node:fs/promises'

import { expect, test } from 'vitest'

import { lhspn, objectsOf, Running } from './lhspn.ts'

test('shows the main job, with figures that agree on both sides, and leaves nothing behind', async () => {
  const { code, stdout, stderr } = await lhspn(['demo'])
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout).toMatch(
    /\n {2}1 registered 1,000 devices through PUT \/v1\/devices +\d+\.\d s; the registry has 1,000\n/,
  )
  expect(stdout).toMatch(
    /\n {2}2 sent to plan=pro: 601 devices\n[\s\S]*\n +accepted +595 +595 of them taken, each once\n/,
  )
  expect(stdout).toMatch(/\n +refused: 6 devices/)
  expect(stdout).toMatch(/\n {2}3 read the feedback service: 11 devices, the simulator handed out 11; read again: 0\n/)
  expect(stdout).toMatch(/\n +removed 10 devices, kept 1 that registered again .*; the registry has 990\n/)
  expect(stdout).toMatch(/\n {2}4 sent to all: 984 devices, with trouble on the way\n/)
  expect(stdout).toMatch(/\n {2}5 lhspn explain ConnectionLost: /)
  const [, config = ''] = /configuration (\S+)/.exec(stdout) ?? []
  await expect(access(config)).rejects.toThrow('ENOENT')
})

test('--json: the figures of each step', async () => {
  const ended = await lhspn(['--json', 'demo'])
  expect([ended.code, ended.stderr]).toEqual([0, ''])
  const [, registered, , filtered, feedback, , all, explained] = objectsOf(ended)
  expect(registered).toMatchObject({ step: 1, registered: 1000, stored: 1000 })
  expect(filtered).toMatchObject({ step: 2, sent: 601, accepted: 595, rejected: 6, refused: 6, wrong: [] })
  expect(feedback).toMatchObject({ step: 3, handedOut: 11, read: 11, removed: 10, kept: 1, again: 0, left: 990 })
  expect(all).toMatchObject({ step: 4, sent: 984, rejected: 1, unsent: 0, answers: { 1: 1, 8: 1, 10: 1 }, wrong: [] })
  expect(explained).toMatchObject({ step: 5, reason: 'ConnectionLost' })
})

test.runIf(process.platform === 'linux')('on a terminal it stays up to look around, until Ctrl-C', async () => {
  const terminal = new Running(['demo'], { terminal: true })
  await terminal.until(/Ctrl-C ends it/)
  const [, config = '', taken = '', refused = ''] = await terminal.until(
    /--config (\S+) send --environment sandbox --to (\w+) --to (\w+)/,
  )
  const [, key = '', url = ''] = await terminal.until(/Bearer (\w+)' '(\S+)'/)
  const listed = await fetch(url, { headers: { authorization: `Bearer ${key}` } })
  expect(await listed.json()).toMatchObject({ count: 990 })
  const sent = await lhspn([
    '--config',
    config,
    'send',
    '--environment',
    'sandbox',
    '--to',
    taken,
    '--to',
    refused,
    'Hello',
  ])
  expect(sent).toMatchObject({ code: 3, stdout: expect.stringMatching(/refused devices +1/) })
  const feedback = await lhspn(['--config', config, '--json', 'feedback', '--environment', 'sandbox'])
  expect(objectsOf(feedback).at(-1)).toMatchObject({ read: 11, removed: 11, kept: 0 })
  terminal.write('\u0003')
  expect(await terminal.ended()).toMatchObject({ code: 0 })
  await expect(access(config)).rejects.toThrow('ENOENT')
})
