import { Command } from '@commander-js/extra-typings'

import type { Context, Run } from '../context.ts'
import type { InputFault } from '../errors.ts'
import type { ExitCode } from '../exit-code.ts'
import { collect } from '../flags.ts'
import { showExamples } from '../help.ts'
import type { SendFlags } from '../send/request.ts'

/** `lhspn send`: one content to device tokens or to devices of the registry, followed to its end. */
export function sendCommand(run: Run) {
  const command = new Command('send')
    .argument('[TEXT]', 'what the alert says')
    .option('--to <TOKEN>', 'a device token; repeatable; - reads one a line from stdin', collect)
    .option('--all', 'every device of the app and environment')
    .option('--where <K=V>', 'devices with all of these attributes; K:=V takes V as JSON; repeatable', collect)
    .option('--any <K=V>', 'devices with at least one of these attributes; repeatable', collect)
    .option('--not <K=V>', 'devices with none of these attributes; repeatable', collect)
    .option('--filter <JSON>', 'any nesting of pairs, any, all and not, instead of those three')
    .option('--max-audience <N>', 'send nothing if there are more devices; due where nobody can confirm the count')
    .option('--title <TEXT>', 'title of the alert')
    .option('--subtitle <TEXT>', 'subtitle of the alert')
    .option('--sound <NAME>', 'sound file in the app, or default')
    .option('--badge <N>', 'number on the icon, 0 removes it; or increment, one up on each device')
    .option('--thread-id <ID>', 'groups notifications on the device')
    .option('--category <ID>', 'names the actions that the app offers')
    .option('--data <K=V>', 'a key of your own beside aps; K:=V takes V as JSON; repeatable', collect)
    .option('--background', 'wakes the app and shows nothing')
    .option('--payload <FILE>', "Apple's JSON instead of the flags above; - is stdin")
    .option('--type <TYPE>', 'one of the eleven push types (default: alert, or background with --background)')
    .option('--priority <N>', '10 at once, 5 with regard to power, 1 power first (default: 10, background 5)')
    .option('--expiration <WHEN>', '24h, 0 for "now or never", or a time (default: 24h)')
    .option('--collapse-id <ID>', 'notifications with the same one replace each other on the device')
    .option('--on-unconfirmed <POLICY>', 'report, or resend: at least once instead of at most once (default: report)')
    .option('--at <TIME>', 'when it begins: a time, or +10m (default: at once)')
    .option('--rate <N>', 'notifications a second at most (default: as fast as it goes)')
    .option('--idempotency-key <KEY>', 'with the same one and the same content within 24 h it is the same push')
    .option('--detach', 'store it, and leave its delivery to `lhspn serve` or `lhspn work`')
    .option('--app <TOPIC>', 'which app; the only one may be left out')
    .option('--environment <NAME>', 'production or sandbox (default: production)')
    .option('--dry-run', 'check everything, send nothing, show what would be sent')
    .action((text, options) => run((context) => send(text, options, context)))
  showExamples(command, [
    ['lhspn send --to $TOKEN "Hello"', 'an alert to one device'],
    ['lhspn send --where plan=pro --title Sale "Starts now"', 'to the devices that match'],
    ['lhspn send --all --payload push.json --dry-run', 'how many, and what would be sent'],
  ])
  return command
}

async function send(text: string | undefined, flags: SendFlags, context: Context): Promise<ExitCode> {
  const [{ readSendRequest }, { readEnvironment, scopeOf }, { sendRequest }, { preview }, { mayAsk }, { interfaceOf }] =
    await Promise.all([
      import('../send/request.ts'),
      import('../installation.ts'),
      import('../send/send-request.ts'),
      import('../send/preview.ts'),
      import('../confirmation.ts'),
      import('@lhspn/service'),
    ])
  const faults: InputFault[] = []
  const environment = readEnvironment(flags.environment, faults)
  const scope = scopeOf(context, flags.app, environment)
  const { output, stdin } = context
  // an app that cannot be reached there is told so later on, by whoever would send to it
  const over = interfaceOf(scope.app, environment) ?? 'provider-api'
  const circumstances = {
    app: scope.app.topic,
    environment,
    interface: over,
    stdin,
    now: Date.now(),
    mayAsk: mayAsk(context),
  }
  const request = await readSendRequest(text, flags, circumstances, faults)
  for (const { flag = 'payload', pointer = '', detail } of request.warnings) {
    output.warn(`${flag}${pointer === '' ? '' : ` ${pointer}`}: ${detail}`)
  }
  if (request.duplicates > 0)
    output.note(`${request.duplicates} of the tokens are there more than once; each is sent to once.`)
  return flags.dryRun === true ? preview(request, scope, context) : sendRequest(request, scope, context)
}
