import { type Database, openDatabase } from '@lhspn/database'
import { type DeviceStore, openDeviceStore } from '@lhspn/device-store'
import {
  type ChunkQueue,
  Dispatcher,
  type DispatcherEvent,
  type FeedbackCount,
  openBullMqQueue,
} from '@lhspn/dispatcher'
import type { Sender } from '@lhspn/sender'
import type { Logger } from 'pino'

import { ApiKeys } from './api-keys.ts'
import type { AppConfig, Environment } from './app-config.ts'
import { findApp, openFeedback } from './apps.ts'
import type { Config } from './config.ts'
import { logDispatcher } from './dispatcher-log.ts'
import { FeedbackSchedule } from './feedback-schedule.ts'
import { migrateSchema } from './schema.ts'
import { type SenderState, Senders } from './senders.ts'

export interface OpenServiceOptions {
  readonly log: Logger
  /** Ends the wait for a database that does not answer. */
  readonly signal?: AbortSignal | undefined
  /**
   * Whether pushes are planned and delivered here, beside whoever else does it. False (default): they are stored,
   * changed and read, and wait for a process that delivers.
   */
  readonly dispatch?: boolean
  /** Told what happens in the dispatcher, besides the log. It must not throw. */
  readonly onEvent?: ((event: DispatcherEvent) => void) | undefined
}

/** An installation at work: what the programs at the edge are built on. */
export interface Service {
  /** Its apps are those of the last `reload`. */
  readonly config: Config
  readonly log: Logger
  readonly database: Database
  readonly store: DeviceStore
  readonly keys: ApiKeys
  readonly dispatcher: Dispatcher
  /**
   * The sender of an app in an environment, opened when it is first asked for; closed with the service.
   * @throws ServiceError `unknown-app`, `app-not-configured`, `unreadable-file`; SenderError `invalid-credentials`
   */
  senderFor(app: string, environment: Environment): Promise<Sender>
  /** How APNs, or the gateway, of each app and environment was last seen; asks nobody. */
  senders(): readonly SenderState[]
  /**
   * Reads the feedback service of an app in an environment, and removes the devices that it names.
   * @throws ServiceError, SenderError, DatabaseError; what was read before is removed
   */
  readFeedback(app: string, environment: Environment, signal?: AbortSignal): Promise<FeedbackCount>
  /** From now on the feedback services are read by themselves: at once, and after each `feedback.every`. */
  startFeedback(): void
  /**
   * Takes over the apps of a configuration that was read again: new ones, changed credentials and servers, also where
   * only the content of a file has changed. Everything else in it waits for the next start. One is taken over after the
   * other, so that it is the last one that counts.
   * @throws ServiceError `unreadable-file`, SenderError `invalid-credentials`: about a sender in use; nothing changes
   */
  reload(config: Config): Promise<void>
  /**
   * Takes no new chunk, lets what is in flight settle and gives the rest back, for others or for later; what takes longer
   * than `server.drainTimeout` is left to its lease. Answers whether all of it settled in time. `close` drains too.
   */
  drain(): Promise<boolean>
  /** Whether registrations can be stored now. @throws DatabaseError */
  checkDatabase(): Promise<void>
  /** Ends in the opposite order: what is in flight settles first. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Puts an installation together: database, registry, API keys, senders, dispatcher. Nothing listens yet, and with
 * `dispatch` alone something is sent. With `database.migrate = "start"` the schema is brought up to date.
 * @throws DatabaseError; DispatcherError `redis-unreachable`, where a queue is configured and `dispatch` asked for
 */
export async function openService(config: Config, options: OpenServiceOptions): Promise<Service> {
  const { log, signal, dispatch = false } = options
  const { url, password, migrate } = config.database
  const database = await openDatabase(url, { password, signal })
  try {
    await migrateSchema(database, { check: migrate === 'manual' })
    const store = await openDeviceStore(database)
    const onError = (error: unknown): void => log.warn({ err: error }, 'api keys: last use not noted')
    const keys = new ApiKeys(database, { adminKey: config.adminKey, onError })
    // Whoever delivers nothing needs no turns: what it stores or resumes is found in the database.
    const queue = dispatch ? await openQueue(config, store, options) : undefined
    const service = new OpenService(config, options, { store, keys, queue })
    if (dispatch) service.dispatcher.start()
    return service
  } catch (error) {
    await database.close()
    throw error
  }
}

/** @returns undefined where the queue is in the database */
function openQueue(
  config: Config,
  { database }: DeviceStore,
  options: OpenServiceOptions,
): Promise<ChunkQueue> | undefined {
  const { log } = options
  const { url: redisUrl } = config.queue
  if (redisUrl === undefined) return undefined
  const onError = (error: unknown): void => log.warn({ err: error }, 'queue: Redis failed, the database stands in')
  const { leaseMs } = config.dispatcher
  return openBullMqQueue({ database, redisUrl, leaseMs, onError, onEvent: listenerOf(options) })
}

/** Logs what happens in the dispatcher, and tells whoever wants to know. */
function listenerOf({ log, onEvent }: OpenServiceOptions): (event: DispatcherEvent) => void {
  return (event) => {
    logDispatcher(log, event)
    onEvent?.(event)
  }
}

class OpenService implements Service {
  readonly log: Logger
  readonly database: Database
  readonly store: DeviceStore
  readonly keys: ApiKeys
  readonly dispatcher: Dispatcher
  readonly #senders: Senders
  readonly #feedback: FeedbackSchedule
  #config: Config
  /** The last one that was asked for. */
  #reloading: Promise<unknown> = Promise.resolve()
  #draining: Promise<boolean> | undefined
  #closing: Promise<void> | undefined

