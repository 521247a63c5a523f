import type { ActivePush } from './active-push.ts'
import type { DispatcherEvent, OnEvent } from './events.ts'
import { notificationId } from './notification-id.ts'
import type { MemberNotification } from './open-members.ts'
import { outcomeOfCode, type SettledKind } from './outcome-code.ts'

/** Members told of one by one: those that were not accepted. */
const MOST_TOLD = 100

/** Tells of one chunk, for as long as this process has it. */
export class ChunkEvents {
  readonly #push: ActivePush
  readonly #onEvent: OnEvent
  #notAccepted = 0

  constructor(push: ActivePush, onEvent: OnEvent) {
    this.#push = push
    this.#onEvent = onEvent
  }

  tell(event: OfThisPush): void {
    const { id, app, environment } = this.#push
    this.#onEvent({ push: id, app, environment, ...event })
  }

  /** Something did not work, and is tried again. */
  failed(what: string, error: unknown): void {
    this.#onEvent({ kind: 'error', what, error })
  }

  notAccepted({ id, token }: MemberNotification, outcome: SettledKind, reason: string | undefined): void {
    if (++this.#notAccepted > MOST_TOLD) return
    this.tell({ kind: 'not-accepted', id, token, outcome, reason })
  }

  /** A member to whom nothing was sent; its token is known unless it is gone. */
  unwritten(code: number, token: string | undefined): void {
    const facts = outcomeOfCode(code)
    if (++this.#notAccepted > MOST_TOLD || facts === undefined) return
    const id = token === undefined ? undefined : notificationId(this.#push, token)
    this.tell({ kind: 'not-accepted', id, token, outcome: facts.kind, reason: facts.reason })
  }

  /** No more members come: tells how many were left out. */
  end(): void {
    const count = this.#notAccepted - MOST_TOLD
    if (count > 0) this.tell({ kind: 'more-not-accepted', count })
  }
}

type OfThisPush = {
  [K in DispatcherEvent['kind']]: Extract<DispatcherEvent, { kind: K }> extends infer E
    ? E extends { readonly push: string }
      ? Omit<E, 'push' | 'app' | 'environment'>
      : never
    : never
}[DispatcherEvent['kind']]
