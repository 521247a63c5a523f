import type { Interface } from '@lhspn/apns-protocol'

import { type AppConfig, type Environment, ENVIRONMENT_KEYS, interfaceForSending } from '../app-config.ts'
import { notReachable, readCertificate, readCredentials, serverOf, trustOf } from '../apps.ts'
import type { Config } from '../config.ts'
import type { Finding } from '../finding.ts'
import { probeGateway } from './gateway-probe.ts'
import {
  type CredentialsFinding,
  judgeClock,
  judgeConnection,
  judgeGateway,
  judgeObstacle,
  judgeProvider,
} from './judgement.ts'
import { probeProvider } from './provider-probe.ts'
import { addressOf, type ReachOptions, type Unreached } from './reach.ts'

/** What a question to APNs, or to the gateway, of an app in an environment showed. */
export interface Probe {
  readonly interface: Interface
  /** Whether the server is there and is trusted. */
  readonly connection: Finding
  /** Whether it takes the credentials; absent where it was not reached. */
  readonly credentials?: CredentialsFinding
  /** Whether our clock agrees with its; absent where it does not tell. */
  readonly clock?: Finding
}

export interface ProbeOptions {
  readonly signal?: AbortSignal | undefined
}

const HTTPS_PORT = 443
/** Apple listens there too, for firewalls that let no other HTTPS out (Apple, Sending notification requests to APNs). */
const SUBSTITUTE_PORT = 2197

/**
 * Asks whether an app's credentials are taken in an environment, with a notification that no device can receive: on the
 * provider API to a device token that cannot exist, at a binary gateway by a confirmation barrier.
 * @throws ServiceError `app-not-configured`, `unreadable-file`; SenderError `invalid-credentials`, `invalid-options`
 */
export async function probe(
  config: Pick<Config, 'sender'>,
  app: AppConfig,
  environment: Environment,
  { signal }: ProbeOptions = {},
): Promise<Probe> {
  const over = interfaceForSending(app, environment)
  if (over === undefined) throw notReachable(app, environment)
  const { requestTimeoutMs, quietTimeMs, proxy } = config.sender
  const options = { ...(await trustOf(app)), proxy, timeoutMs: requestTimeoutMs, signal }
  return over === 'gateway'
    ? askGateway(app, environment, { ...options, quietTimeMs })
    : askProvider(app, environment, options)
}

type Options = Omit<ReachOptions, 'host' | 'port'>

async function askGateway(
  app: AppConfig,
  environment: Environment,
  options: Options & { readonly quietTimeMs: number },
): Promise<Probe> {
  const address = serverOf(app, environment, 'gateway')
  const certificate = await readCertificate(app, environment)
  const answer = await probeGateway({ ...options, ...addressOf(address), certificate })
  if (!('over' in answer)) return { interface: 'gateway', connection: judgeObstacle(answer) }
  return {
    interface: 'gateway',
    connection: judgeConnection(address, answer.over, viaProxy(options)),
    credentials: judgeGateway(answer),
  }
}

async function askProvider(app: AppConfig, environment: Environment, options: Options): Promise<Probe> {
  const { host, port } = addressOf(serverOf(app, environment, 'provider'), HTTPS_PORT)
  const credentials = await readCredentials(app, environment)
  const substitutePort = port === HTTPS_PORT ? SUBSTITUTE_PORT : undefined
  const answer = await probeProvider({ ...options, host, port, topic: app.topic, credentials, substitutePort })
  if (!('over' in answer)) {
    return { interface: 'provider-api', connection: judgeObstacle(withSubstitute(answer, environment, host)) }
  }
  const clockAheadMs = answer.kind === 'answered' ? answer.clockAheadMs : undefined
  return {
    interface: 'provider-api',
    connection: judgeConnection(`${host}:${port}`, answer.over, ['HTTP/2', ...viaProxy(options)]),
    credentials: judgeProvider(answer),
    ...(clockAheadMs !== undefined && { clock: judgeClock(clockAheadMs, host) }),
  }
}

function viaProxy({ proxy }: Options): readonly string[] {
  return proxy === undefined ? [] : ['through the proxy']
}

/** A port that is open is the best remedy for one that is not. */
function withSubstitute(
  answer: Unreached & { readonly openPort?: number },
  environment: Environment,
  host: string,
): Unreached {
  if (answer.openPort === undefined) return answer
  const remedy = `Port ${answer.openPort} is open: set ${ENVIRONMENT_KEYS[environment].provider} to "${host}:${answer.openPort}".`
  return { ...answer, remedy }
}
