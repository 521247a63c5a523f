// The sender of `million.ts`, in a process of its own: its memory is the sender's, the stream's and Node's alone.
import { openCertificate, Sender } from '@lhspn/sender'

import { serveQuestions } from './child.ts'
import type { SenderQuestion } from './million-job.ts'
import { numberedBatches, streamThrough } from './million-stream.ts'

serveQuestions(({ gateway, certificates, notifications }: SenderQuestion) => {
  const credentials = openCertificate(Buffer.from(certificates.client))
  const open = () => new Sender({ gateway, credentials, ca: certificates.ca })
  return streamThrough(open, numberedBatches(notifications), notifications)
})
