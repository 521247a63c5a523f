import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { type Simulator, startSimulator } from '@lhspn/apns-simulator'
import type { Notification, Outcome } from '@lhspn/sender'
import { findApp, loadConfig, openFeedback, openSender } from '@lhspn/service'

import { findExplanation } from '../commands/explain.ts'
import type { Context } from '../context.ts'
import { CommandError } from '../errors.ts'
import { EXIT, type ExitCode } from '../exit-code.ts'
import { alignColumns, formatCount } from '../output.ts'
import { type SimulatedInstallation, writeInstallation } from '../simulated-installation.ts'
import { countFigures, type Figures, must } from './figures.ts'
import { makePlan, type Plan } from './plan.ts'

const SEED = 20_240_614
/** Long before this everything is over, or something hangs: then the figures say so. */
const LIMIT_MS = 60_000

/**
 * Starts a simulated Apple and a configuration for it in a temporary directory, sends to it, and checks what came of it
 * against what the simulator saw. On a terminal it stays up to look around. Leaves nothing behind.
 * @throws CommandError `wrong-figure`
 */
export async function runDemo(context: Context): Promise<ExitCode> {
  const interruption = context.interruption()
  const plan = makePlan(SEED)
  const simulator = await startSimulator({ script: plan.script, seed: SEED, journal: 'counts' })
  const directory = await mkdtemp(join(tmpdir(), 'lhspn-demo-'))
  try {
    const installation = await writeInstallation(directory, simulator)
    const demo = new Demo(plan, simulator, installation, context)
    await demo.run(AbortSignal.any([interruption.signal, AbortSignal.timeout(LIMIT_MS)]))
    if (interruption.exitCode !== undefined) return interruption.exitCode
    if (context.unattended) return EXIT.done
    await demo.stay()
    await interruption.ended()
    return EXIT.done
  } catch (error) {
    if (interruption.exitCode !== undefined) return interruption.exitCode
    throw error
  } finally {
    await simulator.close()
    await rm(directory, { recursive: true, force: true })
  }
}

class Demo {
  readonly #plan: Plan
  readonly #simulator: Simulator
  readonly #installation: SimulatedInstallation
  readonly #context: Context

  constructor(plan: Plan, simulator: Simulator, installation: SimulatedInstallation, context: Context) {
    this.#plan = plan
    this.#simulator = simulator
    this.#installation = installation
    this.#context = context
  }

