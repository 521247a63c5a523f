import { type Config, createLogger, type Logger } from '@lhspn/service'

import type { Context } from './context.ts'

const WARN = 'warn'
const MOST_TOLD = 1000

/**
 * The log of a command that somebody runs and looks at: trouble becomes a note for people, each text once, for what is
 * tried goes on. What became of a push is no trouble: its command tells it in the end. The lines themselves appear where they were asked for, with `--verbose` or `log.level`.
 */
export function openLog({ log }: Pick<Config, 'log'>, { output }: Context): Logger {
  const isAskedFor = log.level === 'debug' || log.level === 'trace'
  const lines = isAskedFor ? createLogger({ ...log, isTerminal: output.stderrIsTerminal }) : undefined
  const told = new Set<string>()
  return createLogger({
    level: isAskedFor ? log.level : WARN,
    format: 'json',
    isTerminal: false,
    stream: {
      write(line) {
        const { level, time: _, msg, ...fields } = JSON.parse(line) as Line
        if ((level === WARN || level === 'error') && !('push' in fields)) {
          const text = fields.err?.message ?? msg
          if (!told.has(text) && told.size < MOST_TOLD) output.note(`${text}. Trying on.`)
          told.add(text)
        }
        lines?.[level](fields, msg)
      },
    },
  })
}

/** A line as the logger writes it. */
interface Line {
  readonly level: 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal'
  readonly time: string
  readonly msg: string
  readonly err?: { readonly message: string }
}
