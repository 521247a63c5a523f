import { formatAddress, parseAddress } from './address.ts'
import type { ConnectionTarget } from './connection.ts'
import { type Certificate, type Credentials, isSigningKey, secureContextOf } from './credentials.ts'
import { type Batches, deliver, type Deliverer, type SendOptions } from './deliver.ts'
import type { Engine, Link } from './engine.ts'
import { SenderError } from './errors.ts'
import { ResendEngine } from './gateway/resend-engine.ts'
import type { Notification } from './notification.ts'
import type { Outcome } from './outcome.ts'
import { StreamEngine } from './provider-api/stream-engine.ts'
import { ProviderTokens } from './provider-tokens.ts'
import { parseProxy } from './proxy.ts'
import { type SenderEvent, Shell } from './shell.ts'

/** What a Sender needs to know: for Apple's provider API, or for a binary gateway. */
export type SenderOptions = ProviderApiOptions | GatewayOptions

/** The provider API: what reaches devices today. */
export interface ProviderApiOptions extends CommonOptions {
  /** The app's topic: its bundle id. */
  readonly app: string
  /** Which of Apple's servers. Default `production`. */
  readonly environment?: 'production' | 'sandbox'
  /** `host` or `host:port` of another provider API than Apple's. */
  readonly provider?: string
  readonly credentials: Credentials
  readonly gateway?: never
}

/** A gateway that speaks the binary provider protocol. */
export interface GatewayOptions extends CommonOptions {
  /** `host:port`. */
  readonly gateway: string
  readonly credentials: Certificate
  /** Milliseconds of silence after which a gateway is known not to answer barriers, and a notification to be taken or not. Default 3,000. */
  readonly quietTimeMs?: number
  /** Whether that silence counts as acceptance (reason `Assumed`) instead of `unconfirmed`. Default false. */
  readonly assumeAccepted?: boolean
}

interface CommonOptions {
  /** PEM of the CAs to trust instead of the system's. */
  readonly ca?: string
  /** `http://host:port` or `http://user:password@host:port`: connections are made through it with CONNECT. */
  readonly proxy?: string
  /**
   * Connections at once. On a gateway each has up to 16,384 notifications unsettled; on the provider API as many as the
   * server allows streams, 4,096 at most, and another one is opened only where answers take their time. Default 4.
   */
  readonly connections?: number
  /** New connections a second; on a gateway those not counted that replace one which ended as it should. Default 4. */
  readonly connectionsPerSecond?: number
  /** Times that a notification may be written, 1 to 100. Default 5. */
  readonly attempts?: number
  /** Milliseconds that a connection may take to open, and an answer or a confirmation barrier to come. Default 20,000. */
  readonly requestTimeoutMs?: number
  /** Told of what happens to the connections, for logs and metrics. It must not throw. */
  readonly onEvent?: (event: SenderEvent) => void
}

/** Notifications that may be unsettled on one connection to a gateway. */
const WINDOW = 16_384
const HTTPS_PORT = 443
/** Hosts of Apple's provider API (Apple, Sending notification requests to APNs). */
export const PROVIDERS = { production: 'api.push.apple.com', sandbox: 'api.sandbox.push.apple.com' } as const
const DEFAULTS = {
  connections: 4,
  connectionsPerSecond: 4,
  attempts: 5,
  requestTimeoutMs: 20_000,
  quietTimeMs: 3000,
}

/** Delivers notifications to APNs and gives exactly one true outcome for each. All calls share its connections. */
export class Sender {
  readonly #shell: Deliverer & { close(): Promise<void> }

  /** Opens no connection yet. @throws SenderError `invalid-options`, `invalid-credentials` */
  constructor(options: SenderOptions) {
    this.#shell = isForGateway(options) ? openGateway(options) : openProviderApi(options)
  }

  /**
   * Sends whatever arrays the source gives. Lazy: nothing happens before the first outcomes are asked for.
   * For each of `connections` at most 16,384 notifications (on the provider API 4,096) are held, outcomes that were not
   * taken included, and beside them up to 3,072 that wait, with the array that was pulled last. Leaving the loop early
   * ends the call as `signal` does. An array that the source gives after the call has ended is not taken: nothing of it
   * was sent.
   * @throws SenderError after all outcomes are out: `unreachable`, `unavailable`, or the fault that stopped the sender;
   *   at once: `closed`
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

function isForGateway(options: SenderOptions): options is GatewayOptions {
  return options.gateway !== undefined
}

function openGateway(options: GatewayOptions): Deliverer & { close(): Promise<void> } {
  const { gateway, credentials, assumeAccepted = false } = options
  if (isSigningKey(credentials)) {
    throw new SenderError(
      'invalid-options',
      'A binary gateway takes no signing key',
      'Give the push certificate of the app, opened with openCertificate.',
    )
  }
  const engine = new ResendEngine({ ...settings(options), assumeAccepted, window: WINDOW, random: Math.random })
  return openShell(engine, options, { ...parseAddress(gateway, 'gateway') })
}

function openProviderApi(options: ProviderApiOptions): Deliverer & { close(): Promise<void> } {
  const { app, environment = 'production', provider = PROVIDERS[environment], credentials } = options
  checkTarget(app, environment)
  const address = parseAddress(provider, 'provider', HTTPS_PORT)
  const engine = new StreamEngine({
    ...settings(options),
    topic: app,
    authority: address.port === HTTPS_PORT ? address.host : formatAddress(address),
    ...(isSigningKey(credentials) && { tokens: new ProviderTokens(credentials) }),
    random: Math.random,
  })
  return openShell(engine, options, { ...address, protocol: 'h2' })
}

function openShell<L extends Link>(
  engine: Engine<L>,
  { credentials, ca, proxy, onEvent = () => undefined }: SenderOptions,
  server: Omit<ConnectionTarget, 'secureContext' | 'proxy'>,
): Shell<L> {
  const target = {
    ...server,
    secureContext: secureContextOf(credentials, ca),
    ...(proxy !== undefined && { proxy: parseProxy(proxy) }),
  }
  return new Shell(engine, { address: formatAddress(server), options: target }, onEvent)
}

/** Whoever calls without types may leave out what names the app. */
function checkTarget(app: unknown, environment: string): void {
  if (typeof app !== 'string' || !/^[\w.-]+$/.test(app)) {
    throw new SenderError(
      'invalid-options',
      `app is ${JSON.stringify(app)}`,
      'Give the bundle id, such as com.example.app; or a gateway.',
    )
  }
  if (!Object.hasOwn(PROVIDERS, environment)) {
    throw new SenderError(
      'invalid-options',
      `environment is ${JSON.stringify(environment)}`,
      'Give production or sandbox.',
    )
  }
}

/** The options with their defaults. */
function settings(options: CommonOptions & { readonly quietTimeMs?: number }): typeof DEFAULTS {
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
  return given
}
