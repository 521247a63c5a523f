import { Command } from '@commander-js/extra-typings'

import type { Context, Run } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-code.ts'
import { showExamples } from '../help.ts'

/** `lhspn config`: every key with its value and where that came from. */
export function configCommand(run: Run) {
  const command = new Command('config').action(() => run(showConfig))
  showExamples(command, [
    ['lhspn config', 'every key, its value and origin'],
    ['lhspn config --config /etc/lhspn/lhspn.toml', 'of another file'],
    ['lhspn config --json | jq -r "select(.origin != \\"default\\")"', 'only what somebody set'],
  ])
  return command
}

async function showConfig(context: Context): Promise<ExitCode> {
  const { loadConfig } = await import('@lhspn/service')
  const { file, settings } = loadConfig(context.configFile, {
    variables: context.variables,
    flags: context.configFlags,
  })
  const { output } = context
  if (output.json) {
    await output.printJson(...settings)
  } else {
    output.note(file === undefined ? 'No configuration file.' : `Configuration file: ${file}`)
    const rows = settings.map(({ key, value, origin, from }) => [
      key,
      String(value),
      from === undefined || origin === 'file' ? origin : `${origin} ${from}`,
    ])
    await output.printTable([['key', 'value', 'origin'], ...rows])
  }
  return EXIT.done
}
