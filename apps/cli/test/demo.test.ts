import { access } from 'node:fs/promises'

import { expect, test } from 'vitest'

import { lhspn, objectsOf, Running } from './lhspn.ts'

test('shows the main job, with figures that agree on both sides, and leaves nothing behind', async () => {
  const { code, stdout, stderr } = await lhspn(['demo'])
  expect([code, stderr]).toEqual([0, ''])
  expect(stdout).toMatch(/\n {2}1 sent 6,000 notifications in one stream over TLS +\d+\.\d s, \d+ connections\n/)
  expect(stdout).toMatch(/\n +together +6,000 +/)
  expect(stdout).toMatch(/\n {2}3 read the feedback service: 8 devices, the simulator handed out 8; read again: 0\n/)
  expect(stdout).toMatch(/\n {2}4 lhspn explain ConnectionLost: /)
  const [, config = ''] = /configuration (\S+)/.exec(stdout) ?? []
  await expect(access(config)).rejects.toThrow('ENOENT')
})

test('--json: the figures of each step', async () => {
  const ended = await lhspn(['--json', 'demo'])
  expect([ended.code, ended.stderr]).toEqual([0, ''])
  const [, sent, figures, feedback, explained] = objectsOf(ended)
  expect(sent).toMatchObject({ step: 1, sent: 6000 })
  expect(figures).toMatchObject({
    step: 2,
    sent: 6000,
    rejected: 8,
    unsent: 0,
    answers: { 1: 1, 8: 8, 10: 1 },
    wrong: [],
  })
  expect(feedback).toMatchObject({ step: 3, handedOut: 8, read: 8, again: 0 })
  expect(explained).toMatchObject({ step: 4, reason: 'ConnectionLost' })
})

test.runIf(process.platform === 'linux')('on a terminal it stays up to look around, until Ctrl-C', async () => {
  const terminal = new Running(['demo'], { terminal: true })
  await terminal.until(/Ctrl-C ends it/)
  const [, config = '', taken = ''] = await terminal.until(/--config (\S+) send --to (\w+)/)
  expect(await lhspn(['--config', config, 'send', '--to', taken, 'Hello'])).toMatchObject({ code: 0 })
  expect(objectsOf(await lhspn(['--config', config, '--json', 'feedback']))).toHaveLength(8)
  terminal.write('\u0003')
  expect(await terminal.ended()).toMatchObject({ code: 0 })
  await expect(access(config)).rejects.toThrow('ENOENT')
})
