import type { Command } from '@lhspn/apns-protocol'

import { SimulatorError } from './errors.ts'

/**
 * What became of a frame or a request: `accepted` notifications were taken; `rejected` ones were answered with an error or
 * ended their connection as a command 0 does; `discarded` ones came after the end of their connection was decided, or were
 * lost by script; a `barrier` is a frame with a token of no bytes, whether it was answered or not.
 */
export type Verdict = 'accepted' | 'rejected' | 'discarded' | 'barrier'

/** One frame that arrived whole. */
export interface JournalEntry {
  /** Number of the connection to the gateway, from 1, in order of their opening. */
  readonly connection: number
  readonly command: 0 | 1 | 2
  /** Absent where the frame has none. */
  readonly identifier: number | undefined
  /** Lowercase hex; `''` if missing or empty. */
  readonly token: string
  readonly payload: Uint8Array
  /** The frame byte for byte. */
  readonly bytes: Uint8Array
  readonly verdict: Verdict
}

/** One request to the provider API that arrived whole. */
export interface RequestEntry {
  /** Number of the connection, from 1, in order of their opening; the gateway's are counted apart. */
  readonly connection: number
  readonly stream: number
  /** Lowercase hex, out of the path; `''` if there is none. */
  readonly token: string
  /** Pseudo-headers too; values of a header that came twice are joined by `, `. */
  readonly headers: Readonly<Record<string, string>>
  readonly payload: Uint8Array
  readonly verdict: Exclude<Verdict, 'barrier'>
  /** Status of the answer; undefined if it never gets one. */
  readonly status: number | undefined
  /** The `apns-id` of the answer; undefined if it never gets one. */
  readonly id: string | undefined
  readonly reason: string | undefined
}

/** What a client must not do, found without any script. */
export interface Violation {
  readonly connection: number
  /** 0 where it is the connection's. */
  readonly stream: number
  /** The reason that the request was refused for; `TooManyStreams`: one was opened beyond the limit; `ProtocolError`: against HTTP/2. */
  readonly rule: string
  /** What came and what was due. */
  readonly detail: string
}

/** What arrived and what was made of it, counted where it happens. All figures are from the start of the simulator. */
export interface Journal {
  /** Notifications taken. */
  readonly accepted: number
  /** TCP connections that reached the gateway or the provider API, refused ones included. */
  readonly connections: number
  /** Those of them that have ended on our side. */
  readonly closed: number
  /** Connections to the feedback service that were handed a list, an empty one too. */
  readonly feedbackReads: number
  /** Every frame that the gateway got, in order of arrival; the array grows as more arrive. @throws SimulatorError `entries-not-kept` when the journal only counts */
  entries(): readonly JournalEntry[]
  /** Every request to the provider API in the order in which they were whole; the array grows. @throws SimulatorError `entries-not-kept` as above */
  requests(): readonly RequestEntry[]
  /** What clients of the provider API did wrong, the first 1,000. */
  violations(): readonly Violation[]
  /** How often a notification to this token (lowercase hex) was taken. */
  acceptedTimes(token: string): number
  /** Each token that a notification was taken for, once, in order of its first. */
  acceptedTokens(): IterableIterator<string>
  /** Frames and requests by verdict. */
  counts(): Readonly<Record<Verdict, number>>
  /** Error responses that the gateway wrote, by status. */
  answers(): ReadonlyMap<number, number>
  /** Errors that the provider API answered, by reason; by status where there was none. */
  refusals(): ReadonlyMap<string, number>
  /**
   * Resolves when `predicate` holds; it is asked now and after everything that happens.
   * @throws the signal's reason when it is aborted, what the predicate throws, SimulatorError `closed` when the simulator closes before
   */
  waitFor(predicate: (journal: Journal) => boolean, signal?: AbortSignal): Promise<void>
}

/** `full` keeps every frame; `counts` keeps no bytes, only how often a notification to each token was taken. */
export type JournalMode = 'full' | 'counts'

