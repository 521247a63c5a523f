import { type ChildProcess, spawn, type SpawnOptions } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const TASKSET = '/usr/bin/taskset'

/** The cores that servers and clients are pinned to; undefined where there is only one, or no taskset to pin with. */
export const CORES = findCores()

/** A program of this folder in a process of its own. It answers what it is asked, one question at a time. */
export class Child<Question extends object, Answer> {
  readonly #process: ChildProcess
  readonly #program: string

  /**
   * @param program a `.ts` runs from the sources; a `.js`, which was built, finds the packages as they are installed
   * @param core to pin it to
   * @param flags of Node, beside those that it takes to run from the sources
   */
  constructor(program: string, { core, flags = [] }: { core?: number | undefined; flags?: readonly string[] } = {}) {
    const fromSource = program.endsWith('.ts') ? ['--conditions=lhspn-source', '--import', 'tsx'] : []
    const node = [...flags, ...fromSource, fileURLToPath(new URL(program, import.meta.url))]
    const pinned = ['-c', `${core}`, process.execPath, ...node]
    const options: SpawnOptions = { cwd: import.meta.dirname, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }
    this.#program = program
    this.#process = core === undefined ? spawn(process.execPath, node, options) : spawn(TASKSET, pinned, options)
  }

  /** @throws Error when the process ends instead */
  async ask(question: Question): Promise<Answer> {
    const stop = new AbortController()
    const ended = once(this.#process, 'exit', { signal: stop.signal }).then(([code, signal]) => {
      throw new Error(`${this.#program} ended with ${signal ?? code} instead of an answer`)
    })
    ended.catch(() => {})
    this.#process.send(question)
    try {
      const [answer] = await Promise.race([once(this.#process, 'message', { signal: stop.signal }), ended])
      return answer as Answer
    } finally {
      stop.abort()
    }
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return
    const exit = once(this.#process, 'exit')
    this.#process.disconnect()
    await exit
  }
}

/** The other side: answers every question until the parent has no more, or is gone. */
export function serveQuestions(answer: (question: never) => Promise<object | undefined>): void {
  process.on('message', (question) => {
    void answer(question as never).then((answered) => process.send?.(answered))
  })
  process.on('disconnect', () => process.exit())
}

function findCores(): { readonly server: number; readonly client: number } | undefined {
  if (!existsSync(TASKSET)) return undefined
  const list = /^Cpus_allowed_list:\s*(.+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? ''
  const cores = list.split(',').flatMap((range) => range.split('-').map(Number))
  const [server, client] = [Math.min(...cores), Math.max(...cores)]
  return server < client ? { server, client } : undefined
}
