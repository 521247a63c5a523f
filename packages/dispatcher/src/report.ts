import type { Database, Session } from '@lhspn/database'

import { numberOf, unknownPush } from './commands.ts'
import { DispatcherError } from './errors.ts'
import { outcomeOfCode } from './outcome-code.ts'
import { stateNumber, toStoredPush } from './push-row.ts'
import { isEnd, type PushState } from './push-state.ts'
import type { StoredPush } from './push.ts'
import { countsOf, readCounted, readNumbers, readReasons } from './statements/pushes.ts'
import { isPassing, pauseFor } from './until-done.ts'

export interface ListOptions {
  readonly state?: PushState | undefined
  /** Only those of this app. */
  readonly app?: string | undefined
  /** A `nextCursor`. */
  readonly cursor?: string | undefined
  /** 1 to 1000; 50 when absent. */
  readonly limit?: number | undefined
}

export interface Page<T> {
  readonly data: readonly T[]
  /** Where the next page begins; null: there is none. */
  readonly nextCursor: string | null
}

const PAGE = { least: 1, usual: 50, most: 1000 }
const POLL_MS = 500
const AWAY_MS = 30_000

/** @throws RangeError for a limit that is none */
export function checkLimit(limit: number = PAGE.usual): number {
  if (Number.isInteger(limit) && limit >= PAGE.least && limit <= PAGE.most) return limit
  throw new RangeError(`A page has ${PAGE.least} to ${PAGE.most} rows, not ${limit}`)
}

/** Reads whole numbers out of a cursor. @throws DispatcherError `invalid-cursor` */
export function parseCursor(cursor: string, numbers: number): readonly number[] {
  const parts = cursor
    .split('.')
    .map((part) => (/^[0-9a-z]{1,10}$/.test(part) ? Number.parseInt(part, 36) : Number.NaN))
  if (parts.length === numbers && parts.every(Number.isSafeInteger)) return parts
  throw new DispatcherError('invalid-cursor', 'The cursor is none', 'Give the nextCursor of the page before.')
}

/** Opaque to those who hand it back. */
export function renderCursor(...numbers: readonly number[]): string {
  return numbers.map((number) => number.toString(36)).join('.')
}

/** @throws DispatcherError `unknown-push`; DatabaseError */
export async function readPush(database: Database, id: string): Promise<StoredPush> {
  const [push] = await readPushes(database, [await numberOf(database, id)])
  if (push === undefined) throw unknownPush(id)
  return push
}

/** In descending order of their numbers; those that there are. */
export async function readPushes(session: Session, numbers: readonly number[]): Promise<readonly StoredPush[]> {
  const rows = await readCounted(session, numbers)
  const reasons = await readReasons(session, numbers)
  return rows.map((row) => toStoredPush(row, countsOf(row), namesOf(reasons.get(row.number) ?? [])))
}

/** Newest first. @throws DispatcherError `invalid-cursor`; DatabaseError */
export async function listPushes(database: Database, options: ListOptions = {}): Promise<Page<StoredPush>> {
  const { state, app, cursor } = options
  const limit = checkLimit(options.limit)
  const [below = Number.MAX_SAFE_INTEGER] = cursor === undefined ? [] : parseCursor(cursor, 1)
  const wanted = { app, below, state: state === undefined ? undefined : stateNumber(state) }
  const numbers = await readNumbers(database, wanted, limit + 1)
  const shown = numbers.slice(0, limit)
  const last = shown.at(-1)
  const isMore = numbers.length > limit && last !== undefined
  return { data: await readPushes(database, shown), nextCursor: isMore ? renderCursor(last) : null }
}

/**
 * The push now, and again whenever something about it has changed, to its end. It looks twice a second, and past a
 * database that is away for less than 30 s. Ends without a word when `signal` is aborted.
 * @throws DispatcherError `unknown-push`; DatabaseError
 */
export async function* watchPush(
  database: Database,
  id: string,
  signal: AbortSignal = new AbortController().signal,
): AsyncGenerator<StoredPush, void, undefined> {
  const isOver = (): boolean => signal.aborted
  let number: number | undefined
  let seenAt = performance.now()
  let last = ''

  /** undefined: the database is away. */
  async function look(): Promise<StoredPush | undefined> {
    try {
      const [push] = await readPushes(database, [(number ??= await numberOf(database, id))])
      if (push === undefined) throw unknownPush(id)
      seenAt = performance.now()
      return push
    } catch (error) {
      if (!isPassing(error) || performance.now() - seenAt > AWAY_MS) throw error
      return undefined
    }
  }

  while (!isOver()) {
    const push = await look()
    const text = JSON.stringify(push)
    if (push !== undefined && text !== last) yield push
    last = text ?? last
    if (push !== undefined && isEnd(push.state)) return
    await pauseFor(POLL_MS, signal)
  }
}

function namesOf(codes: readonly (readonly [code: number, n: number])[]): Readonly<Record<string, number>> {
  const names: Record<string, number> = {}
  for (const [code, n] of codes) {
    const { reason } = outcomeOfCode(code) ?? { reason: 'Other' }
    if (reason !== undefined && n > 0) names[reason] = (names[reason] ?? 0) + n
  }
  return names
}
