import type { SigningKey } from '@lhspn/sender'

/** What the server of `million-provider.ts` does to which notifications, by index, ascending. */
export interface Troubles {
  /** Told that their device token is dead. */
  readonly dead: readonly number[]
  /** Their stream is refused when they come for the first time. */
  readonly refused: readonly number[]
  /** Taken, and the last ones of their connection. */
  readonly last: readonly number[]
}

export type ServerQuestion =
  | {
      readonly kind: 'start'
      readonly notifications: number
      readonly troubles: Troubles
      readonly certificate: { readonly cert: string; readonly key: string }
    }
  | { readonly kind: 'tell' }

export interface ServerFacts {
  readonly port: number
  /** Notifications taken. */
  readonly accepted: number
  /** Index and times of each notification that was taken other than exactly once. */
  readonly takenOtherwise: readonly (readonly [index: number, times: number])[]
  readonly unregistered: number
  readonly refused: number
  readonly goaways: number
  readonly connections: number
  readonly violations: number
}

export interface SendingQuestion {
  readonly port: number
  readonly ca: string
  readonly signingKey: SigningKey
  readonly notifications: number
}
