import type { Sender, SenderEvent } from '@lhspn/sender'
import type { Logger } from 'pino'

import { type Environment, ENVIRONMENTS, type Interface, interfaceForSending, interfaceOf } from './app-config.ts'
import { findApp, openSender } from './apps.ts'
import type { Config } from './config.ts'

/** How APNs, or the gateway, of an app in an environment was last seen. */
export interface SenderState {
  readonly app: string
  readonly environment: Environment
  readonly interface: Interface
  /**
   * `unused`: nothing was sent yet. `holding`: APNs answers that it is not available, and one notification at a time is
   * tried. `failed`: the last connection ended with an error.
   */
  readonly state: 'unused' | 'connected' | 'idle' | 'holding' | 'failed'
  /** What the last connection that failed ended with. */
  readonly error?: string
}

interface Slot {
  readonly sender: Promise<Sender>
  open: number
  holding: boolean
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
    const slot: Slot = {
      sender: openSender(this.#config, app, environment, (event) => {
        noteEvent(slot, event)
        this.#logEvent({ app: topic, environment, interface: interfaceOf(app, environment) }, event)
      }),
      open: 0,
      holding: false,
      error: undefined,
    }
    this.#slots.set(name, slot)
    try {
      return await slot.sender
    } catch (error) {
      // what was wrong may be put right by the next time
      this.#slots.delete(name)
      throw error
    }
  }

  /** Of every app and environment that something can be sent to. */
  states(): readonly SenderState[] {
    return this.#config.apps.flatMap((app) =>
      ENVIRONMENTS.flatMap((environment): SenderState[] => {
        const over = interfaceForSending(app, environment)
        if (over === undefined) return []
        const state = stateOf(this.#slots.get(nameOf(app.topic, environment)))
        return [{ app: app.topic, environment, interface: over, ...state }]
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

  #logEvent(
    fields: { readonly app: string; readonly environment: Environment; readonly interface: Interface | undefined },
    event: SenderEvent,
  ): void {
    const { interface: over } = fields
    if (event.kind === 'connected') this.#log.debug(fields, `${over}: connected`)
    else if (event.kind === 'disconnected' && event.error === undefined) {
      this.#log.debug(fields, `${over}: disconnected`)
    } else if (event.kind === 'disconnected') {
      this.#log.warn({ ...fields, err: event.error }, `${over}: connection failed`)
    } else if (event.kind === 'hold') {
      if (event.holding) this.#log.warn(fields, `${over}: not available, one notification at a time is tried`)
      else this.#log.info(fields, `${over}: available again`)
    } else if (event.kind === 'protocol-error') {
      this.#log.warn({ ...fields, ...event }, `${over}: the server broke the protocol`)
    } else this.#log.debug({ ...fields, ...event }, `${over}: event`)
  }
}

function noteEvent(slot: Slot, event: SenderEvent): void {
  if (event.kind === 'connected') {
    slot.open++
    slot.error = undefined
  } else if (event.kind === 'disconnected') {
    slot.open = Math.max(0, slot.open - 1)
    slot.error = event.error?.message
  } else if (event.kind === 'hold') slot.holding = event.holding
}

function stateOf(slot: Slot | undefined): Pick<SenderState, 'state' | 'error'> {
  if (slot === undefined) return { state: 'unused' }
  if (slot.holding) return { state: 'holding' }
  if (slot.open > 0) return { state: 'connected' }
  return slot.error === undefined ? { state: 'idle' } : { state: 'failed', error: slot.error }
}

function nameOf(app: string, environment: Environment): string {
  return `${app} ${environment}`
}
