import { isDeepStrictEqual } from 'node:util'

import type { Interface } from '@lhspn/apns-protocol'
import { Sender, type SenderEvent, type SenderOptions } from '@lhspn/sender'
import type { Logger } from 'pino'

import { type AppConfig, type Environment, ENVIRONMENTS, interfaceForSending, interfaceOf } from './app-config.ts'
import { findApp, readSenderOptions } from './apps.ts'
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
  readonly app: string
  readonly environment: Environment
  readonly opened: Promise<{ readonly sender: Sender; readonly options: SenderOptions }>
  open: number
  holding: boolean
  error: string | undefined
}

type SendersConfig = Pick<Config, 'apps' | 'file' | 'sender'>

/** The senders of an installation: one for each app and environment, opened when it is first needed. */
export class Senders {
  readonly #log: Logger
  readonly #slots = new Map<string, Slot>()
  readonly #closings = new Set<Promise<void>>()
  #config: SendersConfig

  constructor(config: SendersConfig, log: Logger) {
    this.#config = config
    this.#log = log
  }

  /**
   * The sender of an app in an environment, the same one every time; another one than `stopped`, for which its files are
   * read again.
   * @throws ServiceError `unknown-app`, `app-not-configured`, `unreadable-file`; SenderError `invalid-credentials`
   */
  async get(topic: string, environment: Environment, stopped?: Sender): Promise<Sender> {
    const name = nameOf(topic, environment)
    const known = this.#slots.get(name)
    if (known !== undefined) {
      const { sender } = await known.opened
      if (sender !== stopped) return sender
      this.#retire(name, known)
    }
    const slot = this.#slots.get(name) ?? this.#open(findApp(this.#config, topic), environment)
    const { sender } = await slot.opened
    return sender
  }

  /**
   * From now on apps are as they stand here. Senders whose servers or credentials have changed, or whose apps are gone,
   * are closed: what was written settles, and the rest comes back to whoever sent it, for another sender.
   * @throws ServiceError `unreadable-file`, SenderError `invalid-credentials`: about a sender in use; nothing changes
   */
  async reload(apps: readonly AppConfig[]): Promise<void> {
    const config = { ...this.#config, apps }
    const unchanged = new Set<Slot>()
    for (const slot of this.#slots.values()) if (await isUnchanged(slot, config)) unchanged.add(slot)
    this.#config = config
    for (const [name, slot] of this.#slots) if (!unchanged.has(slot)) this.#retire(name, slot)
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
    for (const [name, slot] of this.#slots) this.#retire(name, slot)
    await Promise.all(this.#closings)
  }

  #open(app: AppConfig, environment: Environment): Slot {
    const { topic } = app
    const onEvent = (event: SenderEvent): void => {
      noteEvent(slot, event)
      this.#logEvent({ app: topic, environment, interface: interfaceOf(app, environment) }, event)
    }
    const opened = readSenderOptions(this.#config, app, environment).then((options) => ({
      sender: new Sender({ ...options, onEvent }),
      options,
    }))
    const slot: Slot = { app: topic, environment, opened, open: 0, holding: false, error: undefined }
    const name = nameOf(topic, environment)
    this.#slots.set(name, slot)
    opened.catch(() => {
      // what was wrong may be put right by the next time
      if (this.#slots.get(name) === slot) this.#slots.delete(name)
    })
    return slot
  }

  #retire(name: string, slot: Slot): void {
    if (this.#slots.get(name) !== slot) return
    this.#slots.delete(name)
    const closing = slot.opened
      .then(
        ({ sender }) => sender.close(),
        () => undefined,
      )
      .finally(() => this.#closings.delete(closing))
    this.#closings.add(closing)
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

/** Whether a new sender would be opened with the same as this one. One that failed to open goes by itself. */
async function isUnchanged({ app: topic, environment, opened }: Slot, config: SendersConfig): Promise<boolean> {
  const known = await opened.catch(() => undefined)
  const app = config.apps.find((candidate) => candidate.topic === topic)
  if (known === undefined || app === undefined || interfaceForSending(app, environment) === undefined) return false
  return isDeepStrictEqual(await readSenderOptions(config, app, environment), known.options)
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
