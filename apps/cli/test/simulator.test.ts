import { access, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { lhspn, objectsOf, Running, temporaryDirectory, tokenOf } from './lhspn.ts'

test('runs until a signal, takes what send sends, counts it, and leaves no file behind', async () => {
  const simulator = new Running(['simulator'])
  const [, config = ''] = await simulator.until(/--config (\S+) /)
  await simulator.until(/Ctrl-C/)
  const sent = await lhspn(['--config', config, 'send', '--to', tokenOf(1), 'Hello'])
  expect(sent.code).toBe(0)
  simulator.kill('SIGINT')
  const ended = await simulator.ended()
  expect(ended.code).toBe(0)
  expect(ended.stdout).toMatch(/^gateway {6}127\.0\.0\.1:\d+\nfeedback {5}127\.0\.0\.1:\d+\n/)
  expect(ended.stdout).toMatch(
    /\naccepted 1 · rejected 0 · discarded 0 · barrier \d+ · connections \d+ · feedback reads 0\n$/,
  )
  await expect(access(config)).rejects.toThrow('ENOENT')
})

test('--json: addresses and files, then the counts; --directory keeps them', async () => {
  const directory = join(await temporaryDirectory(), 'apple')
  const simulator = new Running(['--json', 'simulator', '--directory', directory])
  await simulator.until(/\n/)
  simulator.kill('SIGTERM')
  const ended = await simulator.ended()
  expect([ended.code, ended.stderr]).toEqual([0, ''])
  expect(objectsOf(ended)).toEqual([
    {
      gateway: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      feedback: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      config: join(directory, 'lhspn.toml'),
      certificate: join(directory, 'push.pem'),
      ca: join(directory, 'ca.pem'),
    },
    { counts: { accepted: 0, rejected: 0, discarded: 0, barrier: 0 }, connections: 0, feedbackReads: 0 },
  ])
  expect(await readFile(join(directory, 'ca.pem'), 'utf8')).toContain('BEGIN CERTIFICATE')
  expect((await stat(join(directory, 'push.pem'))).mode & 0o777).toBe(0o600)
})

test('plays a script', async () => {
  const directory = await temporaryDirectory()
  const script = join(directory, 'script.json')
  await writeFile(script, JSON.stringify({ rules: [{ when: {}, do: { status: 8 }, times: 1 }] }))
  const simulator = new Running(['simulator', '--script', script, '--seed', '7'])
  const [, config = ''] = await simulator.until(/--config (\S+) /)
  expect(await lhspn(['--config', config, 'send', '--to', tokenOf(1), 'Hello'])).toMatchObject({ code: 3 })
  simulator.kill('SIGINT')
  expect((await simulator.ended()).stdout).toContain('accepted 0 · rejected 1 ')
})

test('refuses bad flags and a bad script, every fault at once: exit 2', async () => {
  const script = '{"rules":[{"when":{"tokn":"ab"},"do":"explode"}]}'
  const args = ['simulator', '--gateway-port', '65536', '--seed', 'x', '--script', '-']
  const ended = await lhspn(args, { input: script })
  expect(ended).toMatchObject({ code: 2, stdout: '' })
  for (const place of ['--gateway-port', '--seed', '--script /rules/0/when/tokn', '--script /rules/0/do']) {
    expect(ended.stderr).toContain(`\n  ${place}: `)
  }
  const noJson = await lhspn(['simulator', '--script', '-'], { input: '{' })
  expect(noJson).toMatchObject({ code: 2, stderr: expect.stringContaining('--script: no valid JSON') })
})

test("does not overwrite somebody's own configuration", async () => {
  const directory = await temporaryDirectory()
  await writeFile(join(directory, 'lhspn.toml'), '# mine')
  const ended = await lhspn(['simulator', '--directory', directory])
  expect(ended).toMatchObject({ code: 2, stderr: expect.stringContaining('lhspn.toml') })
  expect(await readFile(join(directory, 'lhspn.toml'), 'utf8')).toBe('# mine')
})
