import { ERROR_STATUSES, type GatewayReason, type ProviderReason } from '@lhspn/apns-protocol'

import type { Notification } from './notification.ts'

/**
 * What became of one notification.
 * - `accepted`: proven to be taken by APNs (or assumed to, reason `Assumed`, where the operator chose so)
 * - `rejected`: refused for the reason named, or never written because it could not be
 * - `unregistered`: the device token is dead (provider API only; a gateway tells by its feedback service)
 * - `unconfirmed`: written; whether it was taken cannot be known
 * - `unsent`: provably not taken, and given back
 */
export type OutcomeKind = 'accepted' | 'rejected' | 'unregistered' | 'unconfirmed' | 'unsent'

/** Exactly one for each notification that went in. */
export interface Outcome<N extends Notification = Notification> {
  readonly notification: N
  readonly kind: OutcomeKind
  /** Absent on what was accepted by proof. */
  readonly reason?: Reason
  /** Status of the gateway's error response that named this notification, or of the provider API's answer to it. */
  readonly status?: number
  /** With `unregistered`, where Apple says it: when the token was confirmed dead, in milliseconds since 1970. */
  readonly since?: number
  /** With `unsent`, where Apple asked to wait: when to try again, in milliseconds since 1970. */
  readonly retryAt?: number
  /** Times that it was written, those not counted after which it was provably left unprocessed. */
  readonly attempts: number
}

/** Why an outcome is what it is: Apple's word for it, which may be one that nobody knows yet, or one of our own. */
export type Reason = GatewayReason | ProviderReason | OwnReason | UnknownReason
/** Any text, without hiding the known ones from an editor. */
type UnknownReason = string & Record<never, never>
export type OwnReason = keyof typeof OWN_REASONS

interface ReasonFact {
  readonly kind: OutcomeKind
  readonly meaning: string
  readonly remedy: string
}

/** The reasons that do not come from Apple. */
export const OWN_REASONS = {
  Assumed: {
    kind: 'accepted',
    meaning: 'The gateway does not answer confirmation barriers; it stayed quiet, which was taken for acceptance.',
    remedy: 'Set assumeAccepted to false to have such notifications reported as unconfirmed.',
  },
  Expired: {
    kind: 'rejected',
    meaning: 'Its expiration passed before it could be written.',
    remedy: 'Give it a later expiration, or find out why it had to wait.',
  },
  MalformedToken: {
    kind: 'rejected',
    meaning: 'The device token is not 1 to 100 bytes of hex; nothing was written.',
    remedy: 'Pass tokens through parseDeviceToken where they come in.',
  },
  MalformedBadge: {
    kind: 'rejected',
    meaning: 'The badge is not a whole number from 0 to 2,147,483,647; nothing was written.',
    remedy: 'Give a badge of 0 or more, or leave it out.',
  },
  MalformedId: {
    kind: 'rejected',
    meaning: 'The id is not a UUID in lower case; nothing was written.',
    remedy: 'Give one as 8-4-4-4-12 lowercase hex digits, or leave it out: Apple then makes one.',
  },
  Unexplained: {
    kind: 'rejected',
    meaning:
      'APNs, or something in between, refused it without a reason; only the status says what kind of refusal it is.',
    remedy: 'Look up the status; where it is none of Apple’s, look for a proxy in between.',
  },
  ContentRefused: {
    kind: 'rejected',
    meaning: 'The content cannot be sent over this interface; nothing was written.',
    remedy: 'Run checkContent(content, interface): it names each fault.',
  },
  ConnectionLost: {
    kind: 'unconfirmed',
    meaning: 'The connection ended without an answer while this was in flight.',
    remedy: "Send it again if a duplicate does less harm than a loss, or choose onUnconfirmed 'resend'.",
  },
  StreamReset: {
    kind: 'unconfirmed',
    meaning: 'APNs reset the stream without an answer.',
    remedy: "Send it again if a duplicate does less harm than a loss, or choose onUnconfirmed 'resend'.",
  },
  PositionUnknown: {
    kind: 'unconfirmed',
    meaning: 'An answer came that does not say whether this was taken.',
    remedy: "Send it again if a duplicate does less harm than a loss, or choose onUnconfirmed 'resend'.",
  },
  NoAnswer: {
    kind: 'unconfirmed',
    meaning: 'No answer came in time to this notification, or to the confirmation barrier behind it.',
    remedy: 'Look for a firewall that drops idle connections, or raise the request timeout.',
  },
  Quiet: {
    kind: 'unconfirmed',
    meaning: 'The gateway does not answer confirmation barriers; it stayed quiet for the quiet time.',
    remedy: 'Set assumeAccepted to true if silence means acceptance to you.',
  },
  Aborted: {
    kind: 'unsent',
    meaning: 'The caller aborted before it was written.',
    remedy: 'Send it again when you want it out.',
  },
  Deadline: {
    kind: 'unsent',
    meaning: "The call's deadline came before it was written.",
    remedy: 'Send it again with a later deadline.',
  },
  Draining: {
    kind: 'unsent',
    meaning: 'The sender was closed before it was written.',
    remedy: 'Send it again with another sender.',
  },
  Unreachable: {
    kind: 'unsent',
    meaning: 'APNs could not be reached, or ten connections in a row settled nothing.',
    remedy: 'Check the address and the network, then send it again.',
  },
  RetryLater: {
    kind: 'unsent',
    meaning: 'Apple asks to wait longer than a minute, or answered for a minute that it is not available.',
    remedy: 'Send it again at the time that the outcome names.',
  },
  Stopped: {
    kind: 'unsent',
    meaning: 'A fault of the credentials or of the configuration stopped the sender.',
    remedy: 'Mend what the error says, then send it again.',
  },
} as const satisfies Record<string, ReasonFact>

/** The reason that belongs to a status of the gateway; a status that Apple never named counts as `Unknown`. */
export function reasonOfStatus(status: number): GatewayReason {
  return status in ERROR_STATUSES ? ERROR_STATUSES[status as keyof typeof ERROR_STATUSES].name : 'Unknown'
}
