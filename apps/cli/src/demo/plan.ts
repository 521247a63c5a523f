import { createHash } from 'node:crypto'

import type { Script } from '@lhspn/apns-simulator'

/** What the demo sends, and what the simulated Apple does to it. All of it follows from the seed. */
export interface Plan {
  readonly tokens: readonly string[]
  readonly script: Script
  /** Tokens that the gateway refuses with status 8. */
  readonly rejected: ReadonlySet<string>
  /** The last one that was accepted before a shutdown (status 10). */
  readonly shutdown: string
  /** Refused once with a processing error (status 1); it goes again. */
  readonly transient: string
  /** At this one the connection is cut, without a word. */
  readonly cut: string
  /** What the feedback service hands out. */
  readonly feedback: readonly { readonly at: number; readonly token: string }[]
}

const COUNT = 6000
const INVALID_TOKEN = 8
const SHUTDOWN = 10
const PROCESSING_ERROR = 1

/** Positions in the stream. The cut comes soon after a rejection, which proves all before it: little stays unconfirmed. */
const REJECTED_AT = [0, 400, 1100, 1101, 2300, 3700, 4600, 5850]
const SHUTDOWN_AT = 1700
const TRANSIENT_AT = 3000
const CUT_AT = 5900

/** Makes the plan. */
export function makePlan(seed: number): Plan {
  const tokens = Array.from({ length: COUNT }, (_, at) => tokenOf(seed, at))
  const at = (position: number): string => tokens[position] ?? ''
  const rejected = REJECTED_AT.map(at)
  const feedback = REJECTED_AT.map((position) => ({ at: 1_700_000_000 + position, token: at(position) }))
  return {
    tokens,
    rejected: new Set(rejected),
    shutdown: at(SHUTDOWN_AT),
    transient: at(TRANSIENT_AT),
    cut: at(CUT_AT),
    feedback,
    script: {
      rules: [
        // late, as Apple's answers were: hundreds that come after it are thrown away meanwhile, and must go again
        ...rejected.map((token, nth) => ({
          when: { token },
          do: { status: INVALID_TOKEN, ...(nth % 2 === 1 && { delayMs: 20 }) },
        })),
        { when: { token: at(SHUTDOWN_AT) }, times: 1, do: { status: SHUTDOWN } },
        { when: { token: at(TRANSIENT_AT) }, times: 1, do: { status: PROCESSING_ERROR } },
        { when: { token: at(CUT_AT) }, times: 1, do: 'close' },
      ],
      feedback,
    },
  }
}

function tokenOf(seed: number, at: number): string {
  return createHash('sha256').update(`${seed} ${at}`).digest('hex')
}
