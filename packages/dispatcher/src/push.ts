import type { Content } from '@lhspn/apns-protocol'
import type { Audience } from '@lhspn/device-store'
import type { SendOptions } from '@lhspn/sender'

/** Device tokens as they come, in arrays of any length; any number, and so not counted in advance. */
export interface TokenStream {
  readonly stream: AsyncIterable<readonly string[]>
}

export type Environment = 'production' | 'sandbox'

/** One content for one audience. */
export interface Push {
  /** Topic of the app. */
  readonly app: string
  readonly environment: Environment
  readonly audience: Audience | TokenStream
  readonly content: Content
  /**
   * `increment` counts every device's badge up by one and sends the new value; tokens that are not registered get 1. A
   * number is sent to all. Absent, the payload goes as it is.
   */
  readonly badge?: 'increment' | number
  /** With more devices than this nothing is sent; a stream is not counted. */
  readonly maxAudience?: number
  readonly onUnconfirmed?: NonNullable<SendOptions['onUnconfirmed']>
}
