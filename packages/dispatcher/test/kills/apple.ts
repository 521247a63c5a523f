import type { ProviderScript, Script, Simulator } from '@lhspn/apns-simulator'

import type { Random } from './random.ts'
import type { WorkerSettings } from './worker-process.ts'

/** Which of Apple's interfaces the workers speak to. */
export type Interface = 'gateway' | 'provider-api'

/** What Apple knows of a token, by how it begins. Only the provider API tells who has gone. */
export const HEADS = { refused: 'ffff', gone: 'fffe' } as const

/** What Apple took for one token. */
interface Arrival {
  readonly token: string
  readonly payload: Uint8Array
}

/** One of Apple's interfaces: what it answers, how its connections are cut, and what arrived there. */
export interface Apple {
  readonly script: Script
  /** Members of a chunk; small enough that a push has many. */
  readonly chunkSize: number
  /** Notifications that a worker may send a second time when it is killed, for each chunk that it works at at once. */
  readonly twiceAKill: number
  /** Whether devices whose token is of no use any more are removed, instead of staying unknown. */
  readonly tellsWhoIsGone: boolean
  /** The script that cuts some connections in the middle of a request. */
  cutting(random: Random): Script
  addressOf(simulator: Simulator, app: string): WorkerSettings['apple']
  arrivals(simulator: Simulator): Iterable<Arrival>
}

/** Connections that are cut at once, at most. */
const MOST_CUTS = 4

/** Slow enough that a push outlives some kills: each of its connections takes so many bytes. */
const BYTES_PER_SECOND = 500_000
const GATEWAY_SCRIPT: Script = {
  rules: [{ when: { token: { startsWith: HEADS.refused } }, do: { status: 8 } }],
  connections: [{ nth: { from: 1 }, do: 'read-slowly', bytesPerSecond: BYTES_PER_SECOND }],
}
const GATEWAY_CHUNK = 500

const gateway: Apple = {
  script: GATEWAY_SCRIPT,
  chunkSize: GATEWAY_CHUNK,
  // The chunk that is fed, and three times as much that waits for its proof.
  twiceAKill: 4 * GATEWAY_CHUNK,
  tellsWhoIsGone: false,
  cutting: (random) => {
    const cut = { when: {}, times: 1 + random.below(MOST_CUTS), do: 'reset' } as const
    return { ...GATEWAY_SCRIPT, rules: [cut, ...(GATEWAY_SCRIPT.rules ?? [])] }
  },
  addressOf: (simulator) => ({ gateway: simulator.gateway, certificate: simulator.certificates.client }),
  *arrivals({ journal }) {
    for (const entry of journal.entries()) if (entry.verdict === 'accepted') yield entry
  },
}

const STREAMS = 100
const CONNECTIONS = 4
/** Of every request there is always some that Apple has taken, and whose answer is not there yet. */
const DELAY_MS = 50
const PROVIDER_SCRIPT = {
  rules: [
    {
      when: { token: { startsWith: HEADS.refused } },
      do: { status: 400, reason: 'BadDeviceToken', delayMs: DELAY_MS },
    },
    { when: { token: { startsWith: HEADS.gone } }, do: { status: 410, reason: 'Unregistered', delayMs: DELAY_MS } },
    { when: {}, do: { status: 200, delayMs: DELAY_MS } },
  ],
  maxConcurrentStreams: STREAMS,
} as const satisfies ProviderScript
const CUTS = ['reset', 'close', { goaway: 'before' }] as const
/** Outcomes that a chunk may have, and the database not yet. */
const UNWRITTEN = 2_000

const providerApi: Apple = {
  script: { provider: PROVIDER_SCRIPT },
  chunkSize: 1_000,
  twiceAKill: STREAMS * CONNECTIONS + UNWRITTEN,
  tellsWhoIsGone: true,
  cutting: (random) => {
    const cut = { when: {}, times: 1 + random.below(MOST_CUTS), do: random.pick(CUTS) } as const
    return { provider: { ...PROVIDER_SCRIPT, rules: [cut, ...PROVIDER_SCRIPT.rules] } }
  },
  addressOf: ({ provider, signingKey: { key, keyId, teamId } }, app) => {
    return { provider, app, key, keyId, teamId, connections: CONNECTIONS }
  },
  *arrivals({ journal }) {
    for (const request of journal.requests()) if (request.verdict === 'accepted') yield request
  },
}

export const APPLE: Readonly<Record<Interface, Apple>> = { gateway, 'provider-api': providerApi }
