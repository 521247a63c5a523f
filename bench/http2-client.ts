// Sends a workload through node:http2 itself, by hand: the least that a client on top of it can cost. It looks at the
// status, parses nothing, sends nothing again, and its payload is rendered once.
import { once } from 'node:events'
import { connect } from 'node:http2'

import { servePeer } from './peer-client.ts'
import { PAYLOAD, TOPIC } from './provider-workload.ts'
import { providerTokenOf } from './signing-key.ts'
import { badgeAt, EXPIRATION, tokenAt } from './workload.ts'

const shared = Buffer.from(JSON.stringify(PAYLOAD))

servePeer(async ({ port, ca, signingKey, badges }) => {
  const session = connect(`https://127.0.0.1:${port}`, { ca, settings: { enablePush: false } })
  await once(session, 'remoteSettings')
  session.on('error', (error) => console.error('node:http2:', error.message))
  const headers = {
    ':method': 'POST',
    authorization: `bearer ${providerTokenOf(signingKey)}`,
    'apns-topic': TOPIC,
    'apns-push-type': 'alert',
    'apns-priority': '10',
    'apns-expiration': `${EXPIRATION}`,
  }
  return {
    batch: 1,
    send: (index) =>
      new Promise((resolve) => {
        const stream = session.request({ ...headers, ':path': `/3/device/${tokenAt(index, 0)}` })
        let status = 0
        stream.on('response', (answer) => {
          status = answer[':status'] ?? 0
        })
        stream.on('error', () => {})
        stream.on('close', () => resolve([status]))
        stream.resume()
        stream.end(badges ? payload(badgeAt(index)) : shared)
      }),
  }
})

function payload(badge: number): string {
  return JSON.stringify({ ...PAYLOAD, aps: { ...PAYLOAD.aps, badge } })
}
