import { createHash } from 'node:crypto'

import type { Certificates } from '@lhspn/apns-simulator'

/** What the clients of one comparison are told: the same job for each. */
export interface Workload {
  readonly port: number
  readonly certificates: Pick<Certificates, 'ca' | 'client'>
  readonly notifications: number
  /** Every so many-th token is one that the gateway rejects; 0: none. */
  readonly rejectEvery: number
  /** Options of apn's Connection beside where and with what to connect. */
  readonly apnOptions?: object
}

/** A client is asked to send (once to warm up, once in earnest), then, when all has arrived, for its figures. */
export type ClientQuestion = { readonly kind: 'send'; readonly workload: Workload } | { readonly kind: 'figures' }

export interface ClientFigures {
  /** User and system time of the process since it was asked to send, microseconds. */
  readonly cpu: number
  /** Start and end of the sending, milliseconds since 1970; the end is undefined if the client cannot know it. */
  readonly startedAt: number
  readonly endedAt: number | undefined
  /** Resident memory at its highest, bytes. */
  readonly peakRss: number
  /** What the client believes; undefined where it cannot know. */
  readonly accepted: number | undefined
  readonly rejected: number
  /** Neither accepted nor rejected. */
  readonly others: number
}

/** What every notification says, with a badge of its own: about 190 bytes of JSON. */
export const ALERT = {
  title: 'Order shipped',
  body: 'Your parcel has left the warehouse and should arrive tomorrow before noon.',
}
export const CUSTOM_KEYS = { orderId: 'A1B2C3D4', screen: 'orders' }
export const EXPIRATION = 2_000_000_000

const REJECTED_TOKEN = `dead${'ab'.repeat(30)}`
const TOKENS = Array.from({ length: 4096 }, (_, index) => createHash('sha256').update(`${index}`).digest('hex')).filter(
  (token) => !token.startsWith('dead'),
)

/** The token of a run's notification number `index`, from 0. */
export function tokenAt(index: number, rejectEvery: number): string {
  if (rejectEvery > 0 && index % rejectEvery === rejectEvery - 1) return REJECTED_TOKEN
  return TOKENS[index % TOKENS.length] as string
}

/** The badge of a run's notification number `index`. */
export function badgeAt(index: number): number {
  return index & 15
}

/** How many of a run's tokens the gateway rejects. */
export function rejections({ notifications, rejectEvery }: Workload): number {
  return rejectEvery === 0 ? 0 : Math.floor(notifications / rejectEvery)
}
