// Sends over Apple's provider API with a signing key (.p8), and tells what became of each notification.
//
//   pnpm --filter @lhspn/examples send-with-key
//   KEY=AuthKey_ABC123DEFG.p8 TEAM=DEF123GHIJ APP=com.example.app pnpm --filter @lhspn/examples send-with-key TOKEN …
//
// --sandbox sends to devices of the sandbox, --proxy http://host:port through a proxy. Without KEY a simulated Apple is
// started, from which one of two made-up devices has gone.
import { randomUUID } from 'node:crypto'
import { parseArgs } from 'node:util'

import { parseDeviceToken, shortenDeviceToken } from '@lhspn/apns-protocol'
import { Sender } from '@lhspn/sender'

import { openProviderApi } from './provider-api.ts'

const { values, positionals } = parseArgs({
  options: { sandbox: { type: 'boolean', default: false }, proxy: { type: 'string' } },
  allowPositionals: true,
})
const tokens = (positionals.length > 0 ? positionals : ['0a0a0a0a0a0a0a0a', '0b0b0b0b0b0b0b0b']).map(parseDeviceToken)

const gone = { status: 410, reason: 'Unregistered', timestamp: Date.UTC(2025, 0, 31) }
const apple = await openProviderApi({ rules: [{ when: { token: '0b0b0b0b0b0b0b0b' }, do: gone }] })
const sender = new Sender({
  ...apple,
  environment: values.sandbox ? 'sandbox' : 'production',
  ...(values.proxy !== undefined && { proxy: values.proxy }),
})

// Notifications with the same collapse id replace each other on the device.
const content = { payload: { aps: { alert: 'Two to one' } }, expiration: 0, collapseId: 'match-31' }
for await (const outcomes of sender.send([tokens.map((token) => ({ token, content, id: randomUUID() }))])) {
  for (const { notification, kind, reason, since } of outcomes) {
    const why = reason === undefined ? '' : ` (${reason})`
    const when = since === undefined ? '' : ` since ${new Date(since).toISOString()}`
    console.log(`${shortenDeviceToken(notification.token)}: ${kind}${why}${when}, apns-id ${notification.id}`)
  }
}

await sender.close()
await apple.close()
