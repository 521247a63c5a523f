import { setTimeout as delay } from 'node:timers/promises'

import type { ApiServer } from '@lhspn/api'
import type { Simulator } from '@lhspn/apns-simulator'
import type { Audience } from '@lhspn/device-store'
import type { Outcome } from '@lhspn/sender'
import { openFeedback, type Service } from '@lhspn/service'

import type { Context } from '../context.ts'
import { explanationsOf } from '../explanation.ts'
import { formatCount } from '../output.ts'
import { SIMULATED_TOPIC, type SimulatedInstallation } from '../simulated-installation.ts'
import { countFigures, type Figures, journalFromNow, must, refuseWrong } from './figures.ts'
import { type PlannedDevice, planGone, planRefusals, planTrouble, type PushPlan, scriptOf } from './plan.ts'
import { tableOf } from './table.ts'

/** Requests at once: as if so many phones had been switched on. */
const PHONES = 16
const ENVIRONMENT = 'sandbox'
const EVERYBODY = { app: SIMULATED_TOPIC, environment: ENVIRONMENT } as const

/** What the demo does, one step after the other. Each checks its figures before the next begins. */
export class DemoSteps {
  readonly #devices: readonly PlannedDevice[]
  readonly #service: Service
  readonly #server: ApiServer
  readonly #simulator: Simulator
  readonly #installation: SimulatedInstallation
  readonly #context: Context

  constructor(
    devices: readonly PlannedDevice[],
    service: Service,
    server: ApiServer,
    simulator: Simulator,
    installation: SimulatedInstallation,
    context: Context,
  ) {
    this.#devices = devices
    this.#service = service
    this.#server = server
    this.#simulator = simulator
    this.#installation = installation
    this.#context = context
  }

