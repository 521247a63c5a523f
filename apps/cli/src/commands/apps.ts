import { Command } from '@commander-js/extra-typings'

import type { AddFlags } from '../apps/add.ts'
import type { Context, Run } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-code.ts'
import { showExamples } from '../help.ts'

/** `lhspn apps list` and `lhspn apps add TOPIC`. */
export function appsCommand(run: Run) {
  const command = new Command('apps')
  showExamples(command, [
    ['lhspn apps list', 'topics, gateways, expiry of certificates'],
    ['lhspn apps add com.example.app --certificate push.p12 --gateway push:2195', 'adds one'],
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
    .description('check a certificate and add its app to the configuration file')
    .argument('<TOPIC>', 'bundle id of the app')
    .option('--certificate <FILE>', 'certificate and key, .pem or .p12; serves the sandbox too')
    .option('--sandbox-certificate <FILE>', 'another one for the sandbox')
    .option('--passphrase-file <FILE>', 'file with the passphrase of both')
    .option('--gateway <HOST:PORT>', 'binary gateway')
    .option('--feedback <HOST:PORT>', 'feedback service')
    .option('--sandbox-gateway <HOST:PORT>', 'binary gateway of the sandbox')
    .option('--sandbox-feedback <HOST:PORT>', 'feedback service of the sandbox')
    .option('--ca <FILE>', "PEM of the authority to trust instead of the system's")
    .action((topic, options) => run((context) => add(topic, options, context)))
  showExamples(command, [
    ['lhspn apps add com.example.app --certificate push.pem --gateway push:2195', 'certificate and key in one file'],
    [
      'lhspn apps add com.example.app --certificate push.p12 --passphrase-file pass --gateway push:2195',
      'from a keychain',
    ],
    ['lhspn apps add com.example.app --certificate push.pem --sandbox-gateway push:3195', 'sandbox only'],
  ])
  return command
}

async function add(topic: string, flags: AddFlags, context: Context): Promise<ExitCode> {
  const { addApp } = await import('../apps/add.ts')
  return addApp(topic, flags, context)
}

async function listApps(context: Context): Promise<ExitCode> {
  const [{ describeApp }, { configOf }, { rowsOf }] = await Promise.all([
    import('@lhspn/service'),
    import('../installation.ts'),
    import('../apps/description.ts'),
  ])
  const { output } = context
  const descriptions = await Promise.all(configOf(context).apps.map(describeApp))
  if (output.json) await output.printJson(...descriptions)
  else if (descriptions.length > 0) {
    await output.printTable([
      ['topic', 'environment', 'gateway', 'feedback', 'certificate'],
      ...descriptions.flatMap(rowsOf),
    ])
  } else output.note('No app is configured. Next: lhspn apps add TOPIC')
  return EXIT.done
}
