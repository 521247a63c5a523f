import { parseAddress } from './address.ts'
import { type Certificate, secureContextOf } from './credentials.ts'
import { type Batches, deliver, type Deliverer, type SendOptions } from './deliver.ts'
import { SenderError } from './errors.ts'
import { ResendEngine } from './gateway/resend-engine.ts'
import type { Notification } from './notification.ts'
import type { Outcome } from './outcome.ts'
import { type SenderEvent, Shell } from './shell.ts'

export interface SenderOptions {
  /** `host:port` of a binary gateway. */
  readonly gateway: string
  readonly credentials: Certificate
  /** PEM of the CAs to trust instead of the system's. */
  readonly ca?: string
  /** Connections that may have something unsettled at once, each up to 16,384 notifications. Default 4. */
  readonly connections?: number
  /** New connections a second, those not counted that replace one which ended as it should. Default 4. */
  readonly connectionsPerSecond?: number
  /** Times that a notification may be written, 1 to 100. Default 5. */
  readonly attempts?: number
  /** Milliseconds that a connection may take to open, or a confirmation barrier to be answered. Default 20,000. */
  readonly requestTimeoutMs?: number
  /** Milliseconds of silence after which a gateway is known not to answer barriers, and a notification to be taken or not. Default 3,000. */
  readonly quietTimeMs?: number
  /** Whether that silence counts as acceptance (reason `Assumed`) instead of `unconfirmed`. Default false. */
  readonly assumeAccepted?: boolean
  /** Told of what happens to the connections, for logs and metrics. It must not throw. */
  readonly onEvent?: (event: SenderEvent) => void
}

/** Notifications that may be unsettled on one connection. */
const WINDOW = 16_384
const DEFAULTS = {
  connections: 4,
  connectionsPerSecond: 4,
  attempts: 5,
  requestTimeoutMs: 20_000,
  quietTimeMs: 3000,
  assumeAccepted: false,
}
/** Delivers notifications to APNs and gives exactly one true outcome for each. All calls share its connections. */
export class Sender {
  readonly #shell: Deliverer & { close(): Promise<void> }

  /** Opens no connection yet. @throws SenderError `invalid-options`, `invalid-credentials` */
  constructor(options: SenderOptions) {
    const { gateway, credentials, ca, onEvent = () => {} } = options
    const target = {
      address: gateway,
      options: { ...parseAddress(gateway, 'gateway'), secureContext: secureContextOf(credentials, ca) },
    }
    this.#shell = new Shell(
      new ResendEngine({ ...settings(options), window: WINDOW, random: Math.random }),
      target,
      onEvent,
    )
  }

  /**
   * Sends whatever arrays the source gives. Lazy: nothing happens before the first outcomes are asked for.
   * At most 16,384 notifications for each of `connections` are held, outcomes that were not taken included, and beside
   * them up to 8,192 that wait, with the array that was pulled last. Leaving the loop early ends the call as `signal`
   * does. An array that the source gives after the call has ended is not taken: nothing of it was sent.
   * @throws SenderError after all outcomes are out: `unreachable`, or the fault that stopped the sender; at once: `closed`
   */
  send<N extends Notification>(
    batches: Batches<N>,
    options: SendOptions = {},
  ): AsyncGenerator<readonly Outcome<N>[], void, undefined> {
    return deliver(this.#shell, batches, options)
  }

  /** Sends one notification. @throws SenderError as `send` does */
  async sendOne<N extends Notification>(notification: N, options: SendOptions = {}): Promise<Outcome<N>> {
    let only: Outcome<N> | undefined
    for await (const [outcome] of this.send([[notification]], options)) only = outcome
    // Aborted before it began: not even a source of one array was asked.
    return only ?? { notification, kind: 'unsent', reason: 'Aborted', attempts: 0 }
  }

  /**
   * Drains: every call ends as at an abort, with `Draining` for what was not written. Resolves when all that was
   * written is settled and the connections are closed, after `requestTimeoutMs` at the latest.
   */
  close(): Promise<void> {
    return this.#shell.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** The options with their defaults. */
function settings(options: SenderOptions): typeof DEFAULTS {
  const limits = {
    connections: 64,
    connectionsPerSecond: Infinity,
    attempts: 100,
    requestTimeoutMs: 3_600_000,
    quietTimeMs: 3_600_000,
  }
  const given = { ...DEFAULTS }
  for (const [name, most] of Object.entries(limits) as [keyof typeof limits, number][]) {
    const value = options[name] ?? DEFAULTS[name]
    if (!(value >= 1 && value <= most && (Number.isInteger(value) || value === Infinity))) {
      throw new SenderError('invalid-options', `${name} is ${value}`, `Give a whole number from 1 to ${most}.`)
    }
    given[name] = value
  }
  return { ...given, assumeAccepted: options.assumeAccepted ?? DEFAULTS.assumeAccepted }
}
