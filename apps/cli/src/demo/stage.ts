import type { ApiServer } from '@lhspn/api'
import type { Simulator } from '@lhspn/apns-simulator'
import type { Audience } from '@lhspn/device-store'
import { type NotificationRecord, parsePushRequest, type StoredPush } from '@lhspn/dispatcher'
import type { Environment, Service } from '@lhspn/service'

import type { Context } from '../context.ts'
import { formatCount } from '../output.ts'
import { progressOf } from '../pushes/summary.ts'
import { SIMULATED_TOPIC, type SimulatedInstallation } from '../simulated-installation.ts'
import { countFigures, type Figures, watchJournal } from './figures.ts'
import { type PlannedDevice, type PushPlan, scriptOf } from './plan.ts'
import { Program } from './program.ts'

/** Requests at once: as if so many phones had been switched on. */
const PHONES = 16
const PAYLOAD = { aps: { alert: { title: 'LHSPN', body: 'Starts now' }, sound: 'default' } }
/** Records of one read. */
const PAGE = 1000

/** What everything plays on. */
export interface StageParts {
  readonly service: Service
  readonly server: ApiServer
  readonly simulator: Simulator
  readonly installation: SimulatedInstallation
  readonly context: Context
  /** Ends everything early. */
  readonly signal: AbortSignal
}

/** What became of a push. */
export interface Pushed {
  readonly figures: Figures
  /** Devices that were marked as refused, and that were removed. */
  readonly marked: number
  readonly removed: number
}

/** A registration as the API answered it. */
interface Registered {
  readonly status: number
  /** UNIX milliseconds when the answer was there. */
  readonly at: number
}

/** Devices in the registry. */
interface Standing {
  readonly registered: number
  readonly refused: number
}

/** The installation with its simulated Apple, and what the steps of the demo do to both. */
export class Stage {
  readonly parts: StageParts
  readonly #programs: Program[] = []
  #registerKey: string | undefined

  constructor(parts: StageParts) {
    this.parts = parts
  }

  /** The same figures for programs and for people. */
  async tell(figures: object, lines: readonly string[]): Promise<void> {
    const { output } = this.parts.context
    await (output.json ? output.printJson(figures) : output.print(...lines))
  }

  /** As their apps would: each with its own request. @returns how many the API called new */
  async registerAll(devices: readonly PlannedDevice[], environment: Environment): Promise<number> {
    const waiting = devices.values()
    let created = 0
    const phone = async (): Promise<void> => {
      for (const device of waiting) {
        if ((await this.register(device, environment)).status === 201) created++
        this.parts.context.output.progress(() => `${formatCount(created)} / ${formatCount(devices.length)}`)
      }
    }
    await Promise.all(Array.from({ length: PHONES }, phone))
    return created
  }

  async register({ token, attributes }: PlannedDevice, environment: Environment): Promise<Registered> {
    const { service, server, signal } = this.parts
    // the key that sits inside the app
    this.#registerKey ??= (await service.keys.create({ scope: 'register', app: SIMULATED_TOPIC, name: 'demo' })).key
    const response = await fetch(`${server.url}/v1/devices/${token}`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${this.#registerKey}`, 'content-type': 'application/json' },
      body: JSON.stringify({ environment, platform: 'ios', osVersion: '18.1', attributes }),
      signal,
    })
    await response.arrayBuffer()
    return { status: response.status, at: Date.now() }
  }

  /** Whom the registry says that a push goes to, in its order. */
  async audience(environment: Environment, filter?: readonly [string, string]): Promise<readonly string[]> {
    const query = { app: SIMULATED_TOPIC, environment, ...(filter !== undefined && { filter }) }
    const tokens: string[] = []
    for await (const page of this.parts.service.store.findTokens(query)) {
      tokens.push(...page.map(({ token }) => token))
    }
    return tokens
  }

  /** @param since when the tokens that are gone were found dead, in UNIX milliseconds */
  async push(plan: PushPlan, environment: Environment, audience: Audience, since = 0): Promise<Pushed> {
    const { simulator, service } = this.parts
    simulator.script(scriptOf(plan, since))
    const look = watchJournal(simulator.journal)
    const { dispatcher } = service
    const scope = { app: SIMULATED_TOPIC, environment }
    const before = await this.#standing(scope)
    const request = { ...scope, audience, payload: PAYLOAD }
    const { push } = await dispatcher.submit(parsePushRequest(request, { now: Date.now() }))
    const { counts } = await this.follow(push.id)
    const records = await this.records(push.id)
    const after = await this.#standing(scope)
    return {
      figures: countFigures(plan, counts, records, look()),
      marked: after.refused - before.refused,
      removed: before.registered - after.registered,
    }
  }

  /** Waits for the end of a push. @throws the reason of the stage's signal */
  async follow(id: string): Promise<StoredPush> {
    const { service, context, signal } = this.parts
    for await (const push of service.dispatcher.watch(id, signal)) context.output.progress(() => progressOf(push))
    signal.throwIfAborted()
    return service.dispatcher.get(id)
  }

  /** What became of every notification of a push. */
  async records(id: string): Promise<readonly NotificationRecord[]> {
    const { dispatcher } = this.parts.service
    const records: NotificationRecord[] = []
    let cursor: string | undefined
    for (;;) {
      const page = await dispatcher.notifications(id, { cursor, limit: PAGE })
      records.push(...page.data)
      if (page.nextCursor === null) return records
      cursor = page.nextCursor
    }
  }

  async #standing(scope: { readonly app: string; readonly environment: Environment }): Promise<Standing> {
    const { store } = this.parts.service
    return { registered: await store.count(scope), refused: await store.count({ ...scope, refused: true }) }
  }

  /** Starts this program once more, for the same installation. It ends with the stage at the latest. */
  start(args: readonly string[], variables: Readonly<Record<string, string>> = {}): Program {
    const { context, installation } = this.parts
    const program = new Program(context.program, ['--config', installation.config, ...args], variables)
    this.#programs.push(program)
    return program
  }

  /** Waits until one of these has happened. @throws the reason of the stage's signal */
  async until(...happenings: readonly Promise<unknown>[]): Promise<void> {
    const { signal } = this.parts
    const over = new Promise((resolve) => {
      if (signal.aborted) resolve(undefined)
      else signal.addEventListener('abort', resolve, { once: true })
    })
    await Promise.race([...happenings, over])
    signal.throwIfAborted()
  }

  /** Ends what was started on it. */
  async close(): Promise<void> {
    await Promise.all(this.#programs.map((program) => program.end('SIGTERM')))
  }

  /** When these devices registered last, in UNIX milliseconds. */
  async lastRegistration(tokens: readonly string[]): Promise<number> {
    const devices = await this.parts.service.store.getMany(SIMULATED_TOPIC, tokens)
    return Math.max(...devices.map((device) => device?.updatedAt.getTime() ?? 0))
  }
}
