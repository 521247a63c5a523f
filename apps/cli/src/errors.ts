/** What can be wrong with what was typed. Codes are never renamed and never reused. */
export type CommandErrorCode =
  /** A flag, an argument or what stdin brought; `faults` lists every one. */
  | 'invalid-input'
  /** A file cannot be written. */
  | 'unwritable-file'
  /** A file is there already, and would have been overwritten. */
  | 'file-exists'
  /** The demo counted something that must not be. */
  | 'wrong-figure'
  /** The credentials of a new app are taken nowhere. */
  | 'refused-credentials'
  /** An address of the configuration is taken, or not ours. */
  | 'unusable-address'
  /** There is no such device, key or notification. */
  | 'not-found'
  /** A push paused itself: what was at fault would have hit everybody. */
  | 'push-paused'

/** One thing wrong in the input. */
export interface InputFault {
  /** `--badge`, `TEXT`, `--to`: where it was typed. */
  readonly flag?: string
  /** JSON pointer into the file or value that the flag gives. */
  readonly pointer?: string
  /** Line of the input, from 1. */
  readonly line?: number
  /** What is wrong and what was due. */
  readonly detail: string
}

/** The error of the command line itself; faults of the packages below keep their own. */
export class CommandError extends Error {
  override readonly name = 'CommandError'
  readonly code: CommandErrorCode
  readonly remedy: string
  readonly faults: readonly InputFault[]

  constructor(
    code: CommandErrorCode,
    message: string,
    remedy: string,
    options: { readonly faults?: readonly InputFault[]; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.remedy = remedy
    this.faults = options.faults ?? []
  }
}

/** Refuses input for every fault at once; does nothing where there is none. */
export function refuseFaults(faults: readonly InputFault[], consequence: string): void {
  if (faults.length > 0) throw inputError(faults, consequence)
}

/** What is wrong with the input, all of it. */
export function inputError(faults: readonly InputFault[], consequence: string): CommandError {
  const lines = faults.map((fault) => `\n  ${placeOf(fault)}${fault.detail}`)
  return new CommandError(
    'invalid-input',
    `${consequence}:${lines.join('')}`,
    'Correct it; --help lists what is due.',
    {
      faults,
    },
  )
}

/** `--payload /aps/badge: `, `line 3: `: made to stand before a fault's detail. */
export function placeOf({ flag, pointer, line }: InputFault): string {
  const parts = [flag, pointer, line === undefined ? undefined : `line ${line}`].filter(Boolean)
  return parts.length === 0 ? '' : `${parts.join(' ')}: `
}
