import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const PROGRAM = fileURLToPath(new URL('worker-process.ts', import.meta.url))
const TSX = import.meta.resolve('tsx')
/** What a worker said last, for people. */
const KEPT = 4000

/** A worker as a process of its own. */
export class WorkerHandle {
  readonly #child: ChildProcess
  readonly #exit: Promise<unknown>
  #said = ''
  /** Ended by us: whatever else ends it is a fault. */
  #expected = false

  private constructor(child: ChildProcess) {
    this.#child = child
    this.#exit = once(child, 'exit')
    for (const stream of [child.stdout, child.stderr])
      stream?.setEncoding('utf8').on('data', (text: string) => (this.#said = (this.#said + text).slice(-KEPT)))
  }

  /** Starts one, and answers when it has begun. */
  static async start(settingsFile: string): Promise<WorkerHandle> {
    const args = ['--conditions=lhspn-source', '--import', TSX, PROGRAM, settingsFile]
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    const handle = new WorkerHandle(child)
    await Promise.race([handle.#ready(), handle.#exit])
    handle.check()
    return handle
  }

  /** @throws Error if it ended by itself */
  check(): void {
    const { exitCode, signalCode } = this.#child
    if (this.#expected || (exitCode === null && signalCode === null)) return
    throw new Error(`A worker ended by itself (${exitCode ?? signalCode}): ${this.#said}`)
  }

  get said(): string {
    return this.#said
  }

  /** `kill -9`. */
  async kill(): Promise<void> {
    this.#expected = true
    this.#child.kill('SIGKILL')
    await this.#exit
  }

  /** Lets it end as an operator would. @throws Error if it does not do so cleanly */
  async end(): Promise<void> {
    this.check()
    this.#expected = true
    this.#child.kill('SIGTERM')
    await this.#exit
    if (this.#child.exitCode !== 0) throw new Error(`A worker did not end cleanly: ${this.#said}`)
  }

  async #ready(): Promise<void> {
    while (!this.#said.includes('ready')) await once(this.#child.stdout as NodeJS.EventEmitter, 'data')
  }
}
