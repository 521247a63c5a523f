import { encodeFeedback } from '@lhspn/apns-protocol'

import type { Certificates } from './certificates.ts'
import type { WritableJournal } from './journal.ts'
import { Listener } from './listener.ts'
import type { Script } from './script.ts'

/** The feedback service: hands its list to the first client that connects, then closes; the next one gets an empty list, as with Apple's. */
export class FeedbackServer {
  readonly #listener: Listener
  #list = new Uint8Array(0)

  constructor(certificates: Certificates, journal: WritableJournal) {
    this.#listener = new Listener(certificates, 'certificate-required', (_raw, proceed) =>
      proceed(({ tls }) => {
        const list = this.#list
        this.#list = new Uint8Array(0)
        journal.feedbackReads++
        journal.changed()
        tls.resume()
        tls.end(list)
      }),
    )
  }

  /** Replaces what is handed out next. */
  script({ feedback, feedbackCutAt }: Script): void {
    this.#list = encodeFeedback(feedback ?? []).slice(0, feedbackCutAt)
  }

  listen(port: number): Promise<string> {
    return this.#listener.listen(port)
  }

  close(): Promise<void> {
    return this.#listener.close()
  }
}
