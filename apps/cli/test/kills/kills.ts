import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'

import { type Simulator, startSimulator } from '@lhspn/apns-simulator'
import type { StoredPush } from '@lhspn/dispatcher'
import { createLogger, loadConfig, openService, type Service } from '@lhspn/service'
import type { TestContext } from 'vitest'

import { EXIT } from '../../src/exit-code.ts'
import { writeInstallation } from '../../src/simulated-installation.ts'
import { type Ended, objectsOf } from '../lhspn.ts'
import { type AnswerCount, readAnswers } from './answers.ts'
import { type Apple, APPLE, type Interface } from './apple.ts'
import { DEVICES, registerAudience } from './audience.ts'
import { Audit } from './audit.ts'
import { insist } from './insist.ts'
import { Program, type ProgramOptions } from './program.ts'
import { type Deck, Random } from './random.ts'

/**
 * What is killed. `apple`: its connections are cut in the middle of a notification. `drained`: a program that is asked
 * to end, as when a new version is rolled out.
 */
export type Victim = 'serve' | 'work' | 'send' | 'drained' | 'database' | 'redis' | 'apple'

/** Programs that run all the time. `send` comes and goes with each push. */
const PROGRAMS = {
  serve: { name: 'serve', args: ['serve'], ready: /API {5}(http\S+)\nhealth/, delivers: true },
  storing: { name: 'serve', args: ['serve', '--no-dispatch'], ready: /API {5}(http\S+)\nhealth/, delivers: false },
  work: { name: 'work', args: ['work'], ready: /Delivering pushes/, delivers: true },
} as const

/** What can be killed and started again. */
interface Server {
  kill(): Promise<void>
  restart(): Promise<void>
}

export interface KillOptions {
  readonly context: Pick<TestContext, 'onTestFinished'>
  readonly interface: Interface
  readonly seed: number
  readonly kills: number
  readonly programs: readonly (keyof typeof PROGRAMS)[]
  readonly victims: Deck<Victim>
  readonly databaseUrl: string
  readonly redisUrl?: string
  readonly database?: Server
  readonly redis?: Server
}

/** What happened, for people. */
export interface KillReport {
  readonly kills: Readonly<Record<Victim, number>>
  readonly pushes: number
  readonly notifications: number
  /** Notifications that arrived once more than they should. */
  readonly twice: number
  readonly unconfirmed: number
  /** Answers about pushes that were looked at meanwhile. */
  readonly answers: AnswerCount
}

const CONCURRENCY = 1
const LONGEST_DEATH_MS = 1_500
/** Until `send` has stored a push and delivers. */
const LONGEST_START_MS = 2_000
/** A push that does not come to its end in this time never will. */
const PUSH_MS = 120_000
const ADMIN_KEY = 'a-key-of-the-tests-that-is-long-enough'

/**
 * Kills at random moments of pushes, starts again, and sees whether all of it holds together: pushes follow one another
 * until there were so many kills, and the last one has come to its end.
 * @throws Error that tells what does not hold, the seed, and the story
 */
export async function runKills(options: KillOptions): Promise<KillReport> {
  const run = await Run.open(options)
  try {
    return await run.run()
  } catch (error) {
    throw new Error(`With seed ${options.seed}: ${String(error)}\n${await run.story()}`, { cause: error })
  }
}

class Run {
  readonly #options: KillOptions
  readonly #apple: Apple
  readonly #random: Random
  readonly #simulator: Simulator
  readonly #service: Service
  readonly #folder: string
  readonly #config: string
  readonly #audit: Audit
  readonly #programs: readonly Program[]
  readonly #kills: Record<Victim, number> = { serve: 0, work: 0, send: 0, drained: 0, database: 0, redis: 0, apple: 0 }
  /** The ids of pushes that are stored, and the `send` of the last one, which may not have stored it yet. */
  readonly #stored: string[] = []
  #send: Program | undefined
  #pushes = 0
  /** Since when database and Redis are up. */
  #upSince = performance.now()
  /** How often a program lost what it had in hand. */
  #losses = 0
  readonly #ended = new AbortController()
  #failure: unknown

  private constructor(
    options: KillOptions,
    made: { simulator: Simulator; service: Service; folder: string; config: string },
  ) {
    this.#options = options
    this.#apple = APPLE[options.interface]
    this.#random = new Random(options.seed)
    this.#simulator = made.simulator
    this.#service = made.service
    this.#folder = made.folder
    this.#config = made.config
    this.#audit = new Audit(this.#apple, made.simulator, made.service)
    this.#programs = options.programs.map((kind) => this.#program({ ...PROGRAMS[kind], endings: [] }))
  }

