import type { Sender, SenderEvent } from '@lhspn/sender'
import type { Logger } from 'pino'

import { type Environment, ENVIRONMENTS, findApp, openSender } from './apps.ts'
import type { Config } from './config.ts'

/** How the gateway of an app in an environment was last seen. */
export interface GatewayState {
  readonly app: string
  readonly environment: Environment
  /** `unused`: nothing was sent yet. `failed`: the last connection ended with an error. */
  readonly state: 'unused' | 'connected' | 'idle' | 'failed'
  /** What the last connection that failed ended with. */
  readonly error?: string
}

interface Slot {
  readonly sender: Promise<Sender>
  open: number
  error: string | undefined
}

/** The senders of an installation: one for each app and environment, opened when it is first needed. */
export class Senders {
  readonly #config: Pick<Config, 'apps' | 'file' | 'sender'>
  readonly #log: Logger
  readonly #slots = new Map<string, Slot>()

  constructor(config: Pick<Config, 'apps' | 'file' | 'sender'>, log: Logger) {
    this.#config = config
    this.#log = log
  }

  /**
   * The sender of an app in an environment, the same one every time.
   * @throws ServiceError `unknown-app`, `app-not-configured`, `unreadable-file`; SenderError `invalid-credentials`
   */
  async get(topic: string, environment: Environment): Promise<Sender> {
    const name = nameOf(topic, environment)
    const known = this.#slots.get(name)
    if (known !== undefined) return known.sender
    const app = findApp(this.#config, topic)
    const sender = openSender(this.#config, app, environment, (event) => this.#onEvent(topic, environment, event))
    this.#slots.set(name, { sender, open: 0, error: undefined })
    try {
      return await sender
    } catch (error) {
      // what was wrong may be put right by the next time
      this.#slots.delete(name)
      throw error
    }
  }

  /** Of every app and environment that has a gateway. */
  states(): readonly GatewayState[] {
    return this.#config.apps.flatMap((app) =>
      ENVIRONMENTS.filter((environment) => hasGateway(app, environment)).map((environment): GatewayState => {
        const { topic } = app
        const slot = this.#slots.get(nameOf(topic, environment))
        if (slot === undefined) return { app: topic, environment, state: 'unused' }
        if (slot.open > 0) return { app: topic, environment, state: 'connected' }
        if (slot.error !== undefined) return { app: topic, environment, state: 'failed', error: slot.error }
        return { app: topic, environment, state: 'idle' }
      }),
    )
  }

  /** Resolves when nothing is in flight and every connection is closed. */
  async close(): Promise<void> {
    const closings = [...this.#slots.values()].map(async ({ sender }) => {
      const opened = await sender.catch(() => undefined)
      await opened?.close()
    })
    await Promise.all(closings)
  }

  #onEvent(app: string, environment: Environment, event: SenderEvent): void {
    const slot = this.#slots.get(nameOf(app, environment))
    if (event.kind === 'connected') {
      if (slot !== undefined) Object.assign(slot, { open: slot.open + 1, error: undefined })
      this.#log.debug({ app, environment }, 'gateway: connected')
    } else if (event.kind === 'disconnected') {
      const { error } = event
      if (slot !== undefined) Object.assign(slot, { open: Math.max(0, slot.open - 1), error: error?.message })
      if (error === undefined) this.#log.debug({ app, environment }, 'gateway: disconnected')
      else this.#log.warn({ app, environment, err: error }, 'gateway: connection failed')
    } else {
      this.#log.debug({ app, environment, ...event }, 'gateway: event')
    }
  }
}

function nameOf(app: string, environment: Environment): string {
  return `${app} ${environment}`
}

function hasGateway(app: Config['apps'][number], environment: Environment): boolean {
  return (environment === 'sandbox' ? app.sandboxGateway : app.gateway) !== undefined
}