  constructor(
    config: Config,
    options: OpenServiceOptions,
    {
      store,
      keys,
      queue,
    }: { readonly store: DeviceStore; readonly keys: ApiKeys; readonly queue: ChunkQueue | undefined },
  ) {
    const { log } = options
    this.#config = config
    this.log = log
    this.database = store.database
    this.store = store
    this.keys = keys
    this.#senders = new Senders(config, log)
    this.dispatcher = new Dispatcher({
      store,
      senderFor: (app, environment, stopped) => this.#senders.get(app, environment, stopped),
      ...config.dispatcher,
      ...(queue !== undefined && { queue }),
      onEvent: listenerOf(options),
    })
    this.#feedback = new FeedbackSchedule({
      apps: () => this.#config.apps,
      everyMs: config.feedback.everyMs,
      read: (app, environment, signal) => this.readFeedback(app.topic, environment, signal),
      log,
    })
  }

  get config(): Config {
    return this.#config
  }

  senderFor(app: string, environment: Environment): Promise<Sender> {
    return this.#senders.get(app, environment)
  }

  senders(): readonly SenderState[] {
    return this.#senders.states()
  }

  async readFeedback(topic: string, environment: Environment, signal?: AbortSignal): Promise<FeedbackCount> {
    const app = findApp(this.config, topic)
    const tuples = openFeedback(this.config, app, environment, signal)
    return this.dispatcher.removeByFeedback(topic, environment, tuples, signal)
  }

  startFeedback(): void {
    this.#feedback.start()
  }

  reload({ apps }: Config): Promise<void> {
    const reloading = this.#reloading.then(() => this.#takeOver(apps))
    this.#reloading = reloading.catch(() => undefined)
    return reloading
  }

  drain(): Promise<boolean> {
    this.#draining ??= this.dispatcher.drain(this.#config.server.drainTimeoutMs)
    return this.#draining
  }

  async checkDatabase(): Promise<void> {
    // a transaction, because it waits for the lock of those who write, as a registration would
    await this.database.transaction((transaction) => transaction.query('SELECT 1 AS one'))
  }

  close(): Promise<void> {
    this.#closing ??= this.#end()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #takeOver(apps: readonly AppConfig[]): Promise<void> {
    await this.#senders.reload(apps)
    this.#config = { ...this.#config, apps }
    this.log.info({ apps: apps.map(({ topic }) => topic) }, 'configuration: apps read again')
  }

  /** Takes every step, whatever became of those before, so that a fault leaves nothing open; the first one is thrown. */
  async #end(): Promise<void> {
    const faults: unknown[] = []
    const steps = [
      () => this.#feedback.close(),
      () => this.drain(),
      () => this.dispatcher.close(0),
      () => this.#senders.close(),
      () => this.keys.close(),
      () => this.store.close(),
      () => this.database.close(),
    ]
    for (const step of steps) {
      try {
        await step()
      } catch (error) {
        faults.push(error)
      }
    }
    if (faults.length > 0) throw faults[0]
  }
}
