import { Command } from '@commander-js/extra-typings'

import type { Context, Run } from '../context.ts'
import type { ExitCode } from '../exit-code.ts'
import { showExamples } from '../help.ts'

/** `lhspn init`: a configuration to start from, a database, and the first admin key. */
export function initCommand(run: Run) {
  const command = new Command('init').action(() =>
    run(async (context: Context): Promise<ExitCode> => {
      const { init } = await import('../init/init.ts')
      return init(context)
    }),
  )
  showExamples(command, [
    ['lhspn init', 'writes ./lhspn.toml, makes ./lhspn.db, prints an admin key'],
    ['lhspn init --config /etc/lhspn/lhspn.toml', 'writes it there, with the database beside it'],
    ['lhspn init --json | jq -r .key', 'the admin key for a program; LHSPN_DATABASE_URL names another database'],
  ])
  return command
}
