import { Command } from '@commander-js/extra-typings'

import type { Context, Run } from '../context.ts'
import type { ExitCode } from '../exit-code.ts'
import { showExamples } from '../help.ts'

/** `lhspn serve`: the HTTP API, until a signal ends it. */
export function serveCommand(run: Run) {
  const command = new Command('serve').action(() =>
    run(async (context: Context): Promise<ExitCode> => {
      const { serve } = await import('../serve.ts')
      return serve(context)
    }),
  )
  showExamples(command, [
    ['lhspn serve', 'at server.listen; health at ops.listen'],
    ['lhspn serve --verbose', 'logs each request too'],
    ['lhspn serve --config /etc/lhspn/lhspn.toml', 'of another installation'],
  ])
  return command
}
