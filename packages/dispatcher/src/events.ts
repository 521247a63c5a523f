import type { OutcomeKind } from '@lhspn/sender'

import type { PausedBecause } from './push-state.ts'
import type { Environment } from './push.ts'

interface OfPush {
  /** Its id. */
  readonly push: string
  readonly app: string
  readonly environment: Environment
}

/** What was in the way of a push, where it was met in this process. */
export interface PauseCause {
  readonly error?: unknown
  /** Apple's, about the content. */
  readonly reason?: string | undefined
}

/** What happens in a dispatcher, for logs, metrics and webhooks. Tokens are whole: whoever logs shortens them. */
export type DispatcherEvent =
  /** A chunk left this process: all settled, given back with the rest, or taken away by somebody else. */
  | (OfPush & {
      readonly kind: 'chunk'
      readonly end: 'closed' | 'released' | 'lost'
      readonly seq: number
      readonly size: number
      /** Of all its members, since the push began. */
      readonly settled: number
      /** In this process, this time. */
      readonly ms: number
    })
  /** The first 100 of a chunk, this time. */
  | (OfPush & {
      readonly kind: 'not-accepted'
      /** Neither is known of a device that was removed before it was sent to. */
      readonly id: string | undefined
      readonly token: string | undefined
      readonly outcome: OutcomeKind
      readonly reason: string | undefined
    })
  /** How many more there were. */
  | (OfPush & { readonly kind: 'more-not-accepted'; readonly count: number })
  /** Devices that are gone from the registry, because Apple said so. */
  | (OfPush & { readonly kind: 'removed'; readonly tokens: readonly string[] })
  | (OfPush & { readonly kind: 'paused'; readonly because: PausedBecause } & PauseCause)
  | (OfPush & { readonly kind: 'completed' })
  /** Nothing of this app and environment is tried for a while. */
  | {
      readonly kind: 'held'
      readonly app: string
      readonly environment: Environment
      readonly ms: number
      readonly error: unknown
    }
  /** Something failed, and is tried again. */
  | { readonly kind: 'error'; readonly what: string; readonly error: unknown }

export type OnEvent = (event: DispatcherEvent) => void
