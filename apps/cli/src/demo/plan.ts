import { createHash } from 'node:crypto'

import type { Action, ProviderAction, Script } from '@lhspn/apns-simulator'

/** A device as its app registers it. */
export interface PlannedDevice {
  readonly token: string
  readonly attributes: { readonly plan: 'pro' | 'free'; readonly lang: string; readonly age: number }
}

/** What happens on the way to one notification, once: what the simulator does. */
export const INCIDENTS = {
  goaway: { over: 'provider-api', name: 'GOAWAY', do: { goaway: 'before', reason: 'Shutdown' } },
  refusedStream: { over: 'provider-api', name: 'refused stream', do: 'refuse-stream' },
  wait: {
    over: 'provider-api',
    name: 'told to wait (429)',
    do: { status: 429, reason: 'TooManyRequests', retryAfter: 1 },
    says: 'TooManyRequests',
  },
  /** It names the last one that was accepted. */
  shutdown: { over: 'gateway', name: 'shutdown', do: { status: 10 }, says: 'Shutdown' },
  processingError: {
    over: 'gateway',
    name: 'processing error',
    do: { status: 1 },
    says: 'ProcessingError',
  },
  /** The connection ends without a word: nobody can know about what is in flight. */
  cut: { over: 'gateway', name: 'cut', do: 'close' },
} as const satisfies Record<string, Incident>

type Incident = {
  /** For people. */
  readonly name: string
  /** The reason of the answer, where it is one. */
  readonly says?: string
} & ({ readonly over: 'provider-api'; readonly do: ProviderAction } | { readonly over: 'gateway'; readonly do: Action })
export type IncidentKind = keyof typeof INCIDENTS

/** What the simulated Apple does to one push. Which devices it meets follows from the audience alone. */
export interface PushPlan {
  readonly over: 'provider-api' | 'gateway'
  /** Everybody whom the push must go to, in the order of the registry. */
  readonly tokens: readonly string[]
  /** Tokens that are refused for good. */
  readonly rejected: ReadonlySet<string>
  /** Tokens of devices from which the app is gone, as the provider API says at once. */
  readonly gone: ReadonlySet<string>
  /** The token that each thing on the way happens to. */
  readonly incidents: ReadonlyMap<IncidentKind, string>
}

/** How a token that is refused for good is refused. */
export const REJECTED_AS = { 'provider-api': 'BadDeviceToken', gateway: 'InvalidToken' } as const
const BAD_DEVICE_TOKEN = { status: 400, reason: REJECTED_AS['provider-api'] }
const INVALID_TOKEN = 8

const LANGUAGES = ['de', 'en', 'fr', 'no'] as const
/** Places in an audience, as shares of it. Refused tokens are far apart: many at once would look like a wrong environment. */
const REFUSED_AT = [0.04, 0.2, 0.4, 0.6, 0.8, 0.96]
const PROVIDER_TROUBLE = { goaway: 0.2, refusedStream: 0.5, wait: 0.7 } as const
/** The cut comes soon after a refusal, which proves all before it: little stays unconfirmed. */
const REFUSED_BEFORE_CUT_AT = 0.95
const GATEWAY_TROUBLE = { shutdown: 0.2, processingError: 0.5, cut: 0.97 } as const
/** From every so many-th device the app is gone. */
const GONE_EVERY = 53
const NONE: ReadonlySet<string> = new Set()

/** Makes devices; all of them follow from the seed. */
export function makeDevices(seed: number, count: number): readonly PlannedDevice[] {
  return Array.from({ length: count }, (_, number) => {
    const hash = createHash('sha256').update(`${seed} ${number}`).digest()
    const [first = 0, second = 0, third = 0] = hash
    const attributes = {
      plan: first % 5 < 3 ? 'pro' : 'free',
      lang: LANGUAGES[second % LANGUAGES.length] ?? 'en',
      age: 18 + (third % 60),
    } as const
    return { token: hash.toString('hex'), attributes }
  })
}

/** A push over the provider API in which some tokens are refused, and some are gone. */
export function planRefusals(tokens: readonly string[]): PushPlan {
  const rejected = new Set(REFUSED_AT.map((share) => at(tokens, share)))
  const gone = new Set(planGone(tokens).filter((token) => !rejected.has(token)))
  return { over: 'provider-api', tokens, rejected, gone, incidents: new Map() }
}

/** A push over the provider API that meets what can happen on the way. */
export function planTrouble(tokens: readonly string[]): PushPlan {
  return { over: 'provider-api', tokens, rejected: NONE, gone: NONE, incidents: place(PROVIDER_TROUBLE, tokens) }
}

/** The same over the gateway. */
export function planGatewayTrouble(tokens: readonly string[]): PushPlan {
  const rejected = new Set([at(tokens, REFUSED_BEFORE_CUT_AT)])
  return { over: 'gateway', tokens, rejected, gone: NONE, incidents: place(GATEWAY_TROUBLE, tokens) }
}

/** From which devices the app is gone. */
export function planGone(tokens: readonly string[]): readonly string[] {
  return tokens.filter((_, index) => index % GONE_EVERY === GONE_EVERY - 1)
}

/**
 * What the simulator has to do for that.
 * @param since UNIX milliseconds: when the tokens that are gone were found dead
 */
export function scriptOf({ over, rejected, gone, incidents }: PushPlan, since: number): Script {
  const once = [...incidents].map(([kind, token]) => ({ when: { token }, times: 1, do: INCIDENTS[kind] }))
  const unregistered = { status: 410, reason: 'Unregistered', timestamp: since }
  return over === 'provider-api'
    ? {
        provider: {
          rules: [
            ...[...rejected].map((token) => ({ when: { token }, do: BAD_DEVICE_TOKEN })),
            ...[...gone].map((token) => ({ when: { token }, do: unregistered })),
            ...once.flatMap((rule) => (rule.do.over === over ? [{ ...rule, do: rule.do.do }] : [])),
          ],
        },
      }
    : {
        rules: [
          // late, as Apple's answers were: what comes after it is thrown away meanwhile, and must go again
          ...[...rejected].map((token) => ({ when: { token }, do: { status: INVALID_TOKEN, delayMs: 20 } })),
          ...once.flatMap((rule) => (rule.do.over === over ? [{ ...rule, do: rule.do.do }] : [])),
        ],
      }
}

function place(
  shares: Partial<Readonly<Record<IncidentKind, number>>>,
  tokens: readonly string[],
): PushPlan['incidents'] {
  const kinds = Object.keys(shares) as IncidentKind[]
  return new Map(kinds.map((kind) => [kind, at(tokens, shares[kind] ?? 0)]))
}

function at(tokens: readonly string[], share: number): string {
  return tokens[Math.floor(tokens.length * share)] ?? ''
}
