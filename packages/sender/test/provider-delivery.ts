import { generateKeyPairSync } from 'node:crypto'

import { type Simulator, type SimulatorOptions, startSimulator } from '@lhspn/apns-simulator'
import { expect, type TestContext } from 'vitest'

import { openSigningKey, type ProviderApiOptions, Sender, type SenderEvent } from '../src/index.ts'
import { certificates } from './raw-http2-server.ts'

/** A key that no server knows: the servers of these tests take any. */
export const signingKey = openSigningKey(
  generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  }).privateKey,
  { keyId: 'ABC123DEFG', teamId: 'DEF123GHIJ' },
)

export interface ProviderSender {
  readonly sender: Sender
  readonly events: SenderEvent[]
}

export interface ProviderDelivery extends ProviderSender {
  readonly simulator: Simulator
}

export interface ProviderDeliveryOptions extends SimulatorOptions {
  readonly sender?: Partial<ProviderApiOptions>
  /** Rules that Apple will see broken. */
  readonly blames?: readonly string[]
}

/** A sender, and the simulated Apple that it sends to with its key; at the end of the test Apple must have no other complaint. */
export async function openProviderDelivery(
  context: TestContext,
  { sender: senderOptions, blames = [], ...options }: ProviderDeliveryOptions = {},
): Promise<ProviderDelivery> {
  const simulator = await startSimulator({ certificates: await certificates, ...options })
  const { key, ...ids } = simulator.signingKey
  context.onTestFinished(async () => {
    const violations = simulator.journal.violations()
    // It stays open on its side where it plays dead.
    if (!/"(silent-connection|half-open)"/.test(JSON.stringify(options.script ?? {})))
      await simulator.journal.waitFor(({ closed, connections }) => closed === connections, AbortSignal.timeout(5000))
    await simulator.close()
    expect(violations.filter(({ rule }) => !blames.includes(rule))).toEqual([])
  })
  const credentials = openSigningKey(key, ids)
  return {
    simulator,
    ...(await openProviderSender(context, simulator.provider, { credentials, connections: 4, ...senderOptions })),
  }
}

/**
 * A sender to one server, closed with the test; when it says that it is closed, all its connections are. It has one
 * connection at a time, since another one would be opened wherever this machine is slow.
 */
export async function openProviderSender(
  context: TestContext,
  provider: string,
  options: Partial<ProviderApiOptions> = {},
): Promise<ProviderSender> {
  const { ca } = await certificates
  const events: SenderEvent[] = []
  const sender = new Sender({
    app: 'com.example.app',
    provider,
    ca,
    credentials: signingKey,
    connections: 1,
    connectionsPerSecond: 1000,
    onEvent: (event) => events.push(event),
    ...options,
  })
  context.onTestFinished(async () => {
    await sender.close()
    const ended = eventsOf(events, 'disconnected').length
    const opened = eventsOf(events, 'connected').length
    if (ended < opened) throw new Error(`closed, and ${opened - ended} connections are not`)
  })
  return { sender, events }
}

export function eventsOf(events: readonly SenderEvent[], kind: SenderEvent['kind']): readonly SenderEvent[] {
  return events.filter((event) => event.kind === kind)
}
