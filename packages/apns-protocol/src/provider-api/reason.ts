/** Why the provider API refuses a request (Apple, Handling notification responses from APNs). */

/** What Apple states about a reason. */
export interface ProviderReasonFacts {
  /** The HTTP status that it comes with. */
  readonly status: number
  /** Whose fault it is. */
  readonly about: 'token' | 'content' | 'credentials' | 'service'
  readonly meaning: string
  readonly remedy: string
}

const IN_THE_REQUEST = 'Report it: the request was put together wrongly.'

/** Every reason that Apple documents for notifications. New ones come: see `aboutProviderAnswer`. */
export const PROVIDER_REASONS = {
  BadCollapseId: {
    status: 400,
    about: 'content',
    meaning: 'The collapse id has more than 64 bytes.',
    remedy: 'Shorten the collapse id.',
  },
  BadDeviceToken: {
    status: 400,
    about: 'token',
    meaning: 'The device token is malformed, or it belongs to the other environment.',
    remedy: 'Check the environment of the device; if it is right, remove the token.',
  },
  BadExpirationDate: {
    status: 400,
    about: 'content',
    meaning: 'The expiration is no time that APNs takes.',
    remedy: 'Give the expiration in whole UNIX seconds, or 0.',
  },
  BadMessageId: {
    status: 400,
    about: 'content',
    meaning: 'The id of the notification is no UUID.',
    remedy: 'Give a lowercase UUID as apns-id, or none.',
  },
  BadPriority: {
    status: 400,
    about: 'content',
    meaning: 'The priority is none that APNs takes for this push type.',
    remedy: 'Give 10, 5 or 1; a push of type background needs 5.',
  },
  BadTopic: {
    status: 400,
    about: 'content',
    meaning: 'APNs does not take the topic.',
    remedy: 'Check the bundle id of the app, and the push type, which decides what stands behind it.',
  },
  DeviceTokenNotForTopic: {
    status: 400,
    about: 'token',
    meaning: 'The device token belongs to another topic.',
    remedy: 'Register the device with the app that it belongs to; several at once mean that the bundle id is wrong.',
  },
  DuplicateHeaders: {
    status: 400,
    about: 'content',
    meaning: 'A header came more than once.',
    remedy: IN_THE_REQUEST,
  },
  IdleTimeout: {
    status: 400,
    about: 'service',
    meaning: 'The connection was idle for too long.',
    remedy: 'Connect again and send the notification again.',
  },
  InvalidPushType: {
    status: 400,
    about: 'content',
    meaning: 'APNs does not take the push type.',
    remedy: 'Give one of the eleven push types, such as alert or background.',
  },
  MissingDeviceToken: {
    status: 400,
    about: 'token',
    meaning: 'The request has no device token.',
    remedy: 'Remove the empty token where it is stored.',
  },
  MissingTopic: {
    status: 400,
    about: 'content',
    meaning: 'The request has no topic, and the certificate covers none or several.',
    remedy: 'Give the bundle id of the app.',
  },
  PayloadEmpty: {
    status: 400,
    about: 'content',
    meaning: 'The notification has no payload.',
    remedy: 'Give a payload with "aps".',
  },
  TopicDisallowed: {
    status: 400,
    about: 'credentials',
    meaning: 'The credentials may not push to this topic.',
    remedy: 'Check that the key or certificate covers the app, and that the app has the entitlement.',
  },
  BadCertificate: {
    status: 403,
    about: 'credentials',
    meaning: 'APNs does not take the client certificate.',
    remedy: 'Make a new push certificate for the app, or use a signing key.',
  },
  BadCertificateEnvironment: {
    status: 403,
    about: 'credentials',
    meaning: 'The client certificate is for the other environment.',
    remedy: 'Use the certificate of this environment, or send to the other one.',
  },
  BadEnvironmentKeyIdInToken: {
    status: 403,
    about: 'credentials',
    meaning: 'The signing key is for the other environment.',
    remedy: 'Use a key of this environment, or send to the other one.',
  },
  ExpiredProviderToken: {
    status: 403,
    about: 'credentials',
    meaning: 'The provider token is more than an hour old.',
    remedy: 'Make a new provider token; if it is refused too, set the clock of this machine.',
  },
  Forbidden: {
    status: 403,
    about: 'credentials',
    meaning: 'The credentials may not do this.',
    remedy: 'Check the rights of the key or certificate in the developer account.',
  },
  InvalidProviderToken: {
    status: 403,
    about: 'credentials',
    meaning: 'The provider token is wrong, or its signature cannot be verified.',
    remedy: 'Check key id, team id and key file; a revoked key must be replaced.',
  },
  MissingProviderToken: {
    status: 403,
    about: 'credentials',
    meaning: 'The request has no provider token, and the connection no client certificate.',
    remedy: 'Give a signing key or a certificate.',
  },
  UnrelatedKeyIdInToken: {
    status: 403,
    about: 'credentials',
    meaning: 'The signing key is not related to the one that was used first on this connection.',
    remedy: 'Use a connection of its own for each key.',
  },
  BadPath: {
    status: 404,
    about: 'content',
    meaning: 'The path is none that APNs has.',
    remedy: IN_THE_REQUEST,
  },
  MethodNotAllowed: {
    status: 405,
    about: 'content',
    meaning: 'The method is not POST.',
    remedy: IN_THE_REQUEST,
  },
  ExpiredToken: {
    status: 410,
    about: 'token',
    meaning: 'The device token has expired.',
    remedy: 'Remove the token unless the device has registered since.',
  },
  Unregistered: {
    status: 410,
    about: 'token',
    meaning: 'The device token is no longer active for the topic: the app is gone from the device.',
    remedy: 'Remove the token unless the device has registered since.',
  },
  PayloadTooLarge: {
    status: 413,
    about: 'content',
    meaning: 'The payload is larger than APNs takes: 4096 bytes, for voip 5120.',
    remedy: 'Shorten the alert or drop keys of your own.',
  },
  TooManyProviderTokenUpdates: {
    status: 429,
    about: 'service',
    meaning: 'The provider token changed more than once in 20 minutes on this connection.',
    remedy: 'Go on with the older provider token, and share one among all who send.',
  },
  TooManyRequests: {
    status: 429,
    about: 'service',
    meaning: 'Too many notifications came in a row for this device token.',
    remedy: 'Send it again later, and send less often to one device.',
  },
  InternalServerError: {
    status: 500,
    about: 'service',
    meaning: 'An error on Apple’s side.',
    remedy: 'Send the notification again after a while; Apple names 15 minutes.',
  },
  ServiceUnavailable: {
    status: 503,
    about: 'service',
    meaning: 'APNs is not available.',
    remedy: 'Send the notification again after a while; Apple names 15 minutes.',
  },
  Shutdown: {
    status: 503,
    about: 'service',
    meaning: 'The server is about to shut down.',
    remedy: 'Connect again and send the notification again.',
  },
} as const satisfies Record<string, ProviderReasonFacts>

/** A reason that Apple documents. */
export type ProviderReason = keyof typeof PROVIDER_REASONS

/** Whether Apple documents this reason. */
export function isProviderReason(reason: string): reason is ProviderReason {
  return Object.hasOwn(PROVIDER_REASONS, reason)
}

/**
 * Whose fault a refusal is: by its reason where Apple documents it, else by the status alone.
 *
 * @param status HTTP status other than 200
 * @param reason what the body named; undefined where it named nothing
 */
export function aboutProviderAnswer(status: number, reason: string | undefined): ProviderReasonFacts['about'] {
  if (reason !== undefined && isProviderReason(reason)) return PROVIDER_REASONS[reason].about
  if (status === 403) return 'credentials'
  if (status === 410) return 'token'
  // What is no error of HTTP (a redirection, say) comes from something in between, and says nothing about the request.
  return status >= 400 && status < 500 && status !== 429 ? 'content' : 'service'
}
