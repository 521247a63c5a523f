import type { Finding } from '../finding.ts'

/** One line of the doctor. */
export interface Check extends Finding {
  /** What was looked at: `database`, `certificate com.example.app production`. */
  readonly check: string
}

export interface DoctorOptions {
  readonly signal?: AbortSignal | undefined
  /** The clock, in ms since 1970; for tests. */
  readonly now?: (() => number) | undefined
}
