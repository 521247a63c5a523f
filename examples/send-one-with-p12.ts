// Sends one notification with a certificate as Keychain Access exports it (.p12), and tells what became of it.
//
//   pnpm --filter @lhspn/examples send-one-with-p12
//   GATEWAY=host:port CERTIFICATE=push.p12 PASSPHRASE=… pnpm --filter @lhspn/examples send-one-with-p12 TOKEN
//
// Without GATEWAY a simulated one is started, with a .p12 in the old ciphers that OpenSSL 3 alone would refuse.
import { parseDeviceToken, shortenDeviceToken } from '@lhspn/apns-protocol'
import { openCertificate, Sender } from '@lhspn/sender'

import { openApple } from './apple.ts'

const token = parseDeviceToken(process.argv[2] ?? '740f4707 bebcf74f 9b7c25d4 8e335894')
const apple = await openApple()

const credentials = openCertificate(apple.certificate, apple.passphrase)
console.log(`certificate for ${credentials.topics.join(', ')}, valid until ${credentials.expiresAt.getUTCFullYear()}`)

const sender = new Sender({ ...apple, credentials })
const content = { payload: { aps: { alert: { title: 'One', body: 'For you alone' } } }, expiration: 0 }
const { kind, reason, attempts } = await sender.sendOne({ token, content, badge: 1 })
console.log(
  `${shortenDeviceToken(token)}: ${kind}${reason === undefined ? '' : ` (${reason})`}, written ${attempts} times`,
)

await sender.close()
await apple.close()
