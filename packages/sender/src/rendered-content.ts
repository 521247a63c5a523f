import {
  checkContent,
  type Content,
  type Interface,
  MAX_BADGE,
  type PayloadBytes,
  PUSH_TYPES,
  renderPayload,
} from '@lhspn/apns-protocol'

import type { Notification } from './notification.ts'
import type { OwnReason } from './outcome.ts'

/** A content as an interface carries it. What is asked for is made once. */
export class RenderedContent {
  readonly #content: Content
  readonly #over: Interface
  #payload: PayloadBytes | undefined
  #sendable: boolean | undefined
  #sendableWithBadge: boolean | undefined
  readonly expiration: number | undefined
  readonly priority: number

  constructor(content: Content, over: Interface) {
    this.#content = content
    this.#over = over
    this.expiration = content.expiration
    this.priority = content.priority ?? PUSH_TYPES[content.pushType ?? 'alert']?.defaultPriority
  }

  /** Only of a content that is sendable. */
  get payload(): PayloadBytes {
    return (this.#payload ??= renderPayload(this.#content.payload))
  }

  /** Whether the interface can carry it as it is. */
  get sendable(): boolean {
    return (this.#sendable ??= checkContent(this.#content, this.#over).errors.length === 0)
  }

  /** Whether the interface can carry it with any badge spliced in. */
  get sendableWithBadge(): boolean {
    return (this.#sendableWithBadge ??= checkContent(this.#content, this.#over, { badge: true }).errors.length === 0)
  }
}

/** Stands for whatever a caller without types gave as a content and is none: no interface can carry it. */
const NO_CONTENT = {} as Content

/** Renders each content once for all notifications that share it. */
export class ContentRenderer<R extends RenderedContent> {
  readonly #make: (content: Content) => R
  readonly #rendered = new WeakMap<Content, R>()
  #lastContent: Content | undefined
  #last: R | undefined

  constructor(make: (content: Content) => R) {
    this.#make = make
  }

  render(content: Content): R {
    if (content === this.#lastContent && this.#last !== undefined) return this.#last
    if (typeof content !== 'object' || content === null) return this.render(NO_CONTENT)
    let rendered = this.#rendered.get(content)
    if (rendered === undefined) {
      rendered = this.#make(content)
      this.#rendered.set(content, rendered)
    }
    this.#lastContent = content
    this.#last = rendered
    return rendered
  }
}

/**
 * Why a notification must not be written at a time of day, as far as that shows before its token is read; undefined if
 * nothing speaks against it. Whoever calls without types may have given anything.
 */
export function refusalOf(
  { token, badge }: Notification,
  content: RenderedContent,
  unixMs: number,
): OwnReason | undefined {
  const { expiration } = content
  if (typeof token !== 'string') return 'MalformedToken'
  if (!(badge === undefined ? content.sendable : content.sendableWithBadge)) return 'ContentRefused'
  if (expiration !== undefined && expiration !== 0 && expiration * 1000 <= unixMs) return 'Expired'
  if (badge !== undefined && (badge >>> 0 !== badge || badge > MAX_BADGE)) return 'MalformedBadge'
  return undefined
}
