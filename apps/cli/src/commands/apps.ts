import { Command } from '@commander-js/extra-typings'

import type { AddFlags } from '../apps/add.ts'
import type { Context, Run } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-code.ts'
import { showExamples } from '../help.ts'

/** `lhspn apps list` and `lhspn apps add TOPIC`. */
export function appsCommand(run: Run) {
  const command = new Command('apps')
  showExamples(command, [
    ['lhspn apps list', 'topics, interfaces, keys, expiry of certificates'],
    ['lhspn apps add com.example.app --key AuthKey_ABC123DEFG.p8 --team DEF123GHIJ', 'adds one'],
    ['lhspn apps list --json', 'for programs'],
  ])
  command.addCommand(listCommand(run))
  command.addCommand(addCommand(run))
  return command
}

function listCommand(run: Run) {
  const command = new Command('list').description('list the apps that are configured').action(() => run(listApps))
  showExamples(command, [
    ['lhspn apps list', 'a row for each app and environment'],
    ['lhspn apps list --json | jq -r .topic', 'the topics'],
    ['lhspn apps list --config other.toml', 'of another configuration'],
  ])
  return command
}

function addCommand(run: Run) {
  const command = new Command('add')
    .description('check an app with its key or certificate, and add it to the configuration file')
    .argument('<TOPIC>', 'bundle id of the app')
    .option('--key <FILE>', 'signing key, AuthKey_<key id>.p8; serves the sandbox too')
    .option('--team <ID>', 'developer team that the key belongs to')
    .option('--key-id <ID>', 'id of the key, where the name of the file does not say it')
    .option('--sandbox-key <FILE>', 'another one for the sandbox')
    .option('--sandbox-key-id <ID>', 'its id')
    .option('--certificate <FILE>', 'instead of a key: certificate with its key, .pem or .p12; serves the sandbox too')
    .option('--sandbox-certificate <FILE>', 'another one for the sandbox')
    .option('--passphrase-file <FILE>', 'file with the passphrase of both')
    .option('--provider <HOST[:PORT]>', "another provider API than Apple's")
    .option('--sandbox-provider <HOST[:PORT]>', 'that of the sandbox')
    .option('--gateway <HOST:PORT>', 'binary gateway instead of the provider API')
    .option('--feedback <HOST:PORT>', 'its feedback service')
    .option('--sandbox-gateway <HOST:PORT>', 'binary gateway of the sandbox')
    .option('--sandbox-feedback <HOST:PORT>', 'feedback service of the sandbox')
    .option('--ca <FILE>', "PEM of the authority to trust instead of the system's")
    .action((topic, { team, ...options }) => run((context) => add(topic, { teamId: team, ...options }, context)))
  showExamples(command, [
    ['lhspn apps add com.example.app --key AuthKey_ABC123DEFG.p8 --team DEF123GHIJ', 'a signing key'],
    ['lhspn apps add com.example.app --certificate push.p12 --passphrase-file pass', 'a certificate from a keychain'],
    ['lhspn apps add com.example.app --certificate push.pem --gateway push:2195', 'at a binary gateway'],
  ])
  return command
}

async function add(topic: string, flags: AddFlags, context: Context): Promise<ExitCode> {
  const { addApp } = await import('../apps/add.ts')
  return addApp(topic, flags, context)
}

async function listApps(context: Context): Promise<ExitCode> {
  const [{ describeApp }, { configOf }, { APP_COLUMNS, rowsOf }] = await Promise.all([
    import('@lhspn/service'),
    import('../installation.ts'),
    import('../apps/description.ts'),
  ])
  const { output } = context
  const descriptions = await Promise.all(configOf(context).apps.map(describeApp))
  if (output.json) await output.printJson(...descriptions)
  else if (descriptions.length > 0) {
    await output.printTable([APP_COLUMNS, ...descriptions.flatMap(rowsOf)])
  } else output.note('No app is configured. Next: lhspn apps add TOPIC')
  return EXIT.done
}
