import { Command } from '@commander-js/extra-typings'
import type { Check, Verdict } from '@lhspn/service'

import type { Context, Run } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-code.ts'
import { showExamples } from '../help.ts'
import type { Output } from '../output.ts'

/** `lhspn doctor`: what works and what does not, and what to do. */
export function doctorCommand(run: Run) {
  const command = new Command('doctor').action(() => run(examineAll))
  showExamples(command, [
    ['lhspn doctor', 'a line for each check; exit 5 if one fails'],
    ['lhspn doctor --config /etc/lhspn/lhspn.toml', 'of another installation'],
    ['lhspn doctor --json | jq "select(.verdict != \\"ok\\")"', 'what needs a look'],
  ])
  return command
}

async function examineAll(context: Context): Promise<ExitCode> {
  const [{ examine }, { configOf }] = await Promise.all([import('@lhspn/service'), import('../installation.ts')])
  const { output } = context
  const interruption = context.interruption()
  const counts: Record<Verdict, number> = { ok: 0, warn: 0, fail: 0 }
  try {
    for await (const check of examine(() => configOf(context), { signal: interruption.signal })) {
      counts[check.verdict]++
      await (output.json ? output.printJson(check) : print(check, output))
    }
  } catch (error) {
    if (interruption.exitCode === undefined) throw error
    return interruption.exitCode
  }
  output.note(`${counts.ok} ok, ${counts.warn} to look at, ${counts.fail} failed.`)
  if (interruption.exitCode !== undefined) return interruption.exitCode
  return counts.fail > 0 ? EXIT.configuration : EXIT.done
}

const COLOURS = { ok: 'dim', warn: 'yellow', fail: 'red' } as const satisfies Record<Verdict, string>

async function print({ check, verdict, found, remedy }: Check, output: Output): Promise<void> {
  const lines = remedy === undefined ? [] : remedy.split('\n').map((line) => `      ${line}`)
  await output.print(`${output.paint(COLOURS[verdict], verdict.padEnd(4))}  ${check}: ${found}`, ...lines)
}
