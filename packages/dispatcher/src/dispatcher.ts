import type { FeedbackTuple } from '@lhspn/apns-protocol'
import type { DeviceStore } from '@lhspn/device-store'
import type { Notification, Outcome, Sender, SendOptions } from '@lhspn/sender'

import { DispatcherError } from './errors.ts'
import { countMembers, members } from './members.ts'
import type { Environment, Push } from './push.ts'
import { type Refusal, Refusals } from './refusals.ts'

export interface DispatcherOptions {
  readonly store: DeviceStore
  /** The sender of an app in an environment; asked once for each push. It is not closed here. */
  readonly senderFor: (app: string, environment: Environment) => Sender | Promise<Sender>
  /** Outcomes after which a push's rejected tokens are judged and marked. Default 5,000. */
  readonly chunkSize?: number
  /** Share of rejected tokens, 0 to 1, that means the wrong environment; 1 switches the check off. Default 0.05. */
  readonly mismatchShare?: number
}

export interface DeliverOptions extends Pick<SendOptions, 'signal' | 'deadline'> {
  /** Told how many devices were marked as refused, whenever some were. */
  readonly onRefused?: (devices: number) => void
  /** Told how many devices were removed because their app is gone, whenever some were. */
  readonly onRemoved?: (devices: number) => void
}

/** What became of the devices that a feedback service named. */
export interface FeedbackCount {
  readonly read: number
  readonly removed: number
  /** Not registered, or registered again since. */
  readonly kept: number
}

/** Notifications of one database transaction for badges, and of one array handed to the sender. */
const BATCH = 1000
/** Devices marked in one transaction. */
const MARKS = 200
/** Feedback tuples in one transaction. */
const TUPLES = 180

/** Takes pushes from their audience to their outcomes, and keeps the registry true to what Apple said. */
export class Dispatcher {
  readonly #store: DeviceStore
  readonly #senderFor: DispatcherOptions['senderFor']
  readonly #chunkSize: number
  readonly #mismatchShare: number
  /** Senders whose credentials Apple has taken, by an acceptance. */
  readonly #proven = new WeakSet<Sender>()

  constructor({ store, senderFor, chunkSize = 5000, mismatchShare = 0.05 }: DispatcherOptions) {
    this.#store = store
    this.#senderFor = senderFor
    this.#chunkSize = chunkSize
    this.#mismatchShare = mismatchShare
  }

  /** How many devices a push addresses now; undefined for a stream. @throws DatabaseError */
  count(push: Push): Promise<number | undefined> {
    return countMembers(this.#store, push)
  }

  /**
   * Sends a push and gives its outcomes in arrays. Devices are read, badges counted and notifications written as the
   * outcomes are taken: memory does not depend on the audience. Devices whose token Apple rejected for good are marked
   * as refused before their outcomes' chunk ends, once this app and environment has had an acceptance. Those that are
   * unregistered are removed before their outcomes are given, unless they registered since Apple found that out.
   * @throws DispatcherError `audience-too-large` before anything is sent; `environment-mismatch` after the outcomes that
   *   showed it, with no device of that chunk marked
   * @throws SenderError, DatabaseError after the outcomes that there are
   */
  async *deliver(
    push: Push,
    { onRefused = () => undefined, onRemoved = () => undefined, ...options }: DeliverOptions = {},
  ): AsyncGenerator<readonly Outcome[], void, undefined> {
    await this.#checkAudience(push)
    const sender = await this.#senderFor(push.app, push.environment)
    const startedAt = Date.now()
    const refusals = new Refusals(this.#chunkSize, this.#mismatchShare)
    const mismatch = new AbortController()
    const signal = options.signal === undefined ? mismatch.signal : AbortSignal.any([options.signal, mismatch.signal])
    let error: DispatcherError | undefined
    const sending = sender.send(this.#notifications(push), {
      ...options,
      signal,
      ...(push.onUnconfirmed !== undefined && { onUnconfirmed: push.onUnconfirmed }),
    })
    for await (const outcomes of sending) {
      if (outcomes.some(({ kind, reason }) => kind === 'accepted' && reason === undefined)) this.#proven.add(sender)
      const removed = await this.#removeUnregistered(push, outcomes, startedAt)
      if (removed > 0) onRemoved(removed)
      refusals.add(outcomes)
      if (error === undefined && refusals.mismatched) {
        error = refusals.mismatch(push.app, push.environment)
        mismatch.abort()
      }
      if (error === undefined && refusals.complete) onRefused(await this.#mark(push, sender, refusals.take()))
      yield outcomes
    }
    if (error !== undefined) throw error
    onRefused(await this.#mark(push, sender, refusals.take()))
  }

  /**
   * Removes the devices from which an app is gone, as its feedback service tells, unless they registered since. What was
   * read before a failure is removed before it is thrown.
   */
  async removeByFeedback(
    app: string,
    environment: Environment,
    tuples: AsyncIterable<FeedbackTuple>,
  ): Promise<FeedbackCount> {
    let read = 0
    let removed = 0
    let batch: FeedbackTuple[] = []
    const flush = async (): Promise<void> => {
      if (batch.length === 0) return
      removed += (await this.#store.removeByFeedback(app, environment, batch)).length
      read += batch.length
      batch = []
    }
    try {
      for await (const tuple of tuples) if (batch.push(tuple) === TUPLES) await flush()
    } finally {
      await flush()
    }
    return { read, removed, kept: read - removed }
  }

  async #checkAudience(push: Push): Promise<void> {
    if (push.maxAudience === undefined) return
    const count = await this.count(push)
    if (count === undefined || count <= push.maxAudience) return
    throw new DispatcherError(
      'audience-too-large',
      `The audience has ${count} devices, ${push.maxAudience} may be; nothing was sent`,
      'Look at the filter, or allow more.',
    )
  }

  async *#notifications(push: Push): AsyncGenerator<readonly Notification[]> {
    const { app, content, badge } = push
    for await (const tokens of members(this.#store, push, BATCH)) {
      if (badge === 'increment') {
        const badges = await this.#store.incrementBadge(app, tokens)
        yield tokens.map((token, index) => ({ token, content, badge: badges[index] ?? 1 }))
      } else yield tokens.map((token) => (badge === undefined ? { token, content } : { token, content, badge }))
    }
  }

  /** @param startedAt counts where Apple does not say since when a token is dead: whoever registered later stays */
  async #removeUnregistered(
    { app, environment }: Push,
    outcomes: readonly Outcome[],
    startedAt: number,
  ): Promise<number> {
    const dead = outcomes.flatMap(({ kind, since = startedAt, notification: { token } }) =>
      kind === 'unregistered' ? [{ token, since }] : [],
    )
    return dead.length === 0 ? 0 : (await this.#store.removeUnregistered(app, environment, dead)).length
  }

  async #mark({ app, environment }: Push, sender: Sender, refusals: readonly Refusal[]): Promise<number> {
    if (!this.#proven.has(sender)) return 0
    let marked = 0
    for (let at = 0; at < refusals.length; at += MARKS) {
      marked += await this.#store.refuse(app, environment, refusals.slice(at, at + MARKS))
    }
    return marked
  }
}
