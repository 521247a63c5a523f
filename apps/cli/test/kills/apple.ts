import type { ProviderScript, Script, Simulator } from '@lhspn/apns-simulator'

import type { Random } from './random.ts'

/** Which of Apple's interfaces the programs speak to. */
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
  /** In which the simulated installation has this interface. */
  readonly environment: 'production' | 'sandbox'
  /** Of each program, at once. */
  readonly connections: number
  /** Members of a chunk; small enough that a push has many. */
  readonly chunkSize: number
  /** Notifications that arrive a second time at most when a program is killed, for each chunk that it works at at once. */
  readonly twiceAKill: number
  /** Whether devices whose token is of no use any more are removed, instead of staying unknown. */
  readonly tellsWhoIsGone: boolean
  /** The script that cuts some connections in the middle of a request. */
  cutting(random: Random): Script
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
const GATEWAY_CHUNK = 1_000

const gateway: Apple = {
  script: GATEWAY_SCRIPT,
  environment: 'sandbox',
  connections: 2,
  chunkSize: GATEWAY_CHUNK,
  // The chunk that is fed, and the one that waits for its proof.
  twiceAKill: 2 * GATEWAY_CHUNK,
  tellsWhoIsGone: false,
  cutting: (random) => {
    const cut = { when: {}, times: 1 + random.below(MOST_CUTS), do: 'reset' } as const
    return { ...GATEWAY_SCRIPT, rules: [cut, ...(GATEWAY_SCRIPT.rules ?? [])] }
  },
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
  environment: 'production',
  connections: CONNECTIONS,
  chunkSize: 2_500,
  twiceAKill: STREAMS * CONNECTIONS + UNWRITTEN,
  tellsWhoIsGone: true,
  cutting: (random) => {
    const cut = { when: {}, times: 1 + random.below(MOST_CUTS), do: random.pick(CUTS) } as const
    return { provider: { ...PROVIDER_SCRIPT, rules: [cut, ...PROVIDER_SCRIPT.rules] } }
  },
  *arrivals({ journal }) {
    for (const request of journal.requests()) if (request.verdict === 'accepted') yield request
  },
}

export const APPLE: Readonly<Record<Interface, Apple>> = { gateway, 'provider-api': providerApi }
