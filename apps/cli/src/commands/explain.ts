import { Command } from '@commander-js/extra-typings'
import { ERROR_STATUSES, isErrorStatus } from '@lhspn/apns-protocol'

import type { Context, Run } from '../context.ts'
import { CommandError } from '../errors.ts'
import { EXIT, type ExitCode } from '../exit-code.ts'
import { showExamples } from '../help.ts'

/** `lhspn explain THING`: what a reason means, whom it is about, what to do. */
export function explainCommand(run: Run) {
  const command = new Command('explain')
    .argument('<THING>', 'a status of the gateway, by number or name, or a reason of our own')
    .action((thing) => run((context) => explain(thing, context)))
  showExamples(command, [
    ['lhspn explain 8', 'a status of the binary gateway'],
    ['lhspn explain InvalidToken', 'the same by its name'],
    ['lhspn explain ConnectionLost', 'a reason of our own'],
  ])
  return command
}

/** What is known of one reason. */
export interface Explanation {
  readonly reason: string
  /** The gateway's status; absent where the reason is our own. */
  readonly status?: number
  /** Whose fault it is (Apple's reasons), or the outcome that it comes with (our own). */
  readonly about: string
  readonly meaning: string
  readonly remedy: string
}

async function explain(thing: string, { output }: Context): Promise<ExitCode> {
  const explanation = await findExplanation(thing)
  if (output.json) {
    await output.printJson(explanation)
    return EXIT.done
  }
  const { reason, status, about, meaning, remedy } = explanation
  const origin =
    status === undefined
      ? `our own reason, with the outcome ${about}`
      : `status ${status} of the gateway, about the ${about}`
  await output.print(
    `${output.paint('bold', reason)}  ${origin}`,
    `  what it means  ${meaning}`,
    `  what to do     ${remedy}`,
  )
  return EXIT.done
}

/**
 * Looks a status or a reason up, whatever its case.
 * @throws CommandError `invalid-input` with the nearest name
 */
export async function findExplanation(thing: string): Promise<Explanation> {
  const { OWN_REASONS } = await import('@lhspn/sender')
  const known: Explanation[] = [
    ...Object.entries(ERROR_STATUSES).map(([status, { name, about, meaning, remedy }]) => ({
      reason: name,
      status: Number(status),
      about,
      meaning,
      remedy,
    })),
    ...Object.entries(OWN_REASONS).map(([reason, { kind, meaning, remedy }]) => ({
      reason,
      about: kind,
      meaning,
      remedy,
    })),
  ]
  if (/^\d+$/.test(thing)) {
    const status = Number(thing)
    const found = known.find((explanation) => explanation.status === status)
    if (found !== undefined && isErrorStatus(status)) return found
    throw unknown(`There is no gateway status ${thing}`, `Statuses: ${Object.keys(ERROR_STATUSES).join(', ')}.`)
  }
  const found = known.find(({ reason }) => reason.toLowerCase() === thing.toLowerCase())
  if (found !== undefined) return found
  const { didYouMean } = await import('@lhspn/service')
  const reasons = known.map(({ reason }) => reason)
  throw unknown(`There is no reason ${thing}${didYouMean(thing, reasons)}`, `Reasons: ${reasons.join(', ')}.`)
}

function unknown(message: string, remedy: string): CommandError {
  return new CommandError('invalid-input', message, remedy, { faults: [{ flag: 'THING', detail: message }] })
}
