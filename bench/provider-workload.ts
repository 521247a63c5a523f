import type { SigningKey } from '@lhspn/sender'

import { ALERT, type ClientFigures, CUSTOM_KEYS } from './workload.ts'

/** What the clients of the provider API are told: the same job for each. */
export interface ProviderWorkload {
  readonly port: number
  /** PEM of the authority to trust. */
  readonly ca: string
  /** Its provider tokens are as long as Apple's; the raw server does not read them. */
  readonly signingKey: SigningKey
  readonly notifications: number
  /** Every so many-th notification is one that the server rejects; 0: none. */
  readonly rejectEvery: number
  /** Whether each notification has a badge of its own, or all say the same. */
  readonly badges: boolean
  readonly connections: number
}

/** A client is asked to send: once to warm up, then in earnest. */
export interface ProviderClientQuestion {
  readonly workload: ProviderWorkload
}

/** Here each client knows what became of everything. */
export type ProviderClientFigures = ClientFigures & { readonly accepted: number; readonly endedAt: number }

export const TOPIC = 'com.example.app'
/** What a notification says, without a badge of its own. */
export const PAYLOAD = { aps: { alert: ALERT, sound: 'default', badge: 1 }, ...CUSTOM_KEYS }
