import { Command } from '@commander-js/extra-typings'
import type { FeedbackTuple } from '@lhspn/apns-protocol'

import type { Context, Run } from '../context.ts'
import { CommandError, type InputFault, refuseFaults } from '../errors.ts'
import { EXIT, type ExitCode, exitCodeOf } from '../exit-code.ts'
import { showExamples } from '../help.ts'
import { formatCount, type Output } from '../output.ts'

/** `lhspn feedback`: removes the devices from which the app is gone, unless they have registered since. */
export function feedbackCommand(run: Run) {
  const command = new Command('feedback')
    .option('--app <TOPIC>', 'which app; the only one may be left out')
    .option('--environment <NAME>', 'production or sandbox (default: production)')
    .option('--dry-run', 'impossible: Apple forgets what it has handed out')
    .action((options) => run((context) => readAll(options, context)))
  showExamples(command, [
    ['lhspn feedback', 'removes devices, and prints what Apple handed out'],
    ['lhspn feedback --json >> gone.ndjson', 'and keeps it: Apple hands each out once'],
    ['lhspn feedback --environment sandbox', 'of the sandbox'],
  ])
  return command
}

interface FeedbackFlags {
  readonly app?: string | undefined
  readonly environment?: string | undefined
  readonly dryRun?: true | undefined
}

async function readAll(flags: FeedbackFlags, context: Context): Promise<ExitCode> {
  const [{ interfaceOf, openFeedback, serverOf }, { readEnvironment, scopeOf }, { withService }] = await Promise.all([
    import('@lhspn/service'),
    import('../installation.ts'),
    import('../opened-service.ts'),
  ])
  const faults: InputFault[] = []
  const environment = readEnvironment(flags.environment, faults)
  if (flags.dryRun === true) {
    const detail = 'is impossible: Apple forgets what it has handed out, so that reading alone would lose it'
    faults.push({ flag: '--dry-run', detail })
  }
  refuseFaults(faults, 'Nothing was read')
  const { config, app } = scopeOf(context, flags.app, environment)
  if (interfaceOf(app, environment) === 'provider-api') {
    const message = `${app.topic} is on the provider API in ${environment}, which has no feedback service`
    const remedy = 'Nothing needs to be read there: sending removes the devices from which the app is gone.'
    throw new CommandError('invalid-input', message, remedy)
  }
  serverOf(app, environment, 'feedback')
  const { output } = context
  return withService(config, context, async ({ dispatcher }, interruption) => {
    const { signal } = interruption
    const reading = new Reading(openFeedback(config, app, environment, signal), output)
    const count = await dispatcher.removeByFeedback(app.topic, environment, reading.tuples(), signal)
    if (output.json) await output.printJson({ app: app.topic, environment, ...count })
    output.note(
      `${formatCount(count.read, 'device')} read: ${formatCount(count.removed)} removed, ${formatCount(count.kept)} kept (not in the registry, or registered since).`,
    )
    if (interruption.exitCode !== undefined) return interruption.exitCode
    if (reading.fault !== undefined) {
      output.fail(reading.fault)
      return exitCodeOf(reading.fault)
    }
    if (reading.lost === 0) return EXIT.done
    output.note(`${formatCount(reading.lost)} of them could not be printed, because whoever read stdout had left.`)
    return EXIT.notAll
  })
}

/** Prints each tuple before it is acted on: Apple never hands it out again. A failure ends it, and is kept. */
class Reading {
  fault: unknown
  /** Tuples that nobody read from stdout. */
  lost = 0
  readonly #source: AsyncIterable<FeedbackTuple>
  readonly #output: Output

  constructor(source: AsyncIterable<FeedbackTuple>, output: Output) {
    this.#source = source
    this.#output = output
  }

  async *tuples(): AsyncGenerator<FeedbackTuple, void, undefined> {
    const output = this.#output
    try {
      for await (const tuple of this.#source) {
        const { token, at } = tuple
        const since = new Date(at * 1000).toISOString()
        await (output.json ? output.printJson({ token, at: since }) : output.print(`${token}  ${since}`))
        if (output.stdoutGone) this.lost++
        yield tuple
      }
    } catch (error) {
      this.fault = error
    }
  }
}