  static async open(options: KillOptions): Promise<Run> {
    const { context, seed } = options
    const apple = APPLE[options.interface]
    const folder = await mkdtemp(join(tmpdir(), 'lhspn-kills-'))
    context.onTestFinished(() => rm(folder, { recursive: true, force: true }))
    const simulator = await startSimulator({ script: apple.script, seed })
    context.onTestFinished(() => simulator.close())
    const { config } = await writeInstallation(folder, simulator, settingsOf(options, apple))
    // It only stores and reads: who delivers is killed.
    const log = createLogger({ level: 'silent', format: 'json', isTerminal: false })
    const service = await openService(loadConfig(config, { variables: {} }), { log })
    context.onTestFinished(() => service.close())
    await registerAudience(service, apple)
    return new Run(options, { simulator, service, folder, config })
  }

  async run(): Promise<KillReport> {
    const reading = readAnswers(
      this.#service,
      { key: ADMIN_KEY, url: () => this.#url },
      () => this.#stored.at(-1),
      this.#ended.signal,
    )
    reading.catch((error: unknown) => (this.#failure = error))
    for (let kill = 0; kill < this.#options.kills; kill++) await this.#killNext()
    await this.#endPush()
    this.#ended.abort()
    const answers = await reading
    for (const program of this.#programs) await this.#drain(program)
    await this.#audit.checkDevices()
    return { kills: this.#kills, pushes: this.#pushes, ...this.#audit.sums, answers }
  }

  /** What happened, for people. Ends all that runs. */
  async story(): Promise<string> {
    this.#ended.abort()
    const push = await this.#service.dispatcher.get(this.#lastStored).catch(String)
    const programs = [...this.#programs, this.#send]
    const words = await Promise.all(
      programs.map(async (each) => `${each?.name}: ${await each?.lastWords().catch(String)}`),
    )
    return `${JSON.stringify({ kills: this.#kills, push }, null, 1)}\n${words.join('\n')}`
  }

  get #url(): string | undefined {
    return this.#programs.find(({ name }) => name === 'serve')?.ready?.[1]
  }

  #program(options: ProgramOptions): Program {
    const { context } = this.#options
    const args = ['--config', this.#config, ...options.args]
    const variables = { LHSPN_ADMIN_KEY: ADMIN_KEY }
    return new Program({ ...options, args }, { context, variables }, () => this.#upSince)
  }

  async #killNext(): Promise<void> {
    const victim = this.#options.victims.next()
    if (this.#pushes === 0 || (await this.#isCompleted())) await this.#beginPush()
    const program = this.#programOf(victim)
    await this.#untilRandomMoment(program)
    await this.#kill(victim, program)
  }

  #programOf(victim: Victim): Program | undefined {
    if (victim === 'send') return this.#send
    const programs = this.#programs.filter(({ name }) => victim === 'drained' || name === victim)
    return programs.length === 0 ? undefined : this.#random.pick(programs)
  }

  async #beginPush(): Promise<void> {
    if (this.#pushes > 0) await this.#endPush()
    const n = ++this.#pushes
    const payload = join(this.#folder, 'payload.json')
    await writeFile(payload, JSON.stringify({ aps: { alert: 'Hello' }, push: n }))
    const audience = ['--all', '--max-audience', String(DEVICES), '--environment', this.#apple.environment]
    const content = ['--payload', payload, '--badge', 'increment', '--idempotency-key', `push ${n}`]
    this.#send = this.#program({
      name: 'send',
      args: ['--json', '--verbose', 'send', ...audience, ...content],
      ready: /: connected/,
      endings: [EXIT.done, EXIT.notAll],
      delivers: true,
    })
    if (this.#random.below(2) === 0) return
    // As often as not it is killed before it has got far.
    await delay(this.#random.below(LONGEST_START_MS))
    await this.#kill('send', this.#send)
  }

  /** Waits until so many more have arrived, when what is to be killed is at work. */
  async #untilRandomMoment(program: Program | undefined): Promise<void> {
    const { journal } = this.#simulator
    await this.#until(
      `${program?.name} is at work`,
      async () => program === undefined || program.ready !== undefined || (await this.#isCompleted()),
    )
    const from = journal.accepted
    const more = this.#random.below(DEVICES / 8)
    await this.#until(
      `${more} more notifications arrived`,
      async () => journal.accepted >= from + more || (await this.#isCompleted()),
    )
    await delay(this.#random.below(50))
  }

  async #kill(victim: Victim, program: Program | undefined): Promise<void> {
    this.#kills[victim]++
    switch (victim) {
      case 'serve':
      case 'work':
      case 'send':
        return this.#killProgram(program)
      case 'drained':
        return this.#replaceProgram(program)
      case 'database':
        // One that is dead for longer than a lease takes the chunks from everybody.
        this.#losses += 1 + this.#programs.filter(({ delivers }) => delivers).length
        return this.#killServer(this.#options.database)
      case 'redis':
        return this.#killServer(this.#options.redis)
      case 'apple':
        this.#simulator.script(this.#apple.cutting(this.#random))
        return
      default:
        throw new TypeError(`no such victim: ${String(victim satisfies never)}`)
    }
  }

  async #killProgram(program: Program | undefined): Promise<void> {
    if (program === undefined) throw new Error('There is no such program here')
    if (program.delivers) this.#losses++
    await program.kill()
  }

  async #replaceProgram(program: Program | undefined): Promise<void> {
    if (program === undefined) throw new Error('There is no such program here')
    await this.#drain(program)
    program.start()
  }

  /** Signals are heard only by who is at work. */
  async #drain(program: Program): Promise<void> {
    await this.#until(`${program.name} is at work`, () => program.ready !== undefined)
    await program.drain()
  }

  async #killServer(server: Server | undefined): Promise<void> {
    if (server === undefined) throw new Error('There is no such server here')
    this.#upSince = Number.POSITIVE_INFINITY
    await server.kill()
    await delay(this.#random.below(LONGEST_DEATH_MS))
    await server.restart()
    this.#upSince = performance.now()
  }

  /** Waits until the push and its `send` have come to their ends, and sees whether all of it holds. */
  async #endPush(): Promise<void> {
    const { dispatcher } = this.#service
    await this.#until('the push is completed', () => this.#isCompleted())
    await this.#until('`send` has come to its end', () => this.#send?.end !== undefined)
    const { data } = await insist(() => dispatcher.list({ limit: 1000 }))
    if (data.length !== this.#pushes) throw new Error(`${data.length} pushes are stored, and not ${this.#pushes}`)
    const push = await insist(() => dispatcher.get(this.#lastStored))
    checkSend(this.#send?.end, push)
    await this.#audit.checkPush(this.#pushes, push)
    const { twice } = this.#audit.sums
    if (twice > this.#losses * this.#apple.twiceAKill * CONCURRENCY)
      throw new Error(`${twice} arrived twice after ${this.#losses} losses`)
  }

  /** @throws Error if anything has failed meanwhile, or it takes too long */
  async #until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
    const deadline = performance.now() + PUSH_MS
    while (!(await holds())) {
      for (const program of [...this.#programs, this.#send]) program?.check()
      if (this.#failure !== undefined) throw this.#failure
      if (performance.now() > deadline) throw new Error(`It never came that ${what}`)
      await delay(10)
    }
  }

  async #isCompleted(): Promise<boolean> {
    const { dispatcher } = this.#service
    if (this.#stored.length < this.#pushes) {
      const [newest] = (await insist(() => dispatcher.list({ limit: 1 }))).data
      if (newest === undefined || newest.id === this.#stored.at(-1)) return false
      this.#stored.push(newest.id)
    }
    const { state, pausedBecause } = await insist(() => dispatcher.get(this.#lastStored))
    if (state === 'paused') throw new Error(`The push was paused: ${pausedBecause}`)
    return state === 'completed'
  }

  get #lastStored(): string {
    return this.#stored.at(-1) ?? ''
  }
}

/** Whatever happened to it on the way, what `send` says in the end is true. */
function checkSend(ended: Ended | undefined, { id, state, counts }: StoredPush): void {
  const code = counts.accepted === counts.planned ? EXIT.done : EXIT.notAll
  const [said] = (ended === undefined ? [] : objectsOf(ended)) as Partial<StoredPush>[]
  const isTrue = said?.id === id && said.state === state && isDeepStrictEqual(said.counts, counts)
  if (ended?.code !== code || !isTrue)
    throw new Error(`send ended with ${ended?.code}: ${ended?.stdout}; ${JSON.stringify({ id, state, counts })}`)
}

/** The configuration of the programs. */
function settingsOf({ databaseUrl, redisUrl }: KillOptions, { connections, chunkSize }: Apple): string {
  return `
[database]
url = "${databaseUrl}"
${redisUrl === undefined ? '' : `[queue]\nurl = "${redisUrl}"`}
[server]
listen = "127.0.0.1:0"
[ops]
listen = "127.0.0.1:0"
[rateLimit]
api = "1000000/1m"
[dispatcher]
lease = "2s"
chunkSize = ${chunkSize}
concurrency = ${CONCURRENCY}
[sender]
connections = ${connections}
`
}
