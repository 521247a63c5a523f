import { Command } from '@commander-js/extra-typings'

import type { Context, Run } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-code.ts'
import { showExamples } from '../help.ts'
import type { SendFlags } from '../send/request.ts'

/** `lhspn send`: one content to any number of device tokens, followed to its end. */
export function sendCommand(run: Run) {
  const command = new Command('send')
    .argument('[TEXT]', 'what the alert says')
    .option('--to <TOKEN>', 'a device token; repeatable; - reads one a line from stdin', collect)
    .option('--title <TEXT>', 'title of the alert')
    .option('--subtitle <TEXT>', 'subtitle of the alert')
    .option('--sound <NAME>', 'sound file in the app, or default')
    .option('--badge <N>', 'number on the icon; 0 removes it')
    .option('--thread-id <ID>', 'groups notifications on the device')
    .option('--category <ID>', 'names the actions that the app offers')
    .option('--data <K=V>', 'a key of your own beside aps; K:=V takes V as JSON; repeatable', collect)
    .option('--background', 'wakes the app and shows nothing')
    .option('--payload <FILE>', "Apple's JSON instead of the flags above; - is stdin")
    .option('--type <TYPE>', 'push type (default: alert, or background with --background)')
    .option('--priority <N>', '10 at once, 5 with regard to power (default: 10, background 5)')
    .option('--expiration <WHEN>', '24h, 0 for "now or never", or a time (default: 24h)')
    .option('--on-unconfirmed <POLICY>', 'report, or resend: at least once instead of at most once (default: report)')
    .option('--app <TOPIC>', 'which app; the only one may be left out')
    .option('--environment <NAME>', 'production or sandbox (default: production)')
    .option('--dry-run', 'check everything, send nothing, show what would be sent')
    .action((text, options) => run((context) => send(text, options, context)))
  showExamples(command, [
    ['lhspn send --to $TOKEN "Hello"', 'an alert to one device'],
    ['lhspn send --to - --title Sale "Starts now" < tokens.txt', 'to any number, one token a line'],
    ['lhspn send --to $TOKEN --payload push.json --dry-run', 'what would be sent'],
  ])
  return command
}

function collect(value: string, before: string[] = []): string[] {
  return [...before, value]
}

async function send(
  text: string | undefined,
  flags: SendFlags & { readonly dryRun?: true | undefined },
  context: Context,
): Promise<ExitCode> {
  const [{ readSendRequest }, { scopeOf }, { sendRequest }, { preview }] = await Promise.all([
    import('../send/request.ts'),
    import('../installation.ts'),
    import('../send/send-request.ts'),
    import('../send/preview.ts'),
  ])
  const request = await readSendRequest(text, flags, context.stdin, Date.now())
  const scope = scopeOf(context, flags.app, request.environment)
  const { output } = context
  for (const { flag = 'payload', pointer = '', detail } of request.warnings) {
    output.warn(`${flag}${pointer === '' ? '' : ` ${pointer}`}: ${detail}`)
  }
  if (request.duplicates > 0)
    output.note(`${request.duplicates} of the tokens are there more than once; each is sent to once.`)
  if (flags.dryRun !== true) return sendRequest(request, scope, context)
  await preview(request, scope, context)
  return EXIT.done
}
