import { parseDeviceToken } from '@lhspn/apns-protocol'

import { encodeTokens } from './chunk-members.ts'
import { DispatcherError } from './errors.ts'
import { PlannedChunks, type PlanOptions } from './planned-chunks.ts'
import { endPlan, type Planning, readPlan, readTakenOver, renewPlan } from './statements/plan.ts'
import { TokenSet } from './token-set.ts'
import { pauseFor, untilDone } from './until-done.ts'

/** Duplicates are found among so many tokens; beyond, the memory for it would have no bound. */
const REMEMBERED_TOKENS = 1_000_000
/** How often a stream that a pause has stopped looks whether it may go on. */
const PAUSED_MS = 500

/**
 * Stores a stream of tokens as chunks while it flows, under the planning that was leased when its push was stored. It
 * pulls only what it can store: a pause stops the stream, and the end of the push leaves it. Planning ends with the
 * stream, however that ends: what was stored is then all.
 * @throws DispatcherError `stream-cut`; ProtocolError `invalid-device-token`; DatabaseError; what the stream throws
 */
export async function planStream(
  options: PlanOptions,
  planning: Planning,
  stream: AsyncIterable<readonly string[]>,
  signal: AbortSignal,
): Promise<void> {
  const { database, leaseMs, onEvent } = options
  // A database that is away comes back, and the stream could not be read again.
  const persist = <T>(work: () => Promise<T>): Promise<T> =>
    untilDone(work, { signal, onError: (error) => onEvent({ kind: 'error', what: 'planning', error }) })
  const row = await persist(() => readPlan(database, planning))
  if (row === undefined) return tellCut()
  const chunks = new PlannedChunks(options, planning, row)
  const source = new Source(stream, leaseMs / 3, signal)
  const known = new TokenSet()
  let tokens: string[] = []

  /** Stores the first `count`; false when nothing more can be stored. */
  async function store(count: number): Promise<boolean> {
    const part = tokens.slice(0, count)
    while (!(await persist(() => chunks.append(part, encodeTokens)))) {
      if (signal.aborted || !(await persist(() => chunks.look())) || !(await renew())) return false
      await pauseFor(PAUSED_MS, signal)
    }
    tokens = tokens.slice(count)
    return true
  }
  const renew = (): Promise<boolean> => persist(() => renewPlan(database, planning, leaseMs))
  /** For a stream that was not stored to its end: quiet where the push was canceled, or this process gives it up. */
  async function tellCut(): Promise<void> {
    const stored = await persist(() => readTakenOver(database, planning))
    if (stored !== undefined) throw streamCut(stored)
  }
  /** Stores the stream to its end; false when nothing more of it can be stored. */
  async function flow(): Promise<boolean> {
    for (;;) {
      const more = await source.next()
      // An abort may follow from the end of the push, which whoever took it over has brought about.
      if (more === 'end') return !signal.aborted
      if (more === 'late') {
        // What has gathered goes out: a stream may be slow.
        if (!(await (tokens.length > 0 ? store(tokens.length) : renew()))) return false
        continue
      }
      for (const text of more) {
        const token = parseDeviceToken(text)
        if (known.size >= REMEMBERED_TOKENS || known.add(token)) tokens.push(token)
      }
      while (tokens.length >= chunks.most) if (!(await store(chunks.most))) return false
    }
  }

  let isWhole = false
  try {
    isWhole = await flow()
  } finally {
    source.leave()
    if (tokens.length > 0 && !(await store(tokens.length))) isWhole = false
    await persist(() => endPlan(database, planning))
  }
  if (!isWhole) await tellCut()
}

function streamCut(stored: number): DispatcherError {
  return new DispatcherError(
    'stream-cut',
    `The stream of tokens was cut after the first ${stored} different ones: another process has taken the push over, because this one had not been heard of for too long`,
    'What was stored is sent; send the rest as a push of its own.',
  )
}

type Pulled = { readonly value: readonly string[] | 'end' } | { readonly error: unknown }

/** Pulls a stream, and tells between two of its values that time has passed. */
class Source {
  readonly #iterator: AsyncIterator<readonly string[]>
  readonly #timer: NodeJS.Timeout
  readonly #signal: AbortSignal
  #pulling = false
  #got: Pulled | undefined
  #isLate = false
  #wake: () => void = () => undefined

  constructor(stream: AsyncIterable<readonly string[]>, everyMs: number, signal: AbortSignal) {
    this.#iterator = stream[Symbol.asyncIterator]()
    this.#signal = signal
    this.#timer = setInterval(() => {
      this.#isLate = true
      this.#wake()
    }, everyMs)
    signal.addEventListener('abort', this.#onAbort)
  }

  async next(): Promise<readonly string[] | 'late' | 'end'> {
    for (;;) {
      if (this.#signal.aborted) return 'end'
      const got = this.#got
      if (got !== undefined) {
        this.#got = undefined
        if ('error' in got) throw got.error
        return got.value
      }
      if (this.#isLate) {
        this.#isLate = false
        return 'late'
      }
      this.#pull()
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  /** A stream that waits for its next value learns of it only then: nobody waits for that. */
  leave(): void {
    clearInterval(this.#timer)
    this.#signal.removeEventListener('abort', this.#onAbort)
    void this.#iterator.return?.().catch(() => undefined)
  }

  readonly #onAbort = (): void => this.#wake()

  #pull(): void {
    if (this.#pulling) return
    this.#pulling = true
    const settle = (got: Pulled): void => {
      this.#pulling = false
      this.#got = got
      this.#wake()
    }
    this.#iterator.next().then(
      ({ done, value }) => settle({ value: done === true ? 'end' : value }),
      (error: unknown) => settle({ error }),
    )
  }
}
