import type { Content, Payload, Priority, PushType } from '@lhspn/apns-protocol'
import type { Audience, Filter } from '@lhspn/device-store'

import type { PausedBecause, PushState } from './push-state.ts'

/** Device tokens as they come, in arrays of any length; any number, and so not counted in advance. */
export interface TokenStream {
  readonly stream: AsyncIterable<readonly string[]>
}

export type Environment = 'production' | 'sandbox'

/** When APNs may stop trying: so long after the push began, or at a time (UNIX ms; 0 = now or never). */
export type Expiration = { readonly afterMs: number } | { readonly at: number }

/** What a push says: the same for all of its notifications. */
export interface PushContent {
  readonly payload: Payload
  readonly pushType: PushType
  readonly priority: Priority
  readonly expiration: Expiration
  readonly collapseId: string | null
}

/** A push as it was asked for: checked, every default in its place. */
export interface PushRequest extends PushContent {
  /** Topic of the app. */
  readonly app: string
  readonly environment: Environment
  readonly audience: Audience | TokenStream
  /** `increment`: each device's own, counted up by one. A number: the same for all. null: the payload as it is. */
  readonly badge: number | 'increment' | null
  /** UNIX ms. null: at once. */
  readonly sendAt: number | null
  /** Notifications a second. null: as fast as it goes. */
  readonly rate: number | null
  /** With more devices nothing is sent. */
  readonly maxAudience: number | null
  /** What is done with a notification that may or may not have been taken. */
  readonly onUnconfirmed: 'report' | 'resend'
}

/** When notifications of a push that begins at `start` expire. Both in UNIX ms; 0 = now or never. */
function expiryOf(expiration: Expiration, start: number): number {
  return 'at' in expiration ? expiration.at : start + expiration.afterMs
}

/** What the sender would get of a push that begins when it is due, or now (UNIX ms). */
export function contentAt(push: PushContent & Pick<PushRequest, 'sendAt'>, now: number): Content {
  return contentOf(push, expiryOf(push.expiration, push.sendAt ?? now))
}

/** What the sender gets; `expiresAt` in UNIX ms, 0 = now or never. */
export function contentOf(push: Omit<PushContent, 'expiration'>, expiresAt: number): Content {
  const { payload, pushType, priority, collapseId } = push
  return {
    payload,
    pushType,
    priority,
    expiration: Math.floor(expiresAt / 1000),
    ...(collapseId !== null && { collapseId }),
  }
}

/** `planned` is always the sum of the others. */
export interface Counts {
  readonly planned: number
  readonly accepted: number
  readonly rejected: number
  readonly unregistered: number
  readonly unconfirmed: number
  /** Not settled. */
  readonly remaining: number
}

/** Of explicit tokens, their number; the records of notifications have them. */
export type StoredAudience = { readonly all: true } | { readonly filter: Filter } | { readonly tokens: number }

/** A push as it is kept, with what has become of it so far. */
export interface StoredPush extends Omit<PushRequest, 'audience' | 'expiration' | 'sendAt'> {
  /** `psh_` and a ULID. */
  readonly id: string
  /** What the database and the ids of notifications know it by. */
  readonly number: number
  readonly audience: StoredAudience
  /** 0: now or never. Of a duration, before the push has begun: as if it began when it may. */
  readonly expiration: Date | 0
  readonly sendAt: Date | null
  readonly state: PushState
  readonly pausedBecause: PausedBecause | null
  /** Whether its audience is still being read: `planned` grows. */
  readonly planning: boolean
  readonly counts: Counts
  /** How often each reason came, of all outcomes that have one. */
  readonly reasons: Readonly<Record<string, number>>
  readonly createdAt: Date
  readonly startedAt: Date | null
  /** null where it was canceled. */
  readonly completedAt: Date | null
}
