import { Command } from '@commander-js/extra-typings'

import type { Context, Run } from '../context.ts'
import type { ExitCode } from '../exit-code.ts'
import { showExamples } from '../help.ts'

/** `lhspn work`: delivers pushes, until a signal ends it. */
export function workCommand(run: Run) {
  const command = new Command('work').action(() =>
    run(async (context: Context): Promise<ExitCode> => {
      const { work } = await import('../work.ts')
      return work(context)
    }),
  )
  showExamples(command, [
    ['lhspn work', 'beside `lhspn serve`, on this machine or another one'],
    ['lhspn work --verbose', 'logs connections too'],
    ['lhspn work --config /etc/lhspn/lhspn.toml', 'of another installation'],
  ])
  return command
}
