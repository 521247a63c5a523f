import { Command } from '@commander-js/extra-typings'

import type { Context, Run } from '../context.ts'
import { type InputFault, refuseFaults } from '../errors.ts'
import { EXIT, type ExitCode, exitCodeOf } from '../exit-code.ts'
import { showExamples } from '../help.ts'
import { formatCount } from '../output.ts'

/** `lhspn feedback`: the devices from which the app is gone, read now. */
export function feedbackCommand(run: Run) {
  const command = new Command('feedback')
    .option('--app <TOPIC>', 'which app; the only one may be left out')
    .option('--environment <NAME>', 'production or sandbox (default: production)')
    .action((options) => run((context) => readAll(options, context)))
  showExamples(command, [
    ['lhspn feedback --json > gone.ndjson', 'keep what Apple hands out: it does so once'],
    ['lhspn feedback --environment sandbox', 'of the sandbox'],
    ['lhspn feedback --app com.example.app', 'of one of several apps'],
  ])
  return command
}

interface FeedbackFlags {
  readonly app?: string | undefined
  readonly environment?: string | undefined
}

async function readAll(flags: FeedbackFlags, context: Context): Promise<ExitCode> {
  const { openFeedback } = await import('@lhspn/service')
  const { readEnvironment, scopeOf } = await import('../installation.ts')
  const faults: InputFault[] = []
  const environment = readEnvironment(flags.environment, faults)
  refuseFaults(faults, 'Nothing was read')
  const { config, app } = scopeOf(context, flags.app, environment)
  const { output } = context
  const interruption = context.interruption()
  let count = 0
  let lost = 0
  let fault: unknown
  try {
    for await (const { token, at } of openFeedback(config, app, environment, interruption.signal)) {
      count++
      const since = new Date(at * 1000).toISOString()
      await (output.json ? output.printJson({ token, at: since }) : output.print(`${token}  ${since}`))
      if (output.stdoutGone) lost++
    }
  } catch (error) {
    fault = error
  }
  output.note(`${formatCount(count, 'device')} read. Apple hands each out only once: keep this output.`)
  if (interruption.exitCode !== undefined) return interruption.exitCode
  if (fault !== undefined) {
    output.fail(fault)
    return exitCodeOf(fault)
  }
  if (lost === 0) return EXIT.done
  output.note(`${formatCount(lost)} of them could not be printed, because whoever read stdout had left.`)
  return EXIT.notAll
}
