import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

import { type Simulator, startSimulator } from '@lhspn/apns-simulator'
import { type Database, DatabaseError, openDatabase } from '@lhspn/database'
import { type DeviceStore, openDeviceStore } from '@lhspn/device-store'

import { Dispatcher } from '../../src/dispatcher.ts'
import { MIGRATIONS, OWNER } from '../../src/migrations/index.ts'
import type { PushRequest, StoredPush } from '../../src/push.ts'
import type { NotificationRecord } from '../../src/records.ts'
import { type Apple, APPLE, HEADS, type Interface } from './apple.ts'
import { Random } from './random.ts'
import { WorkerHandle } from './worker-handle.ts'
import type { WorkerSettings } from './worker-process.ts'

/**
 * What is killed. `apple`: its connections are cut in the middle of a notification. `drained`: a worker that is asked
 * to end, as when a new version is rolled out.
 */
type Victim = 'worker' | 'drained' | 'database' | 'redis' | 'apple'

/** What can be killed and started again. */
interface Server {
  kill(): Promise<void>
  restart(): Promise<void>
}

export interface KillOptions {
  readonly interface: Interface
  readonly seed: number
  readonly kills: number
  readonly workers: number
  /** Each of them is killed once, in an order of chance, before any comes again. */
  readonly victims: readonly Victim[]
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
  /** Notifications that arrived more than once. */
  readonly twice: number
  readonly unconfirmed: number
  /** Answers about pushes that were looked at meanwhile. */
  readonly answers: number
}

const APP = 'com.example.app'
const DEVICES = 20_000
/** One of so many devices has a token that Apple refuses, and as many one of which Apple knows that it is gone. */
const REFUSED_EVERY = 500
const LEASE_MS = 2_000
const CONCURRENCY = 1
const LONGEST_DEATH_MS = 1_500
/** A push that does not come to its end in this time never will. */
const PUSH_MS = 120_000
const SAVED_AT_ONCE = 1_000

/**
 * Kills at random moments of pushes, starts again, and sees whether all of it holds together: pushes follow one another
 * until there were so many kills, and the last one has come to its end.
 * @throws Error that tells what does not hold
 */
export async function runKills(options: KillOptions): Promise<KillReport> {
  await using run = await Run.open(options)
  return await run.run()
}

class Run {
  readonly #options: KillOptions
  readonly #apple: Apple
  readonly #random: Random
  readonly #simulator: Simulator
  readonly #database: Database
  readonly #store: DeviceStore
  readonly #dispatcher: Dispatcher
  readonly #folder: string
  readonly #settingsFile: string
  readonly #workers: WorkerHandle[] = []
  readonly #kills: Record<Victim, number> = { worker: 0, drained: 0, database: 0, redis: 0, apple: 0 }
  #victims: readonly Victim[] = []
  readonly #pushes: StoredPush[] = []
  /** Pushes that addressed a token, and tokens that a push found to be refused, or gone. */
  readonly #addressed = new Map<string, number>()
  readonly #refused = new Set<string>()
  readonly #gone = new Set<string>()
  readonly #ended = new AbortController()
  #failure: unknown
  #notifications = 0
  #twice = 0
  #unconfirmed = 0
  #answers = 0

