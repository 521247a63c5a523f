import { Command } from '@commander-js/extra-typings'

import type { Context, Run } from '../context.ts'
import type { ExitCode } from '../exit-code.ts'
import { showExamples } from '../help.ts'

/** `lhspn serve`: the HTTP API and the delivery of pushes, until a signal ends it. */
export function serveCommand(run: Run) {
  const command = new Command('serve')
    .option('--no-dispatch', 'store pushes only, and leave their delivery to `lhspn work`')
    .action(({ dispatch }) =>
      run(async (context: Context): Promise<ExitCode> => {
        const { serve } = await import('../serve.ts')
        return serve(dispatch, context)
      }),
    )
  showExamples(command, [
    ['lhspn serve', 'at server.listen; health at ops.listen'],
    ['lhspn serve --no-dispatch', 'the API alone, beside `lhspn work`'],
    ['lhspn serve --config /etc/lhspn/lhspn.toml', 'of another installation'],
  ])
  return command
}
