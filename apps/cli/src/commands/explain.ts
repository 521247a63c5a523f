import { Command } from '@commander-js/extra-typings'

import type { Context, Run } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-code.ts'
import type { Explanation } from '../explanation.ts'
import { showExamples } from '../help.ts'

/** `lhspn explain THING`: what a reason means, whom it is about, what to do. */
export function explainCommand(run: Run) {
  const command = new Command('explain')
    .argument('<THING>', "a reason of Apple's or of our own, or a status of the binary gateway by its number")
    .action((thing) => run((context) => explain(thing, context)))
  showExamples(command, [
    ['lhspn explain BadDeviceToken', 'a reason of the provider API'],
    ['lhspn explain 8', 'a status of the binary gateway'],
    ['lhspn explain ConnectionLost', 'a reason of our own'],
  ])
  return command
}

async function explain(thing: string, { output }: Context): Promise<ExitCode> {
  const { explanationsOf } = await import('../explanation.ts')
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