  private constructor(
    options: KillOptions,
    made: { simulator: Simulator; database: Database; store: DeviceStore; folder: string },
  ) {
    this.#options = options
    this.#apple = APPLE[options.interface]
    this.#random = new Random(options.seed)
    this.#simulator = made.simulator
    this.#database = made.database
    this.#store = made.store
    this.#folder = made.folder
    this.#settingsFile = join(made.folder, 'settings.json')
    // It only stores and reads: who delivers is killed.
    this.#dispatcher = new Dispatcher({
      store: made.store,
      senderFor: () => {
        throw new Error('nothing is delivered here')
      },
      chunkSize: this.#apple.chunkSize,
      leaseMs: LEASE_MS,
    })
  }

  static async open(options: KillOptions): Promise<Run> {
    const folder = await mkdtemp(join(tmpdir(), 'lhspn-kills-'))
    const simulator = await startSimulator({ script: APPLE[options.interface].script, seed: options.seed })
    const database = await openDatabase(options.databaseUrl)
    const store = await openDeviceStore(database)
    await database.migrate(OWNER, MIGRATIONS)
    return new Run(options, { simulator, database, store, folder })
  }

  async run(): Promise<KillReport> {
    await this.#register()
    await this.#writeSettings()
    for (let count = 0; count < this.#options.workers; count++)
      this.#workers.push(await WorkerHandle.start(this.#settingsFile))
    const reading = this.#readAnswers().catch((error: unknown) => (this.#failure = error))
    try {
      for (let kill = 0; kill < this.#options.kills; kill++) {
        await this.#untilRandomMoment()
        await this.#kill(this.#nextVictim())
      }
      await this.#untilCompleted()
    } finally {
      this.#ended.abort()
    }
    await reading
    if (this.#failure !== undefined) throw this.#failure
    for (const worker of this.#workers) await worker.end()
    await this.#checkDevices()
    return {
      kills: this.#kills,
      pushes: this.#pushes.length,
      notifications: this.#notifications,
      twice: this.#twice,
      unconfirmed: this.#unconfirmed,
      answers: this.#answers,
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended.abort()
    await Promise.all(this.#workers.map((worker) => worker.kill()))
    await this.#dispatcher.close()
    await this.#store.close()
    await this.#database.close()
    await this.#simulator.close()
    await rm(this.#folder, { recursive: true, force: true })
  }

  async #register(): Promise<void> {
    for (let from = 0; from < DEVICES; from += SAVED_AT_ONCE)
      await this.#store.save(
        Array.from({ length: SAVED_AT_ONCE }, (_, index) => ({ app: APP, token: tokenOf(from + index) })),
      )
  }

  async #writeSettings(): Promise<void> {
    const { databaseUrl, redisUrl } = this.#options
    const settings: WorkerSettings = {
      databaseUrl,
      redisUrl,
      apple: this.#apple.addressOf(this.#simulator, APP),
      ca: this.#simulator.certificates.ca,
      leaseMs: LEASE_MS,
      chunkSize: this.#apple.chunkSize,
      concurrency: CONCURRENCY,
    }
    await writeFile(this.#settingsFile, JSON.stringify(settings))
  }

  /** Waits until so many more have arrived, in a push that is under way; submits one where none is. */
  async #untilRandomMoment(): Promise<void> {
    const { journal } = this.#simulator
    const from = journal.accepted
    const more = this.#random.below(DEVICES / 8)
    const push = this.#pushes.at(-1)
    if (push === undefined || (await this.#isCompleted(push))) await this.#submit()
    await this.#until(
      `${more} more notifications arrived`,
      async () => journal.accepted >= from + more || (await this.#isCompleted(this.#pushes.at(-1) as StoredPush)),
    )
    await delay(this.#random.below(50))
  }

  async #submit(): Promise<void> {
    if (this.#pushes.length > 0) await this.#checkPush(this.#pushes.length)
    const n = this.#pushes.length + 1
    // The answer may be lost with the database: whoever submits then asks again.
    const { push } = await insist(() => this.#dispatcher.submit(requestOf(n), { idempotencyKey: `push ${n}` }))
    this.#pushes.push(push)
  }

  async #untilCompleted(): Promise<void> {
    await this.#until('the push is completed', () => this.#isCompleted(this.#pushes.at(-1) as StoredPush))
    await this.#checkPush(this.#pushes.length)
  }

  async #isCompleted({ id }: StoredPush): Promise<boolean> {
    const { state, pausedBecause } = await insist(() => this.#dispatcher.get(id))
    if (state === 'paused') throw new Error(`The push was paused: ${pausedBecause}`)
    return state === 'completed'
  }

  async #until(what: string, holds: () => Promise<boolean>): Promise<void> {
    const deadline = performance.now() + PUSH_MS
    while (!(await holds())) {
      for (const worker of this.#workers) worker.check()
      if (this.#failure !== undefined) throw this.#failure
      if (performance.now() > deadline) throw new Error(`It never came that ${what}: ${await this.#story()}`)
      await delay(10)
    }
  }

  #nextVictim(): Victim {
    if (this.#victims.length === 0) this.#victims = this.#random.shuffle(this.#options.victims)
    const [victim, ...others] = this.#victims
    this.#victims = others
    return victim as Victim
  }

  async #kill(victim: Victim): Promise<void> {
    this.#kills[victim]++
    switch (victim) {
      case 'worker':
      case 'drained': {
        const index = this.#random.below(this.#workers.length)
        await (victim === 'worker' ? this.#workers[index]?.kill() : this.#workers[index]?.end())
        this.#workers[index] = await WorkerHandle.start(this.#settingsFile)
        return
      }
      case 'database':
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

  async #killServer(server: Server | undefined): Promise<void> {
    if (server === undefined) throw new Error('There is no such server here')
    await server.kill()
    await delay(this.#random.below(LONGEST_DEATH_MS))
    await server.restart()
  }

  /** Whoever asks, at any time, finds counts that add up and never go back. */
  async #readAnswers(): Promise<void> {
    const { signal } = this.#ended
    const before = new Map<string, number>()
    while (!signal.aborted) {
      for (const { id } of this.#pushes.slice(-2)) {
        const { counts } = await insist(() => this.#dispatcher.get(id), signal)
        const { planned, accepted, rejected, unregistered, unconfirmed, remaining } = counts
        const settled = accepted + rejected + unregistered + unconfirmed
        if (planned !== settled + remaining || remaining < 0 || settled < (before.get(id) ?? 0))
          throw new Error(`Counts do not hold: ${JSON.stringify(counts)} after ${before.get(id)} settled`)
        before.set(id, settled)
        this.#answers++
      }
      await delay(20)
    }
  }

  /** A push that has come to its end, by its number from 1. */
  async #checkPush(n: number): Promise<void> {
    const { id } = this.#pushes[n - 1] as StoredPush
    const { counts, reasons } = await insist(() => this.#dispatcher.get(id))
    const expected = DEVICES - this.#refused.size - this.#gone.size
    const records = await this.#records(id)
    const arrived = this.#arrived(n)
    const kinds = { accepted: 0, rejected: 0, unregistered: 0, unconfirmed: 0 }
    for (const { outcome, token } of records.values()) {
      if (outcome === null) throw new Error(`${token} has no outcome`)
      kinds[outcome]++
      if (outcome === 'accepted' && !arrived.has(token)) throw new Error(`${token} is accepted, and never arrived`)
      // Where connections were cut, nobody knows.
      if (outcome !== 'unconfirmed' && outcome !== this.#expectedOf(token)) throw new Error(`${token} is ${outcome}`)
      if (outcome === 'rejected') this.#refused.add(token)
      if (outcome === 'unregistered') this.#gone.add(token)
      this.#addressed.set(token, (this.#addressed.get(token) ?? 0) + 1)
    }
    const told = `push ${n}: ${JSON.stringify({ counts, reasons, kinds })}`
    if (records.size !== expected || counts.planned !== expected || counts.remaining !== 0)
      throw new Error(`Of ${expected} devices ${records.size} have an outcome; ${told}`)
    for (const kind of ['accepted', 'rejected', 'unregistered', 'unconfirmed'] as const)
      if (kinds[kind] !== counts[kind]) throw new Error(`Records and counts differ; ${told}`)
    this.#notifications += records.size
    this.#unconfirmed += kinds.unconfirmed
    for (const times of arrived.values()) this.#twice += times - 1
    // A database that is dead for longer than a lease takes the chunks from every worker; all else costs nothing.
    const losses = this.#kills.worker + this.#kills.database * this.#options.workers
    if (this.#twice > losses * this.#apple.twiceAKill * CONCURRENCY)
      throw new Error(`${this.#twice} arrived twice: ${JSON.stringify(this.#kills)}; ${told}`)
  }

  #expectedOf(token: string): 'accepted' | 'rejected' | 'unregistered' {
    if (token.startsWith(HEADS.refused)) return 'rejected'
    return this.#apple.tellsWhoIsGone && token.startsWith(HEADS.gone) ? 'unregistered' : 'accepted'
  }

  /** Records by token: one for each, or it throws. */
  async #records(id: string): Promise<ReadonlyMap<string, NotificationRecord>> {
    const records = new Map<string, NotificationRecord>()
    let cursor: string | undefined
    do {
      const page = await insist(() => this.#dispatcher.notifications(id, { limit: 1000, cursor }))
      for (const record of page.data) {
        if (records.has(record.token)) throw new Error(`${record.token} has two outcomes`)
        records.set(record.token, record)
      }
      cursor = page.nextCursor ?? undefined
    } while (cursor !== undefined)
    return records
  }

  /** How often each token was reached by a push. Every one of its notifications has the same badge, that of its count. */
  #arrived(n: number): ReadonlyMap<string, number> {
    const times = new Map<string, number>()
    for (const { payload, token } of this.#apple.arrivals(this.#simulator)) {
      const { push, aps } = JSON.parse(Buffer.from(payload).toString()) as { push: number; aps: { badge: number } }
      if (aps.badge !== push) throw new Error(`${token} was sent badge ${aps.badge} by push ${push}`)
      if (push === n) times.set(token, (times.get(token) ?? 0) + 1)
    }
    return times
  }

  /** Badges were counted once for each push, who was refused is marked, and who is gone was removed. */
  async #checkDevices(): Promise<void> {
    let devices = 0
    for await (const page of this.#store.find({ app: APP })) {
      for (const { token, badge, refused } of page) {
        devices++
        const addressed = this.#addressed.get(token)
        if (badge !== addressed) throw new Error(`${token} has badge ${badge} after ${addressed} pushes`)
        if (this.#gone.has(token)) throw new Error(`${token} is gone, and still registered`)
        if ((refused !== null) !== this.#refused.has(token)) throw new Error(`${token} is refused: ${refused !== null}`)
      }
    }
    const left = DEVICES - this.#gone.size
    if (devices !== left) throw new Error(`${devices} devices are left, and not ${left}`)
  }

  async #story(): Promise<string> {
    const push = await this.#dispatcher.get(this.#pushes.at(-1)?.id ?? '').catch(String)
    return JSON.stringify({ kills: this.#kills, push, workers: this.#workers.map(({ said }) => said) }, null, 1)
  }
}

/** Tokens spread over the whole range, but for those that are refused, or gone. */
function tokenOf(index: number): string {
  return `${headOf(index)}${index.toString(16).padStart(60, '0')}`
}

function headOf(index: number): string {
  if (index % REFUSED_EVERY === 0) return HEADS.refused
  if (index % REFUSED_EVERY === 1) return HEADS.gone
  return (Math.imul(index, 40_503) & 0x7fff).toString(16).padStart(4, '0')
}

function requestOf(n: number): PushRequest {
  return {
    app: APP,
    environment: 'production',
    audience: { all: true },
    payload: { aps: { alert: 'Hello' }, push: n },
    pushType: 'alert',
    priority: 10,
    expiration: { afterMs: 3_600_000 },
    collapseId: null,
    badge: 'increment',
    sendAt: null,
    rate: null,
    maxAudience: null,
    onUnconfirmed: 'report',
  }
}

/** Asks again while the database is dead. */
async function insist<T>(ask: () => Promise<T>, signal?: AbortSignal): Promise<T> {
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      if (!(error instanceof DatabaseError) || signal?.aborted === true) throw error
      await delay(50)
    }
  }
}
