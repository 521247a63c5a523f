import { createInterface } from 'node:readline'

import type { Context } from './context.ts'
import { CommandError } from './errors.ts'

/** Whether somebody is there to answer: a prompt needs a terminal on both sides, and `--json` has no place for one. */
export function mayAsk({ output, unattended }: Context): boolean {
  return !unattended && output.stderrIsTerminal && !output.json
}

/**
 * Asks to type a count, so that nobody sends to more than they think.
 * @param what `12,408 devices of com.example.app, production`
 * @throws CommandError `invalid-input` where something else is typed; the reason of `signal` when that is aborted
 */
export async function confirmCount(count: number, what: string, context: Context, signal: AbortSignal): Promise<void> {
  context.output.prompt(`${what}. Type the count to send: `)
  const typed = await readLine(context, signal)
  signal.throwIfAborted()
  if (typed !== undefined && /^[\d,. ']+$/.test(typed) && Number(typed.replaceAll(/\D/g, '')) === count) return
  const message = `The count is ${count}, not ${typed === undefined ? 'nothing' : JSON.stringify(typed)}: nothing was sent`
  throw new CommandError('invalid-input', message, 'Type the count as it is shown, or look at the audience again.')
}

async function readLine({ stdin }: Context, signal: AbortSignal): Promise<string | undefined> {
  const lines = createInterface({ input: stdin, terminal: false })
  const close = (): void => lines.close()
  signal.addEventListener('abort', close)
  try {
    return await new Promise((resolve) => {
      lines.once('line', resolve)
      lines.once('close', () => resolve(undefined))
    })
  } finally {
    signal.removeEventListener('abort', close)
    lines.close()
  }
}
