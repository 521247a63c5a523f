// Streams a broadcast from an async generator; Ctrl-C ends it, and what was written then still gets its true outcome.
//
//   pnpm --filter @lhspn/examples broadcast
//   GATEWAY=host:port CERTIFICATE=push.pem pnpm --filter @lhspn/examples broadcast FILE
//
// FILE has a device token a line. Without it there are 200,000 made-up ones (or DEVICES), without GATEWAY a simulated one.
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'

import { parseDeviceToken } from '@lhspn/apns-protocol'
import { type Notification, openCertificate, type OutcomeKind, Sender } from '@lhspn/sender'

import { openApple } from './apple.ts'

const content = { payload: { aps: { alert: 'To everybody' } } }

/** Arrays of 1,000, pulled as they are needed: the list is never in memory. */
async function* batches(lines: AsyncIterable<string> | Iterable<string>): AsyncGenerator<Notification[]> {
  let batch: Notification[] = []
  for await (const line of lines) {
    if (batch.push({ token: parseDeviceToken(line), content }) < 1000) continue
    yield batch
    batch = []
  }
  yield batch
}

function* madeUp(): Generator<string> {
  const devices = Number(process.env['DEVICES'] ?? 200_000)
  for (let device = 0; device < devices; device++) yield device.toString(16).padStart(64, '0')
}

const file = process.argv[2]
const lines = file === undefined ? madeUp() : createInterface({ input: createReadStream(file) })
const apple = await openApple()
const sender = new Sender({ ...apple, credentials: openCertificate(apple.certificate, apple.passphrase) })

const ctrlC = new AbortController()
process.once('SIGINT', () => ctrlC.abort())
const counts: Record<OutcomeKind, number> = { accepted: 0, rejected: 0, unregistered: 0, unconfirmed: 0, unsent: 0 }
let shown = 0
for await (const outcomes of sender.send(batches(lines), { signal: ctrlC.signal })) {
  for (const { kind } of outcomes) counts[kind]++
  if (counts.accepted < shown + 20_000) continue
  shown = counts.accepted
  console.log(`${shown} accepted so far`)
}
console.log(ctrlC.signal.aborted ? 'ended by Ctrl-C:' : 'done:', JSON.stringify(counts))

await sender.close()
await apple.close()
