import { readFile, writeFile } from 'node:fs/promises'

import type { Script } from '@lhspn/apns-simulator'
import { expect, test } from 'vitest'

import { gatewayInstallation, lhspn, objectsOf, Running, served, simulatedInstallation, tokenOf } from './lhspn.ts'

test('serve delivers what is stored, and --no-dispatch leaves it to work', async () => {
  const installation = await gatewayInstallation()
  const { config, simulator } = installation
  const storing = new Running(['--config', config, 'serve', '--no-dispatch'])
  await storing.until(/health/)
  const first = await lhspn(['--config', config, 'send', '--to', tokenOf(1), '--detach', 'Hello'])
  const push = first.stdout.trim()
  const worker = new Running(['--config', config, 'work'])
  await simulator.journal.waitFor(({ accepted }) => accepted === 1)
  worker.kill('SIGTERM')
  expect(await worker.ended()).toMatchObject({ code: 0, stderr: expect.stringContaining('Draining') })
  storing.kill('SIGTERM')
  expect(await storing.ended()).toMatchObject({ code: 0 })
  const [shown] = objectsOf(await lhspn(['--config', config, '--json', 'pushes', 'show', push]))
  expect(shown).toMatchObject({ state: 'completed', counts: { accepted: 1 } })
  const { serve } = await served(installation)
  await lhspn(['--config', config, 'send', '--to', tokenOf(2), '--detach', 'Hello'])
  await simulator.journal.waitFor(({ accepted }) => accepted === 2)
  serve.kill('SIGINT')
  expect(await serve.ended()).toMatchObject({ code: 0 })
})

test('a serve that is killed in the middle of a push leaves the rest to work: nothing is lost', async () => {
  const { config, simulator } = await simulatedInstallation({}, { settings: '[dispatcher]\nlease = "2s"\n' })
  const tokens = Array.from({ length: 600 }, (_, at) => tokenOf(at))
  const serve = new Running(['--config', config, 'serve'])
  await serve.until(/health/)
  const send = ['--config', config, 'send', '--to', '-', '--rate', '150', '--detach', 'Hello']
  const push = (await lhspn(send, { input: tokens.join('\n') })).stdout.trim()
  await simulator.journal.waitFor(({ accepted }) => accepted >= 100)
  serve.kill('SIGKILL')
  await serve.ended()
  const [left] = objectsOf(await lhspn(['--config', config, '--json', 'pushes', 'show', push]))
  expect(left).toMatchObject({ state: 'running', counts: { planned: 600 } })
  const worker = new Running(['--config', config, 'work'])
  const followed = objectsOf(await lhspn(['--config', config, '--json', 'pushes', 'show', push, '--follow']))
  expect(followed.at(-1)).toMatchObject({ state: 'completed', counts: { planned: 600, accepted: 600, remaining: 0 } })
  expect(tokens.filter((token) => simulator.journal.acceptedTimes(token) === 0)).toEqual([])
  worker.kill('SIGTERM')
  expect(await worker.ended()).toMatchObject({ code: 0 })
})

test('SIGHUP reads the apps again; what is wrong with the file is told, and changes nothing', async () => {
  const { config, simulator } = await gatewayInstallation()
  const text = await readFile(config, 'utf8')
  await writeFile(config, text.replace('com.example.app', 'com.example.other'))
  const worker = new Running(['--config', config, 'work'])
  await worker.until(/Delivering pushes/)
  await writeFile(config, text)
  worker.kill('SIGHUP')
  await worker.until(/apps read again/)
  await lhspn(['--config', config, 'send', '--to', tokenOf(1), '--detach', 'Hello'])
  await simulator.journal.waitFor(({ accepted }) => accepted === 1)
  await writeFile(config, 'no = "configuration"')
  worker.kill('SIGHUP')
  await worker.until(/it stays as it was/)
  worker.kill('SIGINT')
  expect(await worker.ended()).toMatchObject({ code: 0 })
})

test.for([
  { command: 'work', signal: 'SIGTERM', code: 143 },
  { command: 'serve', signal: 'SIGINT', code: 130 },
] as const)('$command that cannot drain in time ends with $code, and leaves what was in flight', async (each) => {
  const script: Script = { provider: { rules: [{ when: {}, do: 'silent' }] } }
  const { config, simulator } = await simulatedInstallation(script)
  const push = (await lhspn(['--config', config, 'send', '--to', tokenOf(1), '--detach', 'Hello'])).stdout.trim()
  const variables = { LHSPN_SERVER_DRAIN_TIMEOUT: '1s' }
  const running = new Running(['--config', config, each.command], { variables })
  await simulator.journal.waitFor((journal) => journal.requests().length === 1)
  running.kill(each.signal)
  await running.until(/Not drained within/)
  // or the process would wait for its request
  await simulator.close()
  expect((await running.ended()).code).toBe(each.code)
  const [left] = objectsOf(await lhspn(['--config', config, '--json', 'pushes', 'show', push]))
  expect(left).toMatchObject({ state: 'running', counts: { planned: 1, remaining: 1 } })
})
