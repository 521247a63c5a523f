import { connect } from 'node:tls'

import { FeedbackDecoder, type FeedbackTuple, ProtocolError } from '@lhspn/apns-protocol'

import { parseAddress } from '../address.ts'
import type { Certificate } from '../credentials.ts'
import { fromSocketError, SenderError } from '../errors.ts'

export interface FeedbackOptions {
  /** `host:port` of the feedback service. */
  readonly feedback: string
  readonly credentials: Certificate
  /** PEM of the CAs to trust instead of the system's. */
  readonly ca?: string
  /** Milliseconds without a byte after which the service counts as unreachable. Default 20,000. */
  readonly timeoutMs?: number
  /** Aborting it ends the reading; what was not read is lost (see below). */
  readonly signal?: AbortSignal
}

/**
 * Reads the feedback service to its end: the devices from which the app is gone, and since when (UNIX seconds). Act only
 * on those that have not registered since.
 * The service forgets what it has handed out, so store each tuple before the next is asked for; tuples that come before a
 * failure are given before it is thrown.
 * @throws SenderError `feedback-cut`: the stream ended inside a tuple, or is no feedback; `credentials-refused`,
 *   `untrusted-server`, `unreachable`, `invalid-options`
 */
export async function* readFeedback(options: FeedbackOptions): AsyncGenerator<FeedbackTuple, void, undefined> {
  const { feedback, credentials, ca, timeoutMs = 20_000, signal } = options
  signal?.throwIfAborted()
  const socket = connect({
    ...parseAddress(feedback, 'feedback'),
    cert: credentials.certificate,
    key: credentials.key,
    ...(ca !== undefined && { ca }),
  })
  const abort = (): void => void socket.destroy(signal?.reason as Error)
  signal?.addEventListener('abort', abort)
  socket.setTimeout(timeoutMs, () => socket.destroy(new Error(`nothing came for ${timeoutMs} ms`)))
  const decoder = new FeedbackDecoder()
  let tuples: FeedbackTuple[] = []
  try {
    for await (const chunk of socket as AsyncIterable<Uint8Array>) {
      try {
        decoder.push(chunk, (tuple) => tuples.push(tuple))
      } finally {
        yield* tuples
        tuples = []
      }
    }
    decoder.end()
  } catch (error) {
    if (signal?.aborted === true) throw signal.reason
    throw explain(error as Error, feedback)
  } finally {
    signal?.removeEventListener('abort', abort)
    socket.destroy()
  }
}

function explain(error: Error, feedback: string): SenderError {
  if (!(error instanceof ProtocolError)) return fromSocketError(error, feedback)
  return new SenderError(
    'feedback-cut',
    `${feedback} ended inside a tuple or sent something else: ${error.message}`,
    'What came before it is complete. The rest is lost: such devices are named again when they are sent to.',
    { cause: error },
  )
}
