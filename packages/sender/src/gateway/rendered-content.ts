import { checkContent, type Content, type PayloadBytes, PUSH_TYPES, renderPayload } from '@lhspn/apns-protocol'

/** A content as the gateway carries it. What is asked for is made once. */
export class RenderedContent {
  readonly #content: Content
  #payload: PayloadBytes | undefined
  #sendable: boolean | undefined
  #sendableWithBadge: boolean | undefined
  readonly expiration: number | undefined
  readonly priority: number

  constructor(content: Content) {
    this.#content = content
    this.expiration = content.expiration
    this.priority = content.priority ?? PUSH_TYPES[content.pushType ?? 'alert']?.defaultPriority
  }

  /** Only of a content that is sendable. */
  get payload(): PayloadBytes {
    return (this.#payload ??= renderPayload(this.#content.payload))
  }

  /** Whether a gateway can carry it as it is. */
  get sendable(): boolean {
    return (this.#sendable ??= checkContent(this.#content, 'gateway').errors.length === 0)
  }

  /** Whether a gateway can carry it with any badge spliced in. */
  get sendableWithBadge(): boolean {
    return (this.#sendableWithBadge ??= checkContent(this.#content, 'gateway', { badge: true }).errors.length === 0)
  }
}

/** Stands for whatever a caller without types gave as a content and is none: no gateway can carry it. */
const NO_CONTENT = {} as Content

/** Renders each content once for all notifications that share it. */
export class ContentRenderer {
  readonly #rendered = new WeakMap<Content, RenderedContent>()
  #lastContent: Content | undefined
  #last: RenderedContent | undefined

  render(content: Content): RenderedContent {
    if (content === this.#lastContent && this.#last !== undefined) return this.#last
    if (typeof content !== 'object' || content === null) return this.render(NO_CONTENT)
    let rendered = this.#rendered.get(content)
    if (rendered === undefined) {
      rendered = new RenderedContent(content)
      this.#rendered.set(content, rendered)
    }
    this.#lastContent = content
    this.#last = rendered
    return rendered
  }
}
