// Reads the feedback service: devices from which the app is gone. It hands each out once, so keep what it says.
//
//   pnpm --filter @lhspn/examples read-feedback
//   FEEDBACK=host:port CERTIFICATE=push.pem pnpm --filter @lhspn/examples read-feedback
//
// Without FEEDBACK a simulated service is started, which knows of two devices.
import { openCertificate, readFeedback } from '@lhspn/sender'

import { openApple } from './apple.ts'

const apple = await openApple({
  feedback: [
    { at: 1_700_000_000, token: '0a0a0a0a0a0a0a0a' },
    { at: 1_700_086_400, token: '0b0b0b0b0b0b0b0b' },
  ],
})

let read = 0
const credentials = openCertificate(apple.certificate, apple.passphrase)
for await (const { at, token } of readFeedback({ ...apple, credentials })) {
  // Remove the device only if it has not registered since.
  console.log(`${token} is gone since ${new Date(at * 1000).toISOString()}`)
  read++
}
console.log(`${read} devices`)

await apple.close()
