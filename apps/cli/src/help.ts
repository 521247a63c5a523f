import type { CommandUnknownOpts } from '@commander-js/extra-typings'

/** What an example runs, and what for. */
export type Example = readonly [command: string, purpose: string]

/** Puts three examples at the head of a command's help: they are read before any list of flags. */
export function showExamples(command: CommandUnknownOpts, examples: readonly [Example, Example, Example]): void {
  const width = Math.max(...examples.map(([line]) => line.length))
  const lines = examples.map(([line, purpose]) => `  ${line.padEnd(width)}   ${purpose}`)
  command.addHelpText('before', `Examples:\n${lines.join('\n')}\n`)
}
