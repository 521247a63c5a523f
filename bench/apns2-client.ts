// Sends a workload through apns2, whose HTTP/2 is undici's on top of Node's.
import { createRequire } from 'node:module'

import { servePeer } from './peer-client.ts'
import { PAYLOAD, TOPIC } from './provider-workload.ts'
import { MOST_STREAMS } from './raw-http2.ts'
import { badgeAt, CUSTOM_KEYS, EXPIRATION, tokenAt } from './workload.ts'

/** What is used of it here. */
interface Apns2 {
  readonly ApnsClient: new (options: object) => {
    client: { destroy(): Promise<void> }
    send(notification: object): Promise<object>
  }
  readonly Notification: new (token: string, options: object) => object
}
interface Undici {
  readonly Pool: new (origin: string, options: object) => { destroy(): Promise<void> }
}

const require = createRequire(import.meta.url)
const apns2: Apns2 = require('apns2')
const { Pool }: Undici = createRequire(require.resolve('apns2'))('undici')

servePeer(async ({ port, ca, signingKey, badges }) => {
  const { teamId: team, keyId, key } = signingKey
  const client = new apns2.ApnsClient({ team, keyId, signingKey: key, defaultTopic: TOPIC })
  // its own goes to port 443 of a host whose certificate the system trusts, over up to 32 connections with one request
  // at a time; with many on one connection it is four times as fast
  await client.client.destroy()
  const options = { connections: 1, pipelining: MOST_STREAMS, allowH2: true, connect: { ca } }
  client.client = new Pool(`https://127.0.0.1:${port}`, options)
  return {
    batch: 1,
    async send(index) {
      try {
        await client.send(notification(index, badges))
        return [200]
      } catch (error) {
        return [(error as { statusCode?: number }).statusCode ?? 0]
      }
    },
  }
})

function notification(index: number, badges: boolean): object {
  const aps = badges ? { ...PAYLOAD.aps, badge: badgeAt(index) } : PAYLOAD.aps
  return new apns2.Notification(tokenAt(index, 0), { aps, data: CUSTOM_KEYS, expiration: EXPIRATION })
}
