import { createCertificates, type Certificates } from './certificates.ts'
import { SimulatorError } from './errors.ts'
import { FeedbackServer } from './feedback-server.ts'
import { GatewayServer } from './gateway-server.ts'
import { WritableJournal, type Journal, type JournalMode } from './journal.ts'
import { ProviderServer } from './provider-api/provider-server.ts'
import { parseScript, type Script } from './script.ts'
import {
  createSigningKey,
  openVerifyingKey,
  type AcceptedKey,
  type Environment,
  type SimulatorSigningKey,
} from './signing-key.ts'

export interface SimulatorOptions {
  /** TCP port on 127.0.0.1; 0, the default, takes a free one. */
  readonly gatewayPort?: number
  /** The same for the feedback service. */
  readonly feedbackPort?: number
  /** The same for the provider API. */
  readonly providerPort?: number
  /** Which of Apple's provider APIs it plays; default `production`. The sandbox gives each answer an `apns-unique-id`. */
  readonly environment?: Environment
  /** Bundle ids that may be pushed to with provider tokens; default any. A certificate is good for its own. */
  readonly apps?: readonly string[]
  /** Keys whose provider tokens are taken beside those of `signingKey`. */
  readonly signingKeys?: readonly AcceptedKey[]
  /** What to do beside taking everything; default nothing. */
  readonly script?: Script
  /** A whole number that all chances of the script are drawn from; default 0. */
  readonly seed?: number
  /** Certificates to use; by default a set that is made once and shared by all simulators of the process. */
  readonly certificates?: Certificates
  /** Default `full`. Choose `counts` for long runs: it keeps nothing of a frame but how often its token was taken. */
  readonly journal?: JournalMode
}

/** A simulated Apple that listens on 127.0.0.1. */
export interface Simulator {
  /** Address of the gateway, `127.0.0.1:port`. */
  readonly gateway: string
  /** Address of the feedback service, `127.0.0.1:port`. */
  readonly feedback: string
  /** Address of the provider API, `127.0.0.1:port`. */
  readonly provider: string
  readonly certificates: Certificates
  /** Signs provider tokens that are taken; one for all simulators of the process. */
  readonly signingKey: SimulatorSigningKey
  readonly journal: Journal
  /**
   * Replaces the script, feedback included, from now on and for open connections too. Rules begin with all their times
   * and draws; `nth`, `every` and numbers of connections go on counting from the start of the simulator.
   * @throws SimulatorError `invalid-script`, `closed`
   */
  script(next: Script): void
  /** Ends every connection at once and frees all ports. May be called again. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Starts a gateway, a feedback service and a provider API over TLS. The first two demand a client certificate of
 * `certificates.ca`; the provider API takes one, or provider tokens.
 * @throws SimulatorError `invalid-options`, `invalid-script`, `cannot-listen`
 */
export async function startSimulator(options: SimulatorOptions = {}): Promise<Simulator> {
  checkOptions(options)
  const script = parseScript(options.script ?? {})
  const signingKey = await sharedSigningKey()
  const keys = [ownKey(signingKey), ...(options.signingKeys ?? [])].map((key) => openVerifyingKey(key))
  const certificates = options.certificates ?? (await sharedCertificates())
  const journal = new WritableJournal(options.journal ?? 'full')
  const gateway = new GatewayServer(certificates, journal, options.seed ?? 0)
  const feedback = new FeedbackServer(certificates, journal)
  const provider = new ProviderServer({
    certificates,
    journal,
    seed: options.seed ?? 0,
    keys,
    environment: options.environment ?? 'production',
    apps: options.apps,
  })
  const apply = (next: Script) => {
    gateway.script(next)
    feedback.script(next)
    provider.script(next.provider ?? {})
  }
  apply(script)
  let closing: Promise<unknown> | undefined
  const close = async () => {
    journal.close()
    closing ??= Promise.all([gateway.close(), feedback.close(), provider.close()])
    await closing
  }
  try {
    const [gatewayAddress, feedbackAddress, providerAddress] = await Promise.all([
      gateway.listen(options.gatewayPort ?? 0),
      feedback.listen(options.feedbackPort ?? 0),
      provider.listen(options.providerPort ?? 0),
    ])
    return {
      gateway: gatewayAddress,
      feedback: feedbackAddress,
      provider: providerAddress,
      certificates,
      signingKey,
      journal,
      script(next) {
        if (closing !== undefined) throw closed()
        apply(parseScript(next))
      },
      close,
      [Symbol.asyncDispose]: close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** Three RSA keys take a few tenths of a second, which a test file with many simulators should pay once. */
let shared: Promise<Certificates> | undefined
function sharedCertificates(): Promise<Certificates> {
  shared ??= createCertificates()
  return shared
}

let ownSigningKey: Promise<SimulatorSigningKey> | undefined
function sharedSigningKey(): Promise<SimulatorSigningKey> {
  ownSigningKey ??= createSigningKey()
  return ownSigningKey
}

/** The public half is read out of the private key. */
function ownKey({ keyId, teamId, key }: SimulatorSigningKey): AcceptedKey {
  return { keyId, teamId, publicKey: key }
}

function checkOptions({
  gatewayPort,
  feedbackPort,
  providerPort,
  seed,
  journal,
  environment,
  apps,
}: SimulatorOptions): void {
  for (const [name, port] of Object.entries({ gatewayPort, feedbackPort, providerPort })) {
    if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port <= 65_535)) {
      throw invalidOption(name, port, 'a port from 0 to 65535, 0 for a free one')
    }
  }
  if (seed !== undefined && !Number.isSafeInteger(seed)) throw invalidOption('seed', seed, 'a whole number')
  if (journal !== undefined && journal !== 'full' && journal !== 'counts') {
    throw invalidOption('journal', journal, "'full' or 'counts'")
  }
  if (apps !== undefined && (apps.length === 0 || apps.includes(''))) throw invalidOption('apps', apps, 'bundle ids')
  if (environment !== undefined && environment !== 'production' && environment !== 'sandbox') {
    throw invalidOption('environment', environment, "'production' or 'sandbox'")
  }
}

function invalidOption(name: string, value: unknown, due: string): SimulatorError {
  return new SimulatorError('invalid-options', `${name} is ${JSON.stringify(value)}`, `Give ${due}.`)
}

function closed(): SimulatorError {
  return new SimulatorError('closed', 'the simulator is closed', 'Start another one.')
}
