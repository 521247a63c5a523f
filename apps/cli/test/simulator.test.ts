import { access, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { expect, test } from 'vitest'

import { lhspn, objectsOf, Running, temporaryDirectory, tokenOf } from './lhspn.ts'

test('runs until a signal, takes what send sends, counts it, and leaves no file behind', async () => {
  const simulator = new Running(['simulator'])
  const [, config = ''] = await simulator.until(/--config (\S+) /)
  await simulator.until(/Ctrl-C/)
  const send = ['--config', config, 'send', '--to', tokenOf(1)]
  const sent = await Promise.all([lhspn([...send, 'Hello']), lhspn([...send, '--environment', 'sandbox', 'Hello'])])
  expect(sent.map(({ code }) => code)).toEqual([0, 0])
  simulator.kill('SIGINT')
  const ended = await simulator.ended()
  expect(ended.code).toBe(0)
  expect(ended.stdout).toMatch(
    /^provider API {2}127\.0\.0\.1:\d+\ngateway {7}127\.0\.0\.1:\d+\nfeedback {6}127\.0\.0\.1:\d+\nkey {11}\S+\.p8 {2}/,
  )
  expect(ended.stdout).toMatch(
    /\naccepted 2 · rejected 0 · discarded 0 · barrier \d+ · connections \d+ · feedback reads 0\n$/,
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
      provider: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      gateway: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      feedback: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
      config: join(directory, 'lhspn.toml'),
      key: expect.stringMatching(/\/AuthKey_\w{10}\.p8$/),
      keyId: expect.stringMatching(/^\w{10}$/),
      teamId: expect.stringMatching(/^\w{10}$/),
      certificate: join(directory, 'push.pem'),
      ca: join(directory, 'ca.pem'),
    },
    { counts: { accepted: 0, rejected: 0, discarded: 0, barrier: 0 }, connections: 0, feedbackReads: 0 },
  ])
  expect(await readFile(join(directory, 'ca.pem'), 'utf8')).toContain('BEGIN CERTIFICATE')
  const { key } = objectsOf(ended)[0] as { key: string }
  expect(await readFile(key, 'utf8')).toContain('BEGIN PRIVATE KEY')
  for (const secret of [key, join(directory, 'push.pem')]) expect((await stat(secret)).mode & 0o777).toBe(0o600)
})

test('plays a script', async () => {
  const directory = await temporaryDirectory()
  const script = join(directory, 'script.json')
  const rules = [{ when: {}, do: { status: 400, reason: 'BadDeviceToken' }, times: 1 }]
  await writeFile(script, JSON.stringify({ provider: { rules } }))
  const simulator = new Running(['simulator', '--script', script, '--seed', '7'])
  const [, config = ''] = await simulator.until(/--config (\S+) /)
  expect(await lhspn(['--config', config, 'send', '--to', tokenOf(1), 'Hello'])).toMatchObject({
    code: 3,
    stdout: expect.stringContaining('BadDeviceToken 1'),
  })
  simulator.kill('SIGINT')
  expect((await simulator.ended()).stdout).toContain('accepted 0 · rejected 1 ')
})

test('refuses bad flags and a bad script, every fault at once: exit 2', async () => {
  const script = '{"rules":[{"when":{"tokn":"ab"},"do":"explode"}]}'
  const args = ['simulator', '--gateway-port', '65536', '--provider-port', 'x', '--seed', 'x', '--script', '-']
  const ended = await lhspn(args, { input: script })
  expect(ended).toMatchObject({ code: 2, stdout: '' })
  for (const place of [
    '--gateway-port',
    '--provider-port',
    '--seed',
    '--script /rules/0/when/tokn',
    '--script /rules/0/do',
  ]) {
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
