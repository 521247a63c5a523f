import { setImmediate } from 'node:timers/promises'

import type { Call, Ending, OnUnconfirmed } from './call.ts'
import { SenderError } from './errors.ts'
import type { Notification } from './notification.ts'
import type { Outcome } from './outcome.ts'

/** How one call is to be treated. */
export interface SendOptions {
  /** Aborting it ends the call: what was not written leaves as unsent, what was is settled first. */
  readonly signal?: AbortSignal
  /** Milliseconds on the clock of `performance.now()` from which on nothing more is written; read before every write. */
  readonly deadline?: () => number
  /** What becomes of notifications at an unknown position: `report` (default) or `resend`, at least once. */
  readonly onUnconfirmed?: OnUnconfirmed
}

export type Batches<N> = Iterable<readonly N[]> | AsyncIterable<readonly N[]>

/** Where calls are opened: the part of a Sender that one call needs. */
export interface Deliverer {
  openCall(options: SendOptions): Call
  endCall(call: Call, ending: Ending): void
  /** The call has new input, the end of it, or new room. */
  notify(call: Call): void
  /** Resolves when something changed for the call. */
  changed(call: Call): Promise<void>
}

/**
 * The loop between a caller and the engine. Input is pulled only while there is room, and outcomes wait in the call
 * until they are taken, so that a reader who sleeps stops the pulling.
 */
export async function* deliver<N extends Notification>(
  deliverer: Deliverer,
  batches: Batches<N>,
  options: SendOptions,
): AsyncGenerator<readonly Outcome<N>[], void, undefined> {
  const call = deliverer.openCall(options)
  const abort = (): void => deliverer.endCall(call, 'Aborted')
  options.signal?.addEventListener('abort', abort)
  if (options.signal?.aborted === true) abort()
  const pulling = { failed: false, error: undefined as unknown }
  void pull(deliverer, call, batches).catch((error: unknown) => {
    Object.assign(pulling, { failed: true, error })
    call.inputEnded = true
    deliverer.notify(call)
  })
  try {
    for (;;) {
      const outcomes = call.takeOutcomes()
      if (outcomes.length > 0) {
        deliverer.notify(call)
        yield outcomes as unknown as readonly Outcome<N>[]
      } else if (call.finished) break
      else await deliverer.changed(call)
    }
    if (pulling.failed) throw pulling.error
    if (call.error !== undefined) throw call.error
  } finally {
    options.signal?.removeEventListener('abort', abort)
    // A caller who left early wants nothing more written.
    abort()
  }
}

/** Feeds a call from its source, one array ahead of need, until either of them ends. */
async function pull(deliverer: Deliverer, call: Call, batches: Batches<Notification>): Promise<void> {
  const source = Symbol.asyncIterator in batches ? batches[Symbol.asyncIterator]() : batches[Symbol.iterator]()
  while (call.ending === undefined) {
    const pulled = source.next()
    // What is there at once is taken at once: no end of the call can come between.
    const { done, value: batch } = 'then' in pulled ? await pulled : pulled
    if (done === true) {
      call.inputEnded = true
      return deliverer.notify(call)
    }
    if (!isArrayOfSomething(batch)) throw noArray()
    if (call.ending === undefined) call.enqueue(batch)
    deliverer.notify(call)
    // However many empty arrays a source gives at once, sockets are read and an abort is heard.
    if (batch.length === 0) await setImmediate()
    while (call.ending === undefined && !call.wantsInput) await deliverer.changed(call)
  }
  await source.return?.()
}

/** A hole or null among notifications would end the process in the middle of a write. */
function isArrayOfSomething(batch: unknown): boolean {
  return Array.isArray(batch) && !batch.includes(undefined) && !batch.includes(null)
}

function noArray(): SenderError {
  return new SenderError(
    'invalid-options',
    'The source gave something else than an array of notifications',
    'Give send an iterable of arrays: [notifications], or a generator that yields arrays.',
  )
}
