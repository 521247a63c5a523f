import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

/** The same program once more, as a process of its own. */
export class Program {
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown>

  /**
   * @param program what starts it, arguments included
   * @param variables all that its environment has
   */
  constructor(program: readonly string[], args: readonly string[], variables: Readonly<Record<string, string>> = {}) {
    const [command = '', ...first] = program
    this.#child = spawn(command, [...first, ...args], { env: variables, stdio: 'ignore' })
    this.#ended = once(this.#child, 'exit').catch(() => undefined)
  }

  /** Resolves when it has ended, however that was. */
  async ended(): Promise<void> {
    await this.#ended
  }

  /** Ends it: with SIGTERM in order, with SIGKILL in the middle of whatever it does. */
  async end(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    this.#child.kill(signal)
    await this.#ended
  }
}
