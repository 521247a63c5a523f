import { pauseFor } from './until-done.ts'

/** How often a paced stream goes on: what is due until the next time goes at once. */
const STEP_MS = 25

/**
 * Cuts arrays so that what comes out keeps step with a rate (a second) from `start` (steady time) on. Ends early where
 * `signal` is aborted.
 */
export async function* pace<T>(
  arrays: AsyncIterable<readonly T[]>,
  { rate, start, signal }: { readonly rate: number; readonly start: number; readonly signal: AbortSignal },
): AsyncGenerator<readonly T[], void, undefined> {
  let given = 0
  for await (const array of arrays) {
    for (let at = 0; at < array.length;) {
      const now = performance.now()
      const allowed = allowedAt(now - start, rate) - given
      if (allowed > 0) {
        const slice = array.slice(at, at + allowed)
        at += slice.length
        given += slice.length
        yield slice
        continue
      }
      await pauseFor(now < start ? start - now : Math.max(STEP_MS, start + (given / rate) * 1000 - now), signal)
      if (signal.aborted) return
    }
  }
}

/**
 * How many may have gone after so many ms: the first at once, each other one its share of a second after the one before,
 * and what will be due within a step.
 */
export function allowedAt(ms: number, rate: number): number {
  return ms < 0 ? 0 : Math.floor(((ms + STEP_MS) * rate) / 1000) + 1
}