  async run(signal: AbortSignal): Promise<void> {
    const { gateway, feedback } = this.#simulator
    const { url } = this.#server
    const { config } = this.#installation
    await this.#tell({ gateway, feedback, api: url, config }, [
      `Simulated Apple: gateway ${gateway}, feedback service ${feedback}. API ${url}, configuration ${config}`,
    ])
    const key = await this.#registerAll(signal)
    const refused = await this.#sendToFilter(signal)
    const gone = await this.#readFeedback(key, refused, signal)
    // whoever was neither removed nor refused
    await this.#sendToAll(this.#devices.length - refused.size - gone, signal)
    await this.#explain()
  }

  /** Opens the installation to whoever wants to try more. */
  async stay(): Promise<void> {
    const { store, keys } = this.#service
    const { key } = await keys.create({ scope: 'send', name: 'demo' })
    const tokens: string[] = []
    for await (const page of store.findTokens(EVERYBODY)) tokens.push(...page.map(({ token }) => token))
    const now = Math.ceil(Date.now() / 1000)
    const [refused = '', taken = ''] = tokens
    this.#simulator.script({
      rules: [{ when: { token: refused }, do: { status: 8 } }],
      feedback: planGone(tokens).map((token) => ({ token, at: now })),
    })
    const lhspn = `lhspn --config ${this.#installation.config}`
    await this.#tell({ key }, [
      'Everything stays up. In another terminal:',
      `  ${lhspn} send --environment sandbox --where lang=de "Hallo"`,
      `  ${lhspn} send --environment sandbox --to ${taken} --to ${refused} "Hello"`,
      `  ${lhspn} devices list --where plan=pro`,
      `  ${lhspn} feedback --environment sandbox`,
      `  curl -H 'Authorization: Bearer ${key}' '${this.#server.url}/v1/devices?count=true&limit=1'`,
      'Ctrl-C ends it and leaves nothing behind.',
    ])
  }

  /** As their apps would: each with its own request. @returns the key that sits inside the app */
  async #registerAll(signal: AbortSignal): Promise<string> {
    const { store, keys } = this.#service
    const { key } = await keys.create({ scope: 'register', app: SIMULATED_TOPIC, name: 'demo' })
    const startedAt = performance.now()
    const waiting = this.#devices.values()
    let created = 0
    const phone = async (): Promise<void> => {
      for (const device of waiting) {
        if ((await this.#register(device, key, signal)) === 201) created++
        this.#context.output.progress(() => `${formatCount(created)} / ${formatCount(this.#devices.length)}`)
      }
    }
    await Promise.all(Array.from({ length: PHONES }, phone))
    const seconds = (performance.now() - startedAt) / 1000
    const stored = await store.count(EVERYBODY)
    await this.#tell({ step: 1, registered: created, stored, seconds: Number(seconds.toFixed(2)) }, [
      `  1 registered ${formatCount(created, 'device')} through PUT /v1/devices   ${seconds.toFixed(1)} s; the registry has ${formatCount(stored)}`,
    ])
    refuseWrong([
      must(created, this.#devices.length, 'registrations answered with 201'),
      must(stored, this.#devices.length, 'devices in the registry'),
    ])
    return key
  }

  async #register({ token, attributes }: PlannedDevice, key: string, signal: AbortSignal): Promise<number> {
    const response = await fetch(`${this.#server.url}/v1/devices/${token}`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ environment: ENVIRONMENT, platform: 'ios', osVersion: '18.1', attributes }),
      signal,
    })
    await response.arrayBuffer()
    return response.status
  }

  /** @returns the tokens that were rejected, and so are refused from now on */
  async #sendToFilter(signal: AbortSignal): Promise<ReadonlySet<string>> {
    const due = this.#devices.filter(({ attributes }) => attributes.plan === 'pro').length
    const plan = planRefusals(await this.#audience({ filter: ['plan', 'pro'] }))
    await this.#tell({ step: 2, devices: plan.tokens.length }, [
      `  2 sent to plan=pro: ${formatCount(plan.tokens.length, 'device')}`,
    ])
    const { figures, marked } = await this.#push(plan, { filter: ['plan', 'pro'] }, signal)
    const refused = await this.#service.store.count({ ...EVERYBODY, refused: true })
    await this.#tell({ ...figures, step: 2, refused }, [
      ...tableOf(figures, plan),
      `      refused: ${refused} devices, which are skipped until they register again`,
    ])
    refuseWrong([
      must(plan.tokens.length, due, 'devices with plan=pro'),
      ...figures.wrong,
      must(marked, plan.rejected.size, 'devices marked as refused'),
      must(refused, plan.rejected.size, 'refused devices in the registry'),
    ])
    return plan.rejected
  }

  /** @returns how many were removed */
  async #readFeedback(key: string, refused: ReadonlySet<string>, signal: AbortSignal): Promise<number> {
    const { store, dispatcher } = this.#service
    const named = planGone(this.#devices.map(({ token }) => token).filter((token) => !refused.has(token)))
    const back = this.#devices.find(({ token }) => token === named.at(-1))
    const known = (await store.getMany(SIMULATED_TOPIC, named)).flatMap((device) => device ?? [])
    // Apple counts in seconds; all of them registered before this one is over
    const at = Math.ceil(Math.max(...known.map(({ updatedAt }) => updatedAt.getTime())) / 1000)
    while (Date.now() <= at * 1000) await delay(at * 1000 + 1 - Date.now(), undefined, { signal })
    const again = back === undefined ? 0 : await this.#register(back, key, signal)
    this.#simulator.script({ feedback: named.map((token) => ({ token, at })) })
    const { read, removed, kept } = await this.#service.readFeedback(SIMULATED_TOPIC, ENVIRONMENT, signal)
    const second = await dispatcher.removeByFeedback(SIMULATED_TOPIC, ENVIRONMENT, this.#feedback(signal))
    const left = await store.count(EVERYBODY)
    const tombstones = await Promise.all(named.map((token) => store.tombstone(SIMULATED_TOPIC, token)))
    await this.#tell({ step: 3, handedOut: named.length, read, removed, kept, again: second.read, left }, [
      `  3 read the feedback service: ${read} devices, the simulator handed out ${named.length}; read again: ${second.read}`,
      `      removed ${removed} devices, kept ${kept} that registered again after Apple's timestamp; the registry has ${formatCount(left)}`,
    ])
    refuseWrong([
      must(again, 200, 'status of the second registration'),
      must(read, named.length, 'devices from the feedback service'),
      must(removed, named.length - 1, 'devices removed'),
      must(kept, 1, 'devices kept'),
      must(second.read, 0, 'devices handed out twice'),
      must(left, this.#devices.length - removed, 'devices in the registry'),
      must((await store.get(SIMULATED_TOPIC, named.at(-1) ?? '')) === undefined ? 0 : 1, 1, 'devices that came back'),
      must(tombstones.filter((each) => each?.cause === 'feedback').length, removed, 'tombstones'),
      must(this.#simulator.journal.feedbackReads, 2, 'feedback reads that the simulator counted'),
    ])
    return removed
  }

  #feedback(signal: AbortSignal) {
    const { config } = this.#service
    const [app] = config.apps
    if (app === undefined) throw new TypeError('the demo has an app')
    return openFeedback(config, app, ENVIRONMENT, signal)
  }

  async #sendToAll(due: number, signal: AbortSignal): Promise<void> {
    const plan = planTrouble(await this.#audience({ all: true }))
    await this.#tell({ step: 4, devices: plan.tokens.length }, [
      `  4 sent to all: ${formatCount(plan.tokens.length, 'device')}, with trouble on the way`,
    ])
    const { figures } = await this.#push(plan, { all: true }, signal)
    await this.#tell({ ...figures, step: 4 }, tableOf(figures, plan))
    refuseWrong([must(plan.tokens.length, due, 'devices in the audience'), ...figures.wrong])
  }

  /** Whom the registry says that a push goes to, in its order. */
  async #audience(audience: Exclude<Audience, { readonly tokens: readonly string[] }>): Promise<readonly string[]> {
    const filter = 'filter' in audience ? { filter: audience.filter } : {}
    const tokens: string[] = []
    for await (const page of this.#service.store.findTokens({ ...EVERYBODY, ...filter })) {
      tokens.push(...page.map(({ token }) => token))
    }
    return tokens
  }

  async #push(
    plan: PushPlan,
    audience: Audience,
    signal: AbortSignal,
  ): Promise<{ readonly figures: Figures; readonly marked: number }> {
    this.#simulator.script(scriptOf(plan))
    const journal = journalFromNow(this.#simulator.journal)
    const content = { payload: { aps: { alert: { title: 'LHSPN', body: 'Starts now' }, sound: 'default' } } }
    const outcomes: Outcome[] = []
    let marked = 0
    const onRefused = (devices: number): void => void (marked += devices)
    const pushed = this.#service.dispatcher.deliver({ ...EVERYBODY, audience, content }, { signal, onRefused })
    for await (const settled of pushed) {
      outcomes.push(...settled)
      this.#context.output.progress(() => `${formatCount(outcomes.length)} / ${formatCount(plan.tokens.length)}`)
    }
    return { figures: countFigures(plan, outcomes, journal), marked }
  }

  async #explain(): Promise<void> {
    const [explanation] = explanationsOf('ConnectionLost')
    if (explanation === undefined) throw new TypeError('a reason of our own must be explained')
    const { reason, meaning, remedy } = explanation
    await this.#tell({ step: 5, ...explanation }, [`  5 lhspn explain ${reason}: ${meaning}`, `      ${remedy}`])
  }

  /** The same figures for programs and for people. */
  async #tell(figures: object, lines: readonly string[]): Promise<void> {
    const { output } = this.#context
    await (output.json ? output.printJson(figures) : output.print(...lines))
  }
}
