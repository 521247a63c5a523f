import { Command } from '@commander-js/extra-typings'

import type { Context, Run } from '../context.ts'
import { showExamples } from '../help.ts'

/** `lhspn demo`: the main job, shown with a simulated Apple; every figure is counted. */
export function demoCommand(run: Run) {
  const command = new Command('demo').action(() =>
    run(async (context: Context) => {
      const { runDemo } = await import('../demo/demo.ts')
      return runDemo(context)
    }),
  )
  showExamples(command, [
    ['lhspn demo', 'shows it, then stays up on a terminal to try more'],
    ['lhspn demo --no-input', 'ends after the last step'],
    ['lhspn demo --json', 'every figure for programs'],
  ])
  return command
}
