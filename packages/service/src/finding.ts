/** `fail`: it does not work; `warn`: it works, and something may come. */
export type Verdict = 'ok' | 'warn' | 'fail'

/** What an examination showed. */
export interface Finding {
  readonly verdict: Verdict
  readonly found: string
  /** What to do, where there is something. */
  readonly remedy?: string
}

/** What was thrown, as what was found; our errors bring their remedy. */
export function failure(error: unknown): Finding {
  const found = error instanceof Error ? error.message : String(error)
  const remedy = error instanceof Error && 'remedy' in error ? { remedy: String(error.remedy) } : {}
  return { verdict: 'fail', found, ...remedy }
}
