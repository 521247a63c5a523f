import { Command } from '@commander-js/extra-typings'

import type { Context, Run } from '../context.ts'
import type { ExitCode } from '../exit-code.ts'
import { showExamples } from '../help.ts'
import type { MigrateFlags } from '../migrate/legacy-import.ts'

/** `lhspn migrate`: the schema of the database, and the import of a table of LHSPNservice. */
export function migrateCommand(run: Run) {
  const command = new Command('migrate')
    .option('--status', 'show what is there and what is due; change nothing')
    .option('--legacy <URL>', 'import a table of LHSPNservice: mysql://USER@HOST/DATABASE; it is only read')
    .option('--legacy-password-file <FILE>', 'file with the password of its user')
    .option('--app <TOPIC>', 'whose devices those are; the only app may be left out')
    .option('--table <NAME>', 'name of that table (default: LHSPNservice_devices)')
    .action((options) => run((context) => migrate(options, context)))
  showExamples(command, [
    ['lhspn migrate', 'brings the schema up to date'],
    ['lhspn migrate --status', 'what is there and what is due'],
    ['lhspn migrate --legacy mysql://user@host/db --app com.example.app', 'takes over the devices of LHSPNservice'],
  ])
  return command
}

async function migrate(flags: MigrateFlags, context: Context): Promise<ExitCode> {
  const [{ readMigrateFlags, importLegacyTable }, { showStatus, updateSchema }] = await Promise.all([
    import('../migrate/legacy-import.ts'),
    import('../migrate/schema.ts'),
  ])
  const legacy = await readMigrateFlags(flags)
  if (flags.status === true) return showStatus(context)
  return legacy === undefined ? updateSchema(context) : importLegacyTable(legacy, context)
}
