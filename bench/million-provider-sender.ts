// The sender of million-provider.ts, in a process of its own: its memory is the sender's, the stream's and Node's alone.
import { Sender } from '@lhspn/sender'

import { serveQuestions } from './child.ts'
import type { SendingQuestion } from './million-provider-job.ts'
import { numberedBatches, streamThrough } from './million-stream.ts'
import { TOPIC } from './provider-workload.ts'

serveQuestions(({ port, ca, signingKey: credentials, notifications }: SendingQuestion) => {
  const open = () => new Sender({ app: TOPIC, provider: `127.0.0.1:${port}`, ca, credentials })
  return streamThrough(open, generated(notifications), notifications)
})

/** As from a database: an async generator. */
async function* generated(notifications: number) {
  yield* numberedBatches(notifications)
}
