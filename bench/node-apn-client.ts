// Sends a workload through @parse/node-apn, the most used of the libraries for Node that are looked after.
import { createRequire } from 'node:module'

import { servePeer } from './peer-client.ts'
import { PAYLOAD, TOPIC } from './provider-workload.ts'
import { badgeAt, CUSTOM_KEYS, EXPIRATION, tokenAt } from './workload.ts'

/** What is used of it here. */
interface NodeApn {
  readonly Provider: new (options: object) => {
    send(notification: object, tokens: readonly string[]): Promise<{ sent: object[]; failed: { status?: number }[] }>
  }
  readonly Notification: new () => object
}

const require = createRequire(import.meta.url)
const apn: NodeApn = require('@parse/node-apn')

servePeer(async ({ port, ca, signingKey, badges }) => {
  const provider = new apn.Provider({ token: signingKey, address: '127.0.0.1', port, ca, production: true })
  const shared = notification(PAYLOAD.aps.badge)
  return {
    // it is cheapest with arrays of tokens, which must all get the same notification
    batch: badges ? 1 : 250,
    async send(start, end) {
      const tokens = Array.from({ length: end - start }, (_, offset) => tokenAt(start + offset, 0))
      const { sent, failed } = await provider.send(badges ? notification(badgeAt(start)) : shared, tokens)
      return [...sent.map(() => 200), ...failed.map(({ status }) => status ?? 0)]
    },
  }
})

function notification(badge: number): object {
  const { alert, sound } = PAYLOAD.aps
  const fields = { topic: TOPIC, pushType: 'alert', priority: 10, expiry: EXPIRATION, alert, sound, badge }
  return Object.assign(new apn.Notification(), fields, { payload: CUSTOM_KEYS })
}
