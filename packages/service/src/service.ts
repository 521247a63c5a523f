import { type Database, openDatabase } from '@lhspn/database'
import { type DeviceStore, openDeviceStore } from '@lhspn/device-store'
import { Dispatcher, type FeedbackCount } from '@lhspn/dispatcher'
import type { Sender } from '@lhspn/sender'
import type { Logger } from 'pino'

import { ApiKeys } from './api-keys.ts'
import type { Environment } from './app-config.ts'
import { findApp, openFeedback } from './apps.ts'
import type { Config } from './config.ts'
import { FeedbackSchedule } from './feedback-schedule.ts'
import { migrateSchema } from './schema.ts'
import { type SenderState, Senders } from './senders.ts'

export interface OpenServiceOptions {
  readonly log: Logger
  /** Ends the wait for a database that does not answer. */
  readonly signal?: AbortSignal | undefined
}

/** An installation at work: what the programs at the edge are built on. */
export interface Service {
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
  /** Whether registrations can be stored now. @throws DatabaseError */
  checkDatabase(): Promise<void>
  /** Ends in the opposite order: what is in flight settles first. */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Puts an installation together: database, registry, API keys, senders, dispatcher. Nothing is sent and nothing listens
 * yet. With `database.migrate = "start"` the schema is brought up to date.
 * @throws DatabaseError
 */
export async function openService(config: Config, { log, signal }: OpenServiceOptions): Promise<Service> {
  const { url, password, migrate } = config.database
  const database = await openDatabase(url, { password, signal })
  try {
    await migrateSchema(database, { check: migrate === 'manual' })
    const store = await openDeviceStore(database)
    const onError = (error: unknown): void => log.warn({ err: error }, 'api keys: last use not noted')
    const keys = new ApiKeys(database, { adminKey: config.adminKey, onError })
    return new OpenService(config, log, store, keys)
  } catch (error) {
    await database.close()
    throw error
  }
}

class OpenService implements Service {
  readonly config: Config
  readonly log: Logger
  readonly database: Database
  readonly store: DeviceStore
  readonly keys: ApiKeys
  readonly dispatcher: Dispatcher
  readonly #senders: Senders
  readonly #feedback: FeedbackSchedule
  #closing: Promise<void> | undefined

  constructor(config: Config, log: Logger, store: DeviceStore, keys: ApiKeys) {
    this.config = config
    this.log = log
    this.database = store.database
    this.store = store
    this.keys = keys
    this.#senders = new Senders(config, log)
    this.dispatcher = new Dispatcher({
      store,
      senderFor: (app, environment) => this.#senders.get(app, environment),
      ...config.dispatcher,
    })
    this.#feedback = new FeedbackSchedule({
      apps: config.apps,
      everyMs: config.feedback.everyMs,
      read: (app, environment, signal) => this.readFeedback(app.topic, environment, signal),
      log,
    })
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
    return this.dispatcher.removeByFeedback(topic, environment, tuples)
  }

  startFeedback(): void {
    this.#feedback.start()
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

  async #end(): Promise<void> {
    try {
      await this.#feedback.close()
      await this.#senders.close()
      await this.keys.close()
    } finally {
      await this.store.close()
      await this.database.close()
    }
  }
}
