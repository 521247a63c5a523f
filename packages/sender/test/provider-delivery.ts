import { generateKeyPairSync } from 'node:crypto'

import type { TestContext } from 'vitest'

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

/** A sender to one server, closed with the test; when it says that it is closed, all its connections are. */
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
