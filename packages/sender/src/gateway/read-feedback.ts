import { FeedbackDecoder, type FeedbackTuple } from '@lhspn/apns-protocol'

import { parseAddress } from '../address.ts'
import { Connection } from '../connection.ts'
import { type Certificate, secureContextOf } from '../credentials.ts'
import { nothingReached, SenderError } from '../errors.ts'
import { Signal } from '../signal.ts'

export interface FeedbackOptions {
  /** `host:port` of the feedback service. */
  readonly feedback: string
  readonly credentials: Certificate
  /** PEM of the CAs to trust instead of the system's. */
  readonly ca?: string
  /** Milliseconds without a byte after which the service counts as unreachable, 1 to 3,600,000. Default 20,000. */
  readonly timeoutMs?: number
  /** Aborting it ends the reading; what was not read is lost (see below). */
  readonly signal?: AbortSignal
}

/** With so many tuples not taken, reading stops until they are. */
const MOST_HELD = 10_000
const MOST_TIMEOUT_MS = 3_600_000

/**
 * Reads the feedback service to its end: the devices from which the app is gone, and since when (UNIX seconds). Act only
 * on those that have not registered since.
 * The service forgets what it has handed out, so store each tuple before the next is asked for; tuples that come before a
 * failure are given before it is thrown, however long the caller takes for each. About 10,000 are held ahead.
 * A service that refuses a certificate by closing without a TLS alert looks like one that has nothing to say.
 * @throws SenderError `feedback-cut`: the stream ended inside a tuple, or is no feedback; `credentials-refused`,
 *   `untrusted-server`, `unreachable`, `invalid-options`, `invalid-credentials`; the signal's reason when it is aborted
 */
export async function* readFeedback(options: FeedbackOptions): AsyncGenerator<FeedbackTuple, void, undefined> {
  const { feedback, credentials, ca, timeoutMs = 20_000, signal } = options
  if (!(Number.isInteger(timeoutMs) && timeoutMs >= 1 && timeoutMs <= MOST_TIMEOUT_MS)) {
    const remedy = `Give a whole number from 1 to ${MOST_TIMEOUT_MS}.`
    throw new SenderError('invalid-options', `timeoutMs is ${timeoutMs}`, remedy)
  }
  const target = { ...parseAddress(feedback, 'feedback'), secureContext: secureContextOf(credentials, ca) }
  signal?.throwIfAborted()
  const decoder = new FeedbackDecoder()
  const changed = new Signal()
  let held: FeedbackTuple[] = []
  let ended = false
  let error: unknown
  const end = (why: unknown): void => {
    if (!ended) error = why
    ended = true
    connection.close()
    changed.fire()
  }
  const connection = new Connection(target, feedback, {
    opened() {},
    drained() {},
    received(bytes) {
      try {
        decoder.push(bytes, (tuple) => held.push(tuple))
      } catch (cause) {
        end(cutFeedback(feedback, cause))
      }
      if (held.length >= MOST_HELD) connection.pause()
      changed.fire()
    },
    closed: end,
  })
  const abort = (): void => end(signal?.reason)
  signal?.addEventListener('abort', abort)
  try {
    for (;;) {
      const taken = held
      held = []
      connection.resume()
      for (const tuple of taken) {
        signal?.throwIfAborted()
        yield tuple
      }
      if (taken.length > 0) continue
      if (ended) break
      const wait = { over: false }
      const silent = (): void => {
        if (!wait.over) end(nothingReached(`${feedback} was silent for ${timeoutMs} ms`))
      }
      // What has come is read first: it may be this process that was held up, and not the service that was silent.
      const timer = setTimeout(() => setImmediate(silent), timeoutMs)
      await changed.wait()
      wait.over = true
      clearTimeout(timer)
    }
    signal?.throwIfAborted()
    if (error !== undefined) throw error
    try {
      decoder.end()
    } catch (cause) {
      throw cutFeedback(feedback, cause)
    }
  } finally {
    signal?.removeEventListener('abort', abort)
    connection.close()
  }
}

function cutFeedback(feedback: string, cause: unknown): SenderError {
  const why = cause instanceof Error ? cause.message : String(cause)
  return new SenderError(
    'feedback-cut',
    `${feedback} ended inside a tuple or sent something else: ${why}`,
    'What came before it is complete. The rest is lost: such devices are named again when they are sent to.',
    { cause },
  )
}