/** The journal as the servers write it. After a group of entries they call `changed`. */
export class WritableJournal implements Journal {
  accepted = 0
  connections = 0
  closed = 0
  feedbackReads = 0
  readonly #entries: JournalEntry[] | undefined
  readonly #acceptedTimes = new Map<string, number>()
  readonly #counts: Record<Verdict, number> = { accepted: 0, rejected: 0, discarded: 0, barrier: 0 }
  readonly #requests: RequestEntry[] | undefined
  readonly #violations: Violation[] = []
  readonly #answers = new Map<number, number>()
  readonly #refusals = new Map<string, number>()
  readonly #waiting = new Set<() => void>()
  readonly #closing = new AbortController()

  constructor(mode: JournalMode) {
    this.#entries = mode === 'full' ? [] : undefined
    this.#requests = mode === 'full' ? [] : undefined
  }

  /** Enters a frame. Its bytes are copied if they are kept: the decoder may use its memory again. */
  add(connection: number, command: Command, verdict: Verdict): void {
    this.#count(command.token, verdict)
    this.#entries?.push({
      connection,
      command: command.command,
      identifier: command.identifier,
      token: command.token,
      payload: command.payload.slice(),
      bytes: command.bytes.slice(),
      verdict,
    })
  }

  answered(status: number): void {
    this.#answers.set(status, (this.#answers.get(status) ?? 0) + 1)
  }

  /** Enters a request; its entry is made only if it is kept. */
  addRequest(token: string, verdict: RequestEntry['verdict'], entry: () => RequestEntry): void {
    this.#count(token, verdict)
    this.#requests?.push(entry())
  }

  refused(reason: string): void {
    this.#refusals.set(reason, (this.#refusals.get(reason) ?? 0) + 1)
  }

  violated(violation: Violation): void {
    if (this.#violations.length < MAX_VIOLATIONS) this.#violations.push(violation)
  }

  /** Wakes those who wait. */
  changed(): void {
    for (const ask of this.#waiting) ask()
  }

  /** Ends all waiting. */
  close(): void {
    this.#closing.abort(
      new SimulatorError(
        'closed',
        'the simulator was closed before what was waited for happened',
        'Close it after waiting; look at the journal for what did arrive.',
      ),
    )
  }

  entries(): readonly JournalEntry[] {
    return this.#entries ?? notKept()
  }

  requests(): readonly RequestEntry[] {
    return this.#requests ?? notKept()
  }

  violations(): readonly Violation[] {
    return this.#violations
  }

  acceptedTimes(token: string): number {
    return this.#acceptedTimes.get(token) ?? 0
  }

  acceptedTokens(): IterableIterator<string> {
    return this.#acceptedTimes.keys()
  }

  counts(): Readonly<Record<Verdict, number>> {
    return { ...this.#counts }
  }

  answers(): ReadonlyMap<number, number> {
    return new Map(this.#answers)
  }

  refusals(): ReadonlyMap<string, number> {
    return new Map(this.#refusals)
  }

  async waitFor(predicate: (journal: Journal) => boolean, signal?: AbortSignal): Promise<void> {
    const ended = signal === undefined ? this.#closing.signal : AbortSignal.any([signal, this.#closing.signal])
    if (predicate(this)) return
    ended.throwIfAborted()
    await new Promise<void>((resolve, reject) => {
      const settle = (done: () => void) => {
        this.#waiting.delete(ask)
        ended.removeEventListener('abort', abort)
        done()
      }
      const abort = () => settle(() => reject(ended.reason))
      const ask = () => {
        try {
          if (predicate(this)) settle(resolve)
        } catch (error) {
          settle(() => reject(error))
        }
      }
      ended.addEventListener('abort', abort)
      this.#waiting.add(ask)
    })
  }

  #count(token: string, verdict: Verdict): void {
    this.#counts[verdict]++
    if (verdict !== 'accepted') return
    this.accepted++
    this.#acceptedTimes.set(token, (this.#acceptedTimes.get(token) ?? 0) + 1)
  }
}

/** One fault repeated a million times must not fill the memory. */
const MAX_VIOLATIONS = 1000

function notKept(): never {
  throw new SimulatorError(
    'entries-not-kept',
    "this journal only counts: it was opened with journal: 'counts'",
    "Start the simulator with journal: 'full', or ask counts() and acceptedTimes().",
  )
}
