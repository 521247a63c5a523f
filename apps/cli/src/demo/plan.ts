import { createHash } from 'node:crypto'

import type { Script } from '@lhspn/apns-simulator'

/** A device as its app registers it. */
export interface PlannedDevice {
  readonly token: string
  readonly attributes: { readonly plan: 'pro' | 'free'; readonly lang: string; readonly age: number }
}

/** What the simulated Apple does to one push. Which devices it meets follows from the audience alone. */
export interface PushPlan {
  /** Everybody whom the push must go to, in the order of the registry. */
  readonly tokens: readonly string[]
  /** Tokens that the gateway refuses with status 8. */
  readonly rejected: ReadonlySet<string>
  /** The last one that was accepted before a shutdown (status 10). */
  readonly shutdown?: string
  /** Refused once with a processing error (status 1); it goes again. */
  readonly transient?: string
  /** At this one the connection is cut, without a word. */
  readonly cut?: string
}

const DEVICES = 1000
const LANGUAGES = ['de', 'en', 'fr', 'no'] as const
const INVALID_TOKEN = 8
const SHUTDOWN = 10
const PROCESSING_ERROR = 1

/** Places in an audience, as shares of it. Refused tokens are far apart: many at once would look like a wrong environment. */
const REFUSED_AT = [0.04, 0.2, 0.4, 0.6, 0.8, 0.96]
const SHUTDOWN_AT = 0.2
const TRANSIENT_AT = 0.5
/** The cut comes soon after a refusal, which proves all before it: little stays unconfirmed. */
const REFUSED_BEFORE_CUT_AT = 0.95
const CUT_AT = 0.97
/** Every so many devices, the feedback service names one. */
const GONE_EVERY = 83

/** Makes the devices; all of them follow from the seed. */
export function makeDevices(seed: number): readonly PlannedDevice[] {
  return Array.from({ length: DEVICES }, (_, number) => {
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

/** A push in which some tokens are refused. */
export function planRefusals(tokens: readonly string[]): PushPlan {
  return { tokens, rejected: new Set(REFUSED_AT.map((share) => at(tokens, share))) }
}

/** A push that meets everything that can happen on the way. */
export function planTrouble(tokens: readonly string[]): PushPlan {
  return {
    tokens,
    rejected: new Set([at(tokens, REFUSED_BEFORE_CUT_AT)]),
    shutdown: at(tokens, SHUTDOWN_AT),
    transient: at(tokens, TRANSIENT_AT),
    cut: at(tokens, CUT_AT),
  }
}

/** From which devices the app is gone. */
export function planGone(tokens: readonly string[]): readonly string[] {
  return tokens.filter((_, index) => index % GONE_EVERY === GONE_EVERY - 1)
}

/** What the simulated gateway has to do for that. */
export function scriptOf({ rejected, shutdown, transient, cut }: PushPlan): Script {
  return {
    rules: [
      // late, as Apple's answers were: what comes after it is thrown away meanwhile, and must go again
      ...[...rejected].map((token, nth) => ({
        when: { token },
        do: { status: INVALID_TOKEN, ...(nth % 2 === 1 && { delayMs: 20 }) },
      })),
      ...once(shutdown, { status: SHUTDOWN }),
      ...once(transient, { status: PROCESSING_ERROR }),
      ...once(cut, 'close'),
    ],
  }
}

function once(token: string | undefined, action: { readonly status: number } | 'close') {
  return token === undefined ? [] : [{ when: { token }, times: 1, do: action }]
}

function at(tokens: readonly string[], share: number): string {
  return tokens[Math.floor(tokens.length * share)] ?? ''
}
