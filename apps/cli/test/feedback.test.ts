import { readFile, writeFile } from 'node:fs/promises'

import { expect, test } from 'vitest'

import { closedPort, lhspn, objectsOf, register, Running, gatewayInstallation, tokenOf } from './lhspn.ts'

const feedback = [
  { at: 1_700_000_000, token: tokenOf(1) },
  { at: 4_294_967_295, token: 'c0ffee' },
]

test('removes who has not registered since, and prints what the service handed out, which it does once', async () => {
  const { config } = await gatewayInstallation({ feedback })
  await register(config, [{ token: tokenOf(1) }, { token: 'c0ffee' }])
  const ended = await lhspn(['--config', config, 'feedback'])
  expect(ended).toEqual({
    code: 0,
    stdout: `${tokenOf(1)}  2023-11-14T22:13:20.000Z\nc0ffee  2106-02-07T06:28:15.000Z\n`,
    stderr: '2 devices read: 1 removed, 1 kept (not in the registry, or registered since).\n',
  })
  const listed = await lhspn(['--config', config, '--json', 'devices', 'list'])
  expect(objectsOf(listed)).toEqual([expect.objectContaining({ token: tokenOf(1) })])
  const again = await lhspn(['--config', config, 'feedback'])
  expect(again).toMatchObject({ code: 0, stdout: '', stderr: expect.stringMatching(/^0 devices/) })
})

test('--json prints an object for each, and the counts', async () => {
  const { config } = await gatewayInstallation({ feedback })
  const ended = await lhspn(['--config', config, '--json', 'feedback'])
  expect(objectsOf(ended)).toEqual([
    { token: tokenOf(1), at: '2023-11-14T22:13:20.000Z' },
    { token: 'c0ffee', at: '2106-02-07T06:28:15.000Z' },
    { app: 'com.example.app', environment: 'production', read: 2, removed: 0, kept: 2 },
  ])
  expect([ended.code, ended.stderr]).toEqual([0, ''])
})

test('--dry-run is impossible, and nothing is read: exit 2', async () => {
  const { config, simulator } = await gatewayInstallation({ feedback })
  const ended = await lhspn(['--config', config, 'feedback', '--dry-run'])
  expect(ended).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining('Apple forgets') })
  expect(simulator.journal.feedbackReads).toBe(0)
})

test('a list that was cut is printed, and acted on, as far as it came: exit 6', async () => {
  const later = [{ at: 4_294_967_295, token: tokenOf(1) }, ...feedback]
  const { config } = await gatewayInstallation({ feedback: later, feedbackCutAt: 40 })
  await register(config, [{ token: tokenOf(1) }])
  const ended = await lhspn(['--config', config, 'feedback'])
  expect(ended).toMatchObject({ code: 6, stderr: expect.stringMatching(/^1 device read: 1 removed[\s\S]*error: /) })
  expect(ended.stdout).toBe(`${tokenOf(1)}  2106-02-07T06:28:15.000Z\n`)
})

test('a feedback service that cannot be reached: exit 6; one that is not configured: exit 5', async () => {
  const { config, simulator } = await gatewayInstallation()
  await writeFile(
    config,
    (await readFile(config, 'utf8')).replace(simulator.feedback, `127.0.0.1:${await closedPort()}`),
  )
  expect(await lhspn(['--config', config, 'feedback'])).toMatchObject({ code: 6, stdout: '' })
  const sandbox = await lhspn(['--config', config, 'feedback', '--environment', 'sandbox'])
  expect(sandbox).toMatchObject({ code: 5, stderr: expect.stringContaining('sandboxFeedback') })
  const mistyped = await lhspn(['--config', config, 'feedback', '--environment', 'sandbx'])
  expect(mistyped).toMatchObject({ code: 2, stderr: expect.stringContaining('did you mean sandbox?') })
})

test('what could not be printed, because the reader had left, is told: it is lost', async () => {
  const { config } = await gatewayInstallation({ feedback })
  const running = new Running(['--config', config, 'feedback'])
  running.closeStdout()
  expect(await running.ended()).toMatchObject({
    code: 3,
    stderr: expect.stringContaining('2 of them could not be printed'),
  })
})
