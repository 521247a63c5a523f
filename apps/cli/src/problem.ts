import { EXIT, type ExitCode, exitCodeOf, isKnown } from './exit-code.ts'

/** An error as `--json` writes it: a problem object (RFC 9457) on a line of stderr. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  /** Our closed code, where the error is one of ours. */
  readonly code?: string
  readonly detail: string
  readonly remedy: string
  /** Every fault, with the flag, the JSON pointer, the line or the key. */
  readonly errors?: readonly object[]
}

type FailingExitCode = Exclude<ExitCode, 0 | 3 | 130 | 143>

const KINDS = {
  [EXIT.ourFault]: { type: '/problems/internal', title: 'LHSPN has a fault', status: 500 },
  [EXIT.refused]: { type: '/problems/invalid-request', title: 'The request is not valid', status: 400 },
  [EXIT.notFound]: { type: '/problems/not-found', title: 'There is no such thing', status: 404 },
  [EXIT.configuration]: {
    type: '/problems/app-not-configured',
    title: 'Configuration or credentials are at fault',
    status: 422,
  },
  [EXIT.unreachable]: { type: '/problems/unavailable', title: 'A server cannot be reached', status: 503 },
} as const satisfies Record<FailingExitCode, Omit<Problem, 'detail' | 'remedy'>>

/** Codes whose kind is a narrower one than that of their exit code. */
const NARROWER: Readonly<Record<string, Omit<Problem, 'detail' | 'remedy'>>> = {
  'audience-too-large': { type: '/problems/audience-too-large', title: 'The audience is too large', status: 422 },
}

/** Turns whatever was thrown into a problem. */
export function problemOf(error: unknown): Problem {
  const exitCode = exitCodeOf(error)
  const kind = KINDS[isFailing(exitCode) ? exitCode : EXIT.ourFault]
  if (!isKnown(error)) {
    const detail = error instanceof Error ? (error.stack ?? error.message) : String(error)
    return { ...kind, detail, remedy: 'Please report it, with what you ran and what you see here.' }
  }
  const errors = error.faults ?? []
  return {
    ...(NARROWER[error.code] ?? kind),
    code: error.code,
    detail: error.message,
    remedy: error.remedy,
    ...(errors.length > 0 && { errors }),
  }
}

function isFailing(code: ExitCode): code is FailingExitCode {
  return code in KINDS
}
