import type { Content } from '@lhspn/apns-protocol'

/** One content addressed to one device token. Neither it nor its content may change until its outcome is out. */
export interface Notification {
  /** The device token in hex, 1–100 bytes. `parseDeviceToken` of apns-protocol turns any spelling into it. */
  readonly token: string
  /** Shared between the notifications of a push: the same object is rendered once. */
  readonly content: Content
  /** Written as `aps.badge`, in place of one in the payload: 0 (removes the badge) to 2,147,483,647. */
  readonly badge?: number
  /** Provider API only: its `apns-id`, a UUID in lower case. Apple makes one where it is absent. */
  readonly id?: string
}
