import { afterEach } from 'vitest'

import { startSimulator, type Script, type Simulator, type SimulatorOptions } from '../src/index.ts'
import { ProviderClient, type Received } from './provider-client.ts'

/** What a test opened is closed behind it. */
const started: Simulator[] = []
const clients: ProviderClient[] = []
afterEach(async () => {
  for (const client of clients.splice(0)) client.session.destroy()
  for (const simulator of started.splice(0)) await simulator.close()
})

/** Starts a simulator with a script of the provider API. */
export async function start(
  provider: NonNullable<Script['provider']> = {},
  options: SimulatorOptions = {},
): Promise<Simulator> {
  const simulator = await startSimulator({ script: { provider }, ...options })
  started.push(simulator)
  return simulator
}

/** Connects to it. */
export function connectTo(...args: ConstructorParameters<typeof ProviderClient>): ProviderClient {
  const client = new ProviderClient(...args)
  clients.push(client)
  return client
}

/** An answer in short: its status, status and body, or the code that its stream was reset with. */
export function told({ status, body, code }: Received): unknown {
  return status === undefined ? `reset ${code}` : body === '' ? status : [status, JSON.parse(body)]
}
