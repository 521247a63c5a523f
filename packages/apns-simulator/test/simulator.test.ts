import { generateKeyPairSync } from 'node:crypto'
import { connect, createServer } from 'node:net'

import { expect, test } from 'vitest'

import { startSimulator, type SimulatorOptions } from '../src/index.ts'
import { ProviderClient } from './provider-client.ts'
import { connectTo, converse, BARRIER, THREE } from './raw-client.ts'

const KEY = { keyId: 'AAAAAAAAAA', teamId: 'TEAMTEAMTE' }
const RSA = generateKeyPairSync('rsa', { modulusLength: 1024 })
  .publicKey.export({ type: 'spki', format: 'pem' })
  .toString()

test.for<{ options: SimulatorOptions; code: string }>([
  { options: { gatewayPort: 65_536 }, code: 'invalid-options' },
  { options: { feedbackPort: -1 }, code: 'invalid-options' },
  { options: { providerPort: 0.5 }, code: 'invalid-options' },
  { options: { environment: 'test' as 'sandbox' }, code: 'invalid-options' },
  { options: { apps: [] }, code: 'invalid-options' },
  { options: { signingKeys: [{ ...KEY, publicKey: 'none' }] }, code: 'invalid-options' },
  { options: { signingKeys: [{ ...KEY, publicKey: RSA }] }, code: 'invalid-options' },
  { options: { signingKeys: [{ ...KEY, keyId: 'short', publicKey: RSA }] }, code: 'invalid-options' },
  { options: { seed: 0.5 }, code: 'invalid-options' },
  { options: { journal: 'none' as 'full' }, code: 'invalid-options' },
  { options: { script: { rules: [{ when: {}, do: 'vanish' as 'close' }] } }, code: 'invalid-script' },
])('$options is refused with $code', async ({ options, code }) => {
  await expect(startSimulator(options)).rejects.toMatchObject({ code, remedy: expect.any(String) })
})

test('a port that is taken is named, and nothing stays open', async () => {
  const taken = createServer()
  await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve))
  const { port } = taken.address() as { port: number }
  for (const options of [{ gatewayPort: port }, { feedbackPort: port }, { providerPort: port }]) {
    await expect(startSimulator(options)).rejects.toMatchObject({
      code: 'cannot-listen',
      message: expect.stringContaining(String(port)),
    })
  }
  await new Promise((resolve) => taken.close(resolve))
})

test('the ports asked for are the ports it listens on', async () => {
  const first = await startSimulator()
  const { gateway } = first
  await first.close()
  await using second = await startSimulator({ gatewayPort: Number(gateway.split(':')[1]) })
  expect(second.gateway).toBe(gateway)
  expect((await converse(second, BARRIER)).received).toBe('080200000009')
})

function active(kind: RegExp): string[] {
  return process.getActiveResourcesInfo().filter((name) => kind.test(name))
}

test('a client that leaves before it speaks TLS is let go', async () => {
  await using simulator = await startSimulator()
  const [host, port] = simulator.gateway.split(':')
  const socket = connect({ host, port: Number(port) })
  socket.end()
  await simulator.journal.waitFor(({ connections, closed }) => connections === 1 && closed === 1)
  expect(simulator.journal.entries()).toEqual([])
})

test('close ends what is open, timers too, and may be called again', async () => {
  const timersBefore = active(/^Timeout/)
  const simulator = await startSimulator({
    script: {
      rules: [{ when: { connection: 1 }, do: { status: 8, delayMs: 3_600_000 } }],
      connections: [
        { nth: 2, do: 'read-slowly', bytesPerSecond: 1 },
        { nth: 3, do: 'half-open' },
      ],
      provider: {
        rules: [{ when: { nth: 1 }, do: { status: 200, delayMs: 3_600_000 } }],
        connections: [{ nth: 2, do: 'half-open' }],
      },
    },
  })
  const providerClients = [new ProviderClient(simulator), new ProviderClient(simulator)]
  for (const client of providerClients) client.open()
  await simulator.journal.waitFor(({ accepted }) => accepted === 1)
  const clients = [1, 2, 3].map(() => connectTo(simulator))
  for (const client of clients) {
    await client.secured
    client.write(THREE)
  }
  await simulator.journal.waitFor((journal) => journal.counts().rejected === 1)
  await Promise.all([simulator.close(), simulator.close()])
  for (const client of clients) await client.closed
  for (const client of providerClients) await client.closed
  expect(simulator.journal.closed).toBe(5)
  expect(active(/^TCP|^TLS/)).toEqual([])
  // the test runner has timers too, and one that was there before may be over
  expect(active(/^Timeout/).length).toBeLessThanOrEqual(timersBefore.length)
  expect(() => simulator.script({})).toThrow(expect.objectContaining({ code: 'closed' }))
})
