import type { Certificates } from '@lhspn/apns-simulator'
import type { SigningKey } from '@lhspn/sender'

/** Which devices a push reaches, and whose tokens are dead by then: known without any database. */
export interface Audience {
  readonly devices: number
  /** Of every so many devices one dies with each push. */
  readonly deadEvery: number
  /** Pushes with which some died, before this one. */
  readonly pushes: number
  /** Devices that were there when these were sent. */
  readonly veterans: number
  /** Whether any dies with this one. */
  readonly dies: boolean
}

export function isGone({ deadEvery, pushes, veterans }: Audience, device: number): boolean {
  return device < veterans && device % deadEvery < pushes
}

export function isDead({ deadEvery, pushes, dies }: Audience, device: number): boolean {
  return dies && device % deadEvery === pushes
}

export type AppleQuestion =
  | { readonly kind: 'start'; readonly certificates: Pick<Certificates, 'ca' | 'server'> }
  | { readonly kind: 'expect'; readonly audience: Audience }
  | { readonly kind: 'tell' }

/** Since the last `expect`. */
export interface AppleFacts {
  readonly providerPort: number
  readonly gatewayPort: number
  readonly accepted: number
  readonly dead: number
  /** Devices of which a notification was due and did not come once, or came and was not due. */
  readonly otherwise: number
  readonly violations: number
  /** Of this process, user and system, microseconds. */
  readonly cpu: number
}

/** One push to everybody. */
export interface PushQuestion {
  readonly url: string
  readonly over: 'provider-api' | 'gateway'
  readonly port: number
  readonly ca: string
  readonly signingKey: SigningKey
  /** PEM, for the gateway. */
  readonly certificate: string
  /** Whether each device has a badge of its own, which is counted up. */
  readonly badges: boolean
}

export interface PushFigures {
  /** User and system time of the process from the request to its end, microseconds. */
  readonly cpu: number
  readonly seconds: number
  /** Resident memory, bytes: before, and at its highest. */
  readonly rssBefore: number
  readonly rssPeak: number
  /** As written down. */
  readonly accepted: number
  readonly notAccepted: number
  /** Neither. */
  readonly left: number
  /** Devices of whom it is written down that their token is dead. */
  readonly dead: readonly number[]
}

/** Tokens end with the number of their device. */
export function deviceOf(token: string): number {
  return Number.parseInt(token.slice(-8), 16)
}
