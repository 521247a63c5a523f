// Sends one content to a list of device tokens and groups them by what became of it.
//
//   pnpm --filter @lhspn/examples send-to-list
//   GATEWAY=host:port CERTIFICATE=push.pem pnpm --filter @lhspn/examples send-to-list TOKEN TOKEN …
//
// Without GATEWAY a simulated one is started; it rejects the second of three made-up tokens.
import { parseDeviceToken } from '@lhspn/apns-protocol'
import { openCertificate, Sender } from '@lhspn/sender'

import { openApple } from './apple.ts'

const MADE_UP = ['<0a0a0a0a 0a0a0a0a>', 'BAD0BAD0BAD0BAD0', '0b0b0b0b0b0b0b0b']
const given = process.argv.slice(2)
const tokens = (given.length > 0 ? given : MADE_UP).map(parseDeviceToken)

const apple = await openApple({ rules: [{ when: { token: { startsWith: 'bad0' } }, do: { status: 8 } }] })
const sender = new Sender({ ...apple, credentials: openCertificate(apple.certificate, apple.passphrase) })

const content = { payload: { aps: { alert: 'The doors open at nine', sound: 'default' } } }
const groups = new Map<string, string[]>()
for await (const outcomes of sender.send([tokens.map((token) => ({ token, content }))])) {
  for (const { notification, kind, reason } of outcomes) {
    const group = reason === undefined ? kind : `${kind} (${reason})`
    groups.set(group, [...(groups.get(group) ?? []), notification.token])
  }
}
for (const [group, members] of groups) console.log(`${group}: ${members.join(', ')}`)

await sender.close()
await apple.close()
