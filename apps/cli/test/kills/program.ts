import { EXIT } from '../../src/exit-code.ts'
import { type Ended, type Options, Running } from '../lhspn.ts'

export interface ProgramOptions {
  /** For people. */
  readonly name: string
  readonly args: readonly string[]
  /** What it says when it is at work: from then on it outlives the death of database and Redis. */
  readonly ready: RegExp
  /** Exit codes with which it comes to its end by itself. */
  readonly endings: readonly number[]
  readonly delivers: boolean
}

/** One process of it. */
interface Life {
  readonly running: Running
  readonly startedAt: number
  said: RegExpExecArray | undefined
  ended: Ended | undefined
  fault: unknown
}

/** What it said last, for people. */
const LAST_WORDS = 4_000

/** A program that is killed and started again. It ends by itself only as it may, or where it found nothing to stand on. */
export class Program {
  readonly name: string
  readonly delivers: boolean
  readonly #options: ProgramOptions
  readonly #running: Options
  readonly #upSince: () => number
  #life: Life

  /**
   * Starts it.
   * @param upSince since when the database and Redis are up, by the monotonic clock; Infinity: one of them is dead
   */
  constructor(options: ProgramOptions, running: Options, upSince: () => number) {
    this.name = options.name
    this.delivers = options.delivers
    this.#options = options
    this.#running = running
    this.#upSince = upSince
    this.#life = this.#begin()
  }

  /** What it said when it was at work; undefined: it is not yet. */
  get ready(): RegExpExecArray | undefined {
    return this.#life.said
  }

  /** How it came to its end by itself. */
  get end(): Ended | undefined {
    const { ended } = this.#life
    return ended !== undefined && this.#mayEndWith(ended) ? ended : undefined
  }

  /** Starts it again where it could not begin without database or Redis, as an init system would. @throws Error if it ended otherwise */
  check(): void {
    const { ended, said, startedAt, fault } = this.#life
    if (fault !== undefined) throw fault
    if (ended === undefined || this.#mayEndWith(ended)) return
    const couldNotBegin = ended.code === EXIT.unreachable && said === undefined && startedAt < this.#upSince()
    if (!couldNotBegin) throw new Error(`${this.name} ended by itself with ${ended.code}: ${lastWordsOf(ended)}`)
    this.start()
  }

  /** `kill -9`, and starts it again. */
  async kill(): Promise<void> {
    this.check()
    await this.#end('SIGKILL')
    this.start()
  }

  /** Lets it end as an operator would; `start` starts it again. @throws Error if it does not do so cleanly */
  async drain(): Promise<void> {
    this.check()
    const ended = await this.#end('SIGTERM')
    if (ended.code !== EXIT.done)
      throw new Error(`${this.name} did not end cleanly, but with ${ended.code}: ${lastWordsOf(ended)}`)
  }

  start(): void {
    this.#life = this.#begin()
  }

  /** Ends it, and answers what it said in the end. */
  async lastWords(): Promise<string> {
    return lastWordsOf(await this.#end('SIGKILL'))
  }

  #mayEndWith({ code }: Ended): boolean {
    return code !== null && this.#options.endings.includes(code)
  }

  #end(signal: NodeJS.Signals): Promise<Ended> {
    const { running } = this.#life
    running.kill(signal)
    return running.ended()
  }

  #begin(): Life {
    const { args, ready } = this.#options
    const running = new Running(args, this.#running)
    const life: Life = { running, startedAt: performance.now(), said: undefined, ended: undefined, fault: undefined }
    running.until(ready).then(
      (said) => (life.said = said),
      () => undefined,
    )
    running.ended().then(
      (ended) => (life.ended = ended),
      (error: unknown) => (life.fault = error),
    )
    return life
  }
}

function lastWordsOf({ stdout, stderr }: Ended): string {
  return `${stdout}${stderr}`.slice(-LAST_WORDS)
}
