import { Command } from '@commander-js/extra-typings'

import type { Context, Run } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-code.ts'
import type { Explanation } from '../explain/reasons.ts'
import { showExamples } from '../help.ts'

/** `lhspn explain THING`: of a reason what it means, of a device or a notification what became of it; and what to do. */
export function explainCommand(run: Run) {
  const command = new Command('explain')
    .argument('<THING>', 'a reason, a status of the binary gateway, a device token, or the id of a notification')
    .option('--app <TOPIC>', 'whose device token it is; the only app may be left out')
    .action((thing, { app }) => run((context) => explain(thing, app, context)))
  showExamples(command, [
    ['lhspn explain BadDeviceToken', 'a reason of the provider API'],
    ['lhspn explain 8', 'a status of the binary gateway'],
    ['lhspn explain $TOKEN', 'a device: whether it can be reached, and what was sent to it'],
  ])
  return command
}

async function explain(thing: string, app: string | undefined, context: Context): Promise<ExitCode> {
  const [{ isNotificationId, explainNotification }, { tokenIn, explainToken }] = await Promise.all([
    import('../explain/notification.ts'),
    import('../explain/token.ts'),
  ])
  if (isNotificationId(thing)) return explainNotification(thing, context)
  const token = tokenIn(thing)
  return token === undefined ? explainReason(thing, context) : explainToken(token, app, context)
}

async function explainReason(thing: string, { output }: Context): Promise<ExitCode> {
  const { explanationsOf } = await import('../explain/reasons.ts')
  const explanations = explanationsOf(thing)
  if (output.json) {
    await output.printJson(...explanations)
    return EXIT.done
  }
  for (const explanation of explanations) {
    const { reason, meaning, remedy } = explanation
    await output.print(
      `${output.paint('bold', reason)}  ${originOf(explanation)}`,
      `  what it means  ${meaning}`,
      `  what to do     ${remedy}`,
    )
  }
  return EXIT.done
}

const INTERFACES = { gateway: 'the gateway', 'provider-api': 'the provider API' } as const

function originOf({ interface: over, status, about }: Explanation): string {
  return over === undefined
    ? `our own reason, with the outcome ${about}`
    : `status ${status} of ${INTERFACES[over]}, about the ${about}`
}
