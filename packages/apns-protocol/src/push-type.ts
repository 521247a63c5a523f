/** What Apple states about a push type. */
export interface PushTypeFacts {
  /** Whether the binary gateway can carry it: it knows no push types, and what is not an alert must look like one to it. */
  readonly gateway: boolean
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
  alert: { gateway: true, payloadBytes: 4096, priorities: [10, 5], defaultPriority: 10 },
  background: { gateway: true, payloadBytes: 4096, priorities: [5], defaultPriority: 5 },
  voip: { gateway: false, payloadBytes: 5120, priorities: ANY, defaultPriority: 10 },
  complication: { gateway: false, payloadBytes: 4096, priorities: ANY, defaultPriority: 10 },
  fileprovider: { gateway: false, payloadBytes: 4096, priorities: ANY, defaultPriority: 10 },
  mdm: { gateway: false, payloadBytes: 4096, priorities: ANY, defaultPriority: 10 },
  location: { gateway: false, payloadBytes: 4096, priorities: [10, 5], defaultPriority: 10 },
  liveactivity: { gateway: false, payloadBytes: 4096, priorities: [10, 5], defaultPriority: 10 },
  pushtotalk: { gateway: false, payloadBytes: 4096, priorities: ANY, defaultPriority: 10 },
  widgets: { gateway: false, payloadBytes: 4096, priorities: ANY, defaultPriority: 10 },
  controls: { gateway: false, payloadBytes: 4096, priorities: ANY, defaultPriority: 10 },
} as const satisfies Record<string, PushTypeFacts>

/** What kind of notification it is: the value of the header `apns-push-type`. */
export type PushType = keyof typeof PUSH_TYPES

export function isPushType(value: unknown): value is PushType {
  return typeof value === 'string' && Object.hasOwn(PUSH_TYPES, value)
}
