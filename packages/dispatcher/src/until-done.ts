import { setTimeout as delay } from 'node:timers/promises'

import type { DatabaseError } from '@lhspn/database'

/** Failures of the database that pass. What was being committed has happened, or not: only what may be repeated is tried again. */
const PASSING: ReadonlySet<string> = new Set(['connection-lost', 'unreachable', 'busy', 'deadlock'])
const PAUSE_MS = { first: 50, last: 1000 }

/** Does `work`, which may be repeated, until the database has taken it. `onError` is told once a failure. */
export async function untilDone<T>(
  work: () => Promise<T>,
  { signal, onError }: { readonly signal: AbortSignal; readonly onError: (error: unknown) => void },
): Promise<T> {
  for (let pause = PAUSE_MS.first; ; pause = Math.min(pause * 2, PAUSE_MS.last)) {
    try {
      return await work()
    } catch (error) {
      if (!isPassing(error) || signal.aborted) throw error
      onError(error)
      await pauseFor(pause, signal)
      if (signal.aborted) throw error
    }
  }
}

/** Whether it is a failure of the database that passes. */
export function isPassing(error: unknown): boolean {
  return PASSING.has((error as DatabaseError).code)
}

/** Resolves after so long, or when `signal` is aborted; it never rejects. */
export async function pauseFor(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(ms, undefined, { signal })
  } catch {
    // aborted
  }
}
