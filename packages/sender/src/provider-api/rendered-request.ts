import { type Content, renderRequestHead, type RequestHead } from '@lhspn/apns-protocol'

import { RenderedContent } from '../rendered-content.ts'

/** Whom requests go to. */
export interface RequestTarget {
  /** Bundle id. */
  readonly topic: string
  /** Host, with the port where it is not 443. */
  readonly authority: string
}

/** A content as requests of the provider API carry it. */
export class RenderedRequest extends RenderedContent {
  readonly #request: () => RequestHead
  #head: RequestHead | undefined

  constructor(content: Content, target: RequestTarget) {
    super(content, 'provider-api')
    this.#request = () => renderRequestHead(content, target)
  }

  /** The headers that all its notifications share. Only of a content that is sendable. */
  get head(): RequestHead {
    return (this.#head ??= this.#request())
  }
}