  async run(signal: AbortSignal): Promise<void> {
    const { gateway, feedback } = this.#simulator
    const { config } = this.#installation
    await this.#tell({ gateway, feedback, config }, [
      `Simulated Apple: gateway ${gateway}, feedback service ${feedback}; configuration ${config}`,
    ])
    const figures = await this.#send(signal)
    refuseWrong(figures.wrong)
    await this.#readFeedback(signal)
    await this.#explain()
  }

  /** Opens the simulator to whoever wants to try more. */
  async stay(): Promise<void> {
    const { feedback, rejected } = this.#plan
    const [refused = ''] = rejected
    const script = { rules: [{ when: { token: refused }, do: { status: 8 } }], feedback }
    this.#simulator.script(script)
    const lhspn = `lhspn --config ${this.#installation.config}`
    await this.#tell({}, [
      'The simulated Apple stays up. In another terminal:',
      `  ${lhspn} send --to ${this.#plan.cut} "Hello"`,
      `  ${lhspn} send --to ${refused} "Hello"`,
      `  ${lhspn} feedback`,
      'Ctrl-C ends it and leaves nothing behind.',
    ])
  }

  async #send(signal: AbortSignal): Promise<Figures> {
    const { config, app } = this.#configured()
    const { tokens } = this.#plan
    let connected = 0
    const sender = await openSender(config, app, 'production', ({ kind }) => {
      if (kind === 'connected') connected++
    })
    const outcomes: Outcome[] = []
    const startedAt = performance.now()
    try {
      for await (const settled of sender.send(inBatches(tokens), { signal })) {
        outcomes.push(...settled)
        this.#context.output.progress(() => `${formatCount(outcomes.length)} / ${formatCount(tokens.length)}`)
      }
    } finally {
      await sender.close()
    }
    const seconds = (performance.now() - startedAt) / 1000
    const figures = countFigures(this.#plan, outcomes, this.#simulator.journal)
    await this.#tell({ step: 1, sent: figures.sent, seconds: Number(seconds.toFixed(2)), connections: connected }, [
      `  1 sent ${formatCount(figures.sent)} notifications in one stream over TLS   ${seconds.toFixed(1)} s, ${connected} connections`,
    ])
    await this.#tell({ step: 2, ...figures }, tableOf(figures, this.#plan))
    return figures
  }

  async #readFeedback(signal: AbortSignal): Promise<void> {
    const { config, app } = this.#configured()
    const read: string[] = []
    for await (const { token, at } of openFeedback(config, app, 'production', signal)) read.push(`${token} ${at}`)
    let again = 0
    for await (const tuple of openFeedback(config, app, 'production', signal)) again += tuple.at > 0 ? 1 : 0
    const due = this.#plan.feedback.map(({ token, at }) => `${token} ${at}`)
    const matching = read.filter((tuple, nth) => tuple === due[nth]).length
    await this.#tell({ step: 3, handedOut: due.length, read: read.length, again }, [
      `  3 read the feedback service: ${read.length} devices, the simulator handed out ${due.length}; read again: ${again}`,
    ])
    refuseWrong([
      must(read.length, due.length, 'devices from the feedback service'),
      must(matching, due.length, 'devices from the feedback service as they were handed out'),
      must(again, 0, 'devices handed out twice'),
      must(this.#simulator.journal.feedbackReads, 2, 'feedback reads that the simulator counted'),
    ])
  }

  async #explain(): Promise<void> {
    const explanation = await findExplanation('ConnectionLost')
    const { reason, meaning, remedy } = explanation
    await this.#tell({ step: 4, ...explanation }, [`  4 lhspn explain ${reason}: ${meaning}`, `    ${remedy}`])
  }

  #configured() {
    const config = loadConfig(this.#installation.config, {})
    return { config, app: findApp(config, undefined) }
  }

  /** The same figures for programs and for people. */
  async #tell(figures: object, lines: readonly string[]): Promise<void> {
    const { output } = this.#context
    await (output.json ? output.printJson(figures) : output.print(...lines))
  }
}

function* inBatches(tokens: readonly string[]): Generator<readonly Notification[], void, undefined> {
  const content = { payload: { aps: { alert: 'Hello from LHSPN', sound: 'default' } } }
  const size = 500
  for (let start = 0; start < tokens.length; start += size) {
    yield tokens.slice(start, start + size).map((token) => ({ token, content }))
  }
}

function tableOf(figures: Figures, { rejected }: Plan): string[] {
  const { answers } = figures
  const count = formatCount
  const rows = [
    ['', 'we count', 'the simulator counts'],
    ['accepted', count(figures.accepted), `${count(figures.acceptedTakenOnce)} of them taken, each once`],
    ['rejected', count(figures.rejected), `${count(answers['8'] ?? 0)} refused, as scripted (${rejected.size})`],
    [
      'unconfirmed',
      count(figures.unconfirmed),
      `${count(figures.unconfirmedTaken)} of them taken: in flight when the connection was cut`,
    ],
    ['unsent', count(figures.unsent), ''],
    ['together', count(figures.sent), `${count(figures.taken)} taken in all`],
  ]
  return [
    '  2 every notification has exactly one outcome, and none was taken twice',
    ...alignColumns(rows).map((row) => `      ${row}`),
    `    on the way: ${answers['10'] ?? 0} shutdown, ${answers['1'] ?? 0} processing error; ${count(figures.discarded)} frames thrown away behind a fault, all made good`,
  ]
}

function refuseWrong(wrong: readonly (string | undefined)[]): void {
  const lines = wrong.filter((line) => line !== undefined)
  if (lines.length === 0) return
  throw new CommandError(
    'wrong-figure',
    `The demo counted what must not be:${lines.map((line) => `\n  ${line}`).join('')}`,
    'This is a fault of LHSPN itself: please report it, with this output.',
  )
}
