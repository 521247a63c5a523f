import { EXIT, type ExitCode } from './exit-code.ts'

/** The part of `process` that this file needs. */
export interface SignalSource {
  on(signal: 'SIGINT' | 'SIGTERM' | 'SIGHUP', listener: (signal: NodeJS.Signals) => void): unknown
  exit(code: number): never
}

const EXIT_CODES: Partial<Record<NodeJS.Signals, ExitCode>> = { SIGINT: EXIT.interrupted, SIGTERM: EXIT.terminated }

/** The first SIGINT or SIGTERM asks a command to end in order, a second one ends the process at once. */
export class Interruption {
  readonly #source: SignalSource
  readonly #abort = new AbortController()
  #exitCode: ExitCode | undefined

  constructor(source: SignalSource) {
    this.#source = source
    const listener = (name: NodeJS.Signals): void => {
      const code = EXIT_CODES[name] ?? EXIT.interrupted
      if (this.#exitCode !== undefined) source.exit(code)
      this.#exitCode = code
      this.#abort.abort(new Error(`cut short by ${name}`))
    }
    source.on('SIGINT', listener)
    source.on('SIGTERM', listener)
  }

  /** Aborted by the first signal. */
  get signal(): AbortSignal {
    return this.#abort.signal
  }

  /** Resolves at the first signal. */
  async ended(): Promise<void> {
    const { signal } = this.#abort
    if (signal.aborted) return
    await new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
  }

  /** From the first call on, SIGHUP does this, and ends the process no more. */
  onHangup(listener: () => void): void {
    this.#source.on('SIGHUP', listener)
  }

  /** 130 or 143 once a signal came, for commands that are cut short by it. */
  get exitCode(): ExitCode | undefined {
    return this.#exitCode
  }
}
