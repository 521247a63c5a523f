import { aboutProviderAnswer, ERROR_STATUSES } from '@lhspn/apns-protocol'

/**
 * What follows from an error response for the notification that it names.
 * - `accepted`: it was the last one that was taken
 * - `rejected`: it is settled
 * - `again`: only it waits, and goes once more
 * - `stop`: the credentials are at fault; it was not taken
 * - `unknown`: the response proves nothing about any notification
 */
export type Verdict = 'accepted' | 'rejected' | 'again' | 'stop' | 'unknown'

const NO_ERROR = 0
const PROCESSING_ERROR = 1
const SHUTDOWN = 10
const PROTOCOL_ERROR = 128

/** A notification with a status of unknown meaning goes again once. */
const ATTEMPTS_AT_UNKNOWN = 2

/**
 * Our policy for an error response of the gateway.
 * @param status any status, also one that Apple never named
 * @param attempts times that the named notification was written, this one included
 * @param limit times that a notification may be written
 */
export function gatewayVerdict(status: number, attempts: number, limit: number): Verdict {
  if (status === NO_ERROR || status === PROTOCOL_ERROR) return 'unknown'
  if (status === SHUTDOWN) return 'accepted'
  if (status === PROCESSING_ERROR) return attempts < limit ? 'again' : 'rejected'
  if (isAboutService(status)) return attempts < Math.min(limit, ATTEMPTS_AT_UNKNOWN) ? 'again' : 'rejected'
  return aboutOf(status) === 'credentials' ? 'stop' : 'rejected'
}

/** Whether a status is about the service, and not about a token, a content or the credentials. */
export function isAboutService(status: number): boolean {
  return aboutOf(status) === 'service'
}

/** Whom a status is about; one that Apple never named tells nothing, so it counts as the service's. */
function aboutOf(status: number): (typeof ERROR_STATUSES)[keyof typeof ERROR_STATUSES]['about'] {
  return status in ERROR_STATUSES ? ERROR_STATUSES[status as keyof typeof ERROR_STATUSES].about : 'service'
}

/**
 * What follows from an answer of the provider API that is not 200.
 * - `rejected`, `unregistered`: it is settled
 * - `wait`: only this notification waits, and goes again
 * - `unavailable`: APNs as a whole is not available; it goes again, and enough of them hold the sender
 * - `renew`: it goes again with a new provider token
 * - `reconnect`: it goes again on a new connection
 * - `stop`: the credentials are at fault; it was not taken
 */
export type ProviderVerdict = 'rejected' | 'unregistered' | 'wait' | 'unavailable' | 'renew' | 'reconnect' | 'stop'

/** Our policy where the reason says more than whom it is about. */
const BY_REASON: { readonly [reason: string]: ProviderVerdict } = {
  ExpiredProviderToken: 'renew',
  UnrelatedKeyIdInToken: 'reconnect',
  TooManyRequests: 'wait',
  TooManyProviderTokenUpdates: 'wait',
  IdleTimeout: 'wait',
}

/** After these a connection is of no further use. */
const ENDING = new Set(['UnrelatedKeyIdInToken', 'TooManyProviderTokenUpdates', 'IdleTimeout', 'Shutdown'])

/** @param reason of the body, also one that Apple never documented; undefined where there was none */
export function providerVerdict(status: number, reason: string | undefined): ProviderVerdict {
  const known = reason === undefined || !Object.hasOwn(BY_REASON, reason) ? undefined : BY_REASON[reason]
  if (known !== undefined) return known
  if (status === 410) return 'unregistered'
  const about = aboutProviderAnswer(status, reason)
  if (about === 'credentials') return 'stop'
  if (about === 'service') return status === 429 ? 'wait' : 'unavailable'
  return 'rejected'
}

/** Whether an answer with this reason ends the use of its connection. */
export function endsConnection(reason: string | undefined): boolean {
  return reason !== undefined && ENDING.has(reason)
}
