/** What Apple states about a push type. */
export interface PushTypeFacts {
  /** Whether the binary gateway can carry it: it knows no push types, and what is not an alert must look like one to it. */
  readonly gateway: boolean
  /** What stands behind the bundle id in the header `apns-topic`. */
  readonly topicSuffix: string
  /** Whether Apple takes it with a signing key alone, on no connection of a certificate. */
  readonly keyOnly: boolean
  /** Largest payload over the provider API, in bytes. The gateway's limit is 2048 for both that it carries. */
  readonly payloadBytes: 4096 | 5120
  /** Priorities that Apple names for it; where it names none, all three. */
  readonly priorities: readonly Priority[]
  /** What to send when nobody chose one. */
  readonly defaultPriority: Priority
}

/** 10: at once. 5: with regard to the device's power. 1: power first, never wakes the device. */
export type Priority = 10 | 5 | 1

const ANY: readonly Priority[] = [10, 5, 1]

/** The eleven push types (Apple, Sending notification requests to APNs; ActivityKit; Push to Talk; WidgetKit). */
export const PUSH_TYPES = {
  alert: {
    gateway: true,
    topicSuffix: '',
    keyOnly: false,
    payloadBytes: 4096,
    priorities: [10, 5],
    defaultPriority: 10,
  },
  background: {
    gateway: true,
    topicSuffix: '',
    keyOnly: false,
    payloadBytes: 4096,
    priorities: [5],
    defaultPriority: 5,
  },
  voip: {
    gateway: false,
    topicSuffix: '.voip',
    keyOnly: false,
    payloadBytes: 5120,
    priorities: ANY,
    defaultPriority: 10,
  },
  complication: {
    gateway: false,
    topicSuffix: '.complication',
    keyOnly: false,
    payloadBytes: 4096,
    priorities: ANY,
    defaultPriority: 10,
  },
  fileprovider: {
    gateway: false,
    topicSuffix: '.pushkit.fileprovider',
    keyOnly: false,
    payloadBytes: 4096,
    priorities: ANY,
    defaultPriority: 10,
  },
  mdm: { gateway: false, topicSuffix: '', keyOnly: false, payloadBytes: 4096, priorities: ANY, defaultPriority: 10 },
  location: {
    gateway: false,
    topicSuffix: '.location-query',
    keyOnly: true,
    payloadBytes: 4096,
    priorities: [10, 5],
    defaultPriority: 10,
  },
  liveactivity: {
    gateway: false,
    topicSuffix: '.push-type.liveactivity',
    keyOnly: false,
    payloadBytes: 4096,
    priorities: [10, 5],
    defaultPriority: 10,
  },
  pushtotalk: {
    gateway: false,
    topicSuffix: '.voip-ptt',
    keyOnly: false,
    payloadBytes: 4096,
    priorities: [10],
    defaultPriority: 10,
  },
  widgets: {
    gateway: false,
    topicSuffix: '.push-type.widgets',
    keyOnly: false,
    payloadBytes: 4096,
    priorities: ANY,
    defaultPriority: 10,
  },
  controls: {
    gateway: false,
    topicSuffix: '.push-type.controls',
    keyOnly: false,
    payloadBytes: 4096,
    priorities: ANY,
    defaultPriority: 10,
  },
} as const satisfies Record<string, PushTypeFacts>

/** What kind of notification it is: the value of the header `apns-push-type`. */
export type PushType = keyof typeof PUSH_TYPES

export function isPushType(value: unknown): value is PushType {
  return typeof value === 'string' && Object.hasOwn(PUSH_TYPES, value)
}

/** The value of `apns-topic` for an app. In a push of type mdm the app is the UID in the subject of its certificate. */
export function topicOf(bundleId: string, pushType: PushType): string {
  return bundleId + PUSH_TYPES[pushType].topicSuffix
}
