import { ERROR_STATUSES, PROVIDER_REASONS } from '@lhspn/apns-protocol'
import type { Outcome, OutcomeKind } from '@lhspn/sender'

/** What a settled notification can be: all but `unsent`, which is given back. */
export type SettledKind = Exclude<OutcomeKind, 'unsent'>
export const SETTLED_KINDS = [
  'accepted',
  'rejected',
  'unregistered',
  'unconfirmed',
] as const satisfies readonly SettledKind[]

export interface CodeFacts {
  readonly kind: SettledKind
  readonly reason?: string
}

/*
 * An outcome as one byte of `chunk.outcomes`. These numbers are in databases: append, never change, never take one
 * again. 4 to 252 are free for reasons, 253 to 255 stand for what this version knows no number of.
 */
const CODES = {
  1: { kind: 'accepted' },
  2: { kind: 'unconfirmed' },
  3: { kind: 'unregistered', reason: 'Unregistered' },
  4: { kind: 'accepted', reason: 'Assumed' },
  5: { kind: 'unconfirmed', reason: 'ConnectionLost' },
  6: { kind: 'unconfirmed', reason: 'StreamReset' },
  7: { kind: 'unconfirmed', reason: 'PositionUnknown' },
  8: { kind: 'unconfirmed', reason: 'NoAnswer' },
  9: { kind: 'unconfirmed', reason: 'Quiet' },
  10: { kind: 'unregistered', reason: 'ExpiredToken' },
  11: { kind: 'unregistered', reason: 'Removed' },
  12: { kind: 'rejected', reason: 'Refused' },
  13: { kind: 'rejected', reason: 'Moved' },
  14: { kind: 'rejected', reason: 'Expired' },
  15: { kind: 'rejected', reason: 'MalformedToken' },
  16: { kind: 'rejected', reason: 'MalformedBadge' },
  17: { kind: 'rejected', reason: 'MalformedId' },
  18: { kind: 'rejected', reason: 'ProcessingError' },
  19: { kind: 'rejected', reason: 'MissingDeviceToken' },
  20: { kind: 'rejected', reason: 'InvalidTokenSize' },
  21: { kind: 'rejected', reason: 'InvalidToken' },
  22: { kind: 'rejected', reason: 'Unknown' },
  23: { kind: 'rejected', reason: 'BadDeviceToken' },
  24: { kind: 'rejected', reason: 'DeviceTokenNotForTopic' },
  25: { kind: 'rejected', reason: 'TooManyRequests' },
  26: { kind: 'rejected', reason: 'InternalServerError' },
  27: { kind: 'rejected', reason: 'ServiceUnavailable' },
  28: { kind: 'rejected', reason: 'Shutdown' },
  29: { kind: 'rejected', reason: 'IdleTimeout' },
  30: { kind: 'rejected', reason: 'TooManyProviderTokenUpdates' },
  31: { kind: 'unregistered', reason: 'Unexplained' },
  32: { kind: 'rejected', reason: 'Unexplained' },
  253: { kind: 'unconfirmed', reason: 'Other' },
  254: { kind: 'unregistered', reason: 'Other' },
  255: { kind: 'rejected', reason: 'Other' },
} as const satisfies Readonly<Record<number, CodeFacts>>

type Code = keyof typeof CODES

export const UNSETTLED = 0
export const ACCEPTED = 1
/** The device was removed, refused, or changed its environment after the push was planned; nothing was written. */
export const REMOVED = 11
export const REFUSED = 12
export const MOVED = 13
const OTHER = { accepted: ACCEPTED, unconfirmed: 253, unregistered: 254, rejected: 255 } as const satisfies Record<
  SettledKind,
  Code
>
/** Rejections that a token sent to the wrong environment gets as well as a dead one (gateway status 8 among them). */
const MISMATCHED: ReadonlySet<number> = new Set<Code>([21, 23, 24])
/** Settled by us: Apple has judged none of these. */
const UNWRITTEN: ReadonlySet<number> = new Set<Code>([REMOVED, REFUSED, MOVED])

const BY_NAME: ReadonlyMap<string, number> = new Map(
  Object.entries<CodeFacts>(CODES).map(([code, { kind, reason }]) => [nameOf(kind, reason), Number(code)]),
)

/** The byte of an outcome. `unsent` has none. */
export function codeOf({ kind, reason }: { readonly kind: SettledKind; readonly reason?: string }): number {
  if (kind === 'accepted' && reason === undefined) return ACCEPTED
  return BY_NAME.get(nameOf(kind, reason)) ?? OTHER[kind]
}

/** What a byte says; undefined for 0, and for numbers of a later version. */
export function outcomeOfCode(code: number): CodeFacts | undefined {
  return (CODES as Readonly<Record<number, CodeFacts>>)[code]
}

/** Bytes of outcomes that are of this kind, or have this reason, or both. */
export function codesOf(kind: SettledKind | undefined, reason: string | undefined): readonly number[] {
  return Object.entries<CodeFacts>(CODES)
    .filter(([, facts]) => (kind ?? facts.kind) === facts.kind && (reason ?? facts.reason) === facts.reason)
    .map(([code]) => Number(code))
}

/** The outcome that a reason comes with; undefined where it may come with several, or is not known. */
export function kindOfReason(reason: string): SettledKind | undefined {
  const [first, ...others] = Object.values<CodeFacts>(CODES).filter((facts) => facts.reason === reason)
  return others.length === 0 ? first?.kind : undefined
}

/** Whether the device's mark `refused` is due for it, and it counts for a mismatch of environments. */
export function isMismatch(code: number): boolean {
  return MISMATCHED.has(code)
}

/** Whether it says nothing about how tokens fare with Apple. */
export function isUnwritten(code: number): boolean {
  return UNWRITTEN.has(code)
}

/** Reasons about the content, Apple's and ours: every other notification of the push would fare the same. */
const CONTENT_REASONS: ReadonlySet<string> = new Set([
  'ContentRefused',
  ...Object.values(ERROR_STATUSES).flatMap(({ name, about }) => (about === 'content' ? [name] : [])),
  ...Object.entries(PROVIDER_REASONS).flatMap(([name, { about }]) => (about === 'content' ? [name] : [])),
])

/** Whether an outcome is about the content, and not about its token. Of reasons that nobody knows, the status tells. */
export function isAboutContent({ kind, reason, status = 0 }: Outcome): boolean {
  if (kind !== 'rejected' || reason === undefined) return false
  if (CONTENT_REASONS.has(reason)) return true
  const isNamed = reason !== 'Unexplained' && BY_NAME.has(nameOf(kind, reason))
  return !isNamed && status >= 400 && status < 500 && status !== 410 && status !== 429
}

function nameOf(kind: string, reason: string | undefined): string {
  return `${kind} ${reason ?? ''}`
}
