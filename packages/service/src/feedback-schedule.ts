import type { FeedbackCount } from '@lhspn/dispatcher'
import type { Logger } from 'pino'

import { type AppConfig, type Environment, ENVIRONMENT_KEYS, ENVIRONMENTS } from './app-config.ts'

/** Reads the feedback services of all apps at once, and again after each `everyMs`. Failures are logged. */
export class FeedbackSchedule {
  readonly #read: (app: AppConfig, environment: Environment, signal: AbortSignal) => Promise<FeedbackCount>
  readonly #apps: () => readonly AppConfig[]
  readonly #everyMs: number
  readonly #log: Logger
  readonly #ending = new AbortController()
  #round: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(options: {
    /** Asked before each round. */
    readonly apps: () => readonly AppConfig[]
    readonly everyMs: number
    readonly read: (app: AppConfig, environment: Environment, signal: AbortSignal) => Promise<FeedbackCount>
    readonly log: Logger
  }) {
    this.#read = options.read
    this.#everyMs = options.everyMs
    this.#log = options.log
    this.#apps = options.apps
  }

  /** Begins; once is enough. */
  start(): void {
    if (this.#round !== undefined || this.#ending.signal.aborted) return
    this.#next()
  }

  /** Breaks off what is being read; whatever was read is removed first. */
  async close(): Promise<void> {
    this.#ending.abort()
    clearTimeout(this.#timer)
    await this.#round
  }

  #next(): void {
    this.#round = this.#readAllAndWait()
  }

  async #readAllAndWait(): Promise<void> {
    await this.#readAll()
    if (!this.#ending.signal.aborted) this.#timer = setTimeout(() => this.#next(), this.#everyMs)
  }

  async #readAll(): Promise<void> {
    const { signal } = this.#ending
    for (const [app, environment] of targetsOf(this.#apps())) {
      if (signal.aborted) return
      const fields = { app: app.topic, environment }
      try {
        const count = await this.#read(app, environment, signal)
        this.#log.info({ ...fields, ...count }, 'feedback: read')
      } catch (error) {
        if (!signal.aborted) this.#log.warn({ ...fields, err: error }, 'feedback: not read to its end')
      }
    }
  }
}

function targetsOf(apps: readonly AppConfig[]): readonly (readonly [AppConfig, Environment])[] {
  return apps.flatMap((app) =>
    ENVIRONMENTS.filter((environment) => app[ENVIRONMENT_KEYS[environment].feedback] !== undefined).map(
      (environment) => [app, environment] as const,
    ),
  )
}
