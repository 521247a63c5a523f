import { RECORD_COLUMNS, toCsv, toRecordBody } from '@lhspn/api'
import { type NotificationRecord, SETTLED_KINDS, type SettledKind } from '@lhspn/dispatcher'
import { didYouMean } from '@lhspn/service'

import type { Context } from '../context.ts'
import { type InputFault, refuseFaults } from '../errors.ts'
import { EXIT, type ExitCode } from '../exit-code.ts'
import { configOf } from '../installation.ts'
import { withService } from '../opened-service.ts'
import type { Output } from '../output.ts'
import { ON_TERMINAL, pagesOf } from './pages.ts'

/** The flags of `pushes notifications` as they were typed. */
interface NotificationFlags {
  readonly outcome?: string | undefined
  readonly reason?: string | undefined
  readonly csv?: true | undefined
}

/**
 * Tells what became of each notification of a push, as far as it has settled, in the order of the audience.
 * @throws DispatcherError `unknown-push`; DatabaseError
 */
export function listNotifications(id: string, flags: NotificationFlags, context: Context): Promise<ExitCode> {
  const { output } = context
  const { reason } = flags
  const outcome = readFlags(flags, output)
  return withService(configOf(context), context, async ({ dispatcher }, { signal }) => {
    const isShort = output.stdoutIsTerminal && !output.json && flags.csv !== true
    const writer = output.json ? writeJson : flags.csv === true ? writeCsv : writeRows
    let count = 0
    let isMore = false
    const pages = pagesOf((paging) => dispatcher.notifications(id, { outcome, reason, ...paging }), isShort, signal)
    for await (const { data, nextCursor } of pages) {
      await writer(data, count === 0, output)
      count += data.length
      isMore = nextCursor !== null
      if (output.stdoutGone) return EXIT.done
    }
    if (count === 0) output.note('No notification matches, or not yet.')
    else if (isShort && isMore)
      output.note(`The first ${ON_TERMINAL} are shown; a pipe, --json or --csv has all of them.`)
    return EXIT.done
  })
}

function readFlags({ outcome: text, csv }: NotificationFlags, output: Output): SettledKind | undefined {
  const faults: InputFault[] = []
  const outcome = SETTLED_KINDS.find((name) => name === text)
  if (text !== undefined && outcome === undefined) {
    const detail = `must be one of ${SETTLED_KINDS.join(', ')}, not "${text}"${didYouMean(text, SETTLED_KINDS)}`
    faults.push({ flag: '--outcome', detail })
  }
  if (csv === true && output.json) faults.push({ flag: '--csv', detail: 'cannot stand beside --json' })
  refuseFaults(faults, 'Nothing was listed')
  return outcome
}

type Write = (records: readonly NotificationRecord[], isFirst: boolean, output: Output) => Promise<void>

const writeJson: Write = async (records, _, output) => output.printJson(...records.map(toRecordBody))

const writeCsv: Write = async (records, isFirst, output) => {
  if (isFirst) await output.print(Object.keys(RECORD_COLUMNS).join(','))
  const text = toCsv(records.map(toRecordBody), RECORD_COLUMNS)
  if (text !== '') await output.print(text.replace(/\n$/, ''))
}

const writeRows: Write = async (records, isFirst, output) => {
  if (isFirst && records.length > 0) await output.print(output.paint('dim', row('token', 'outcome', 'reason')))
  await output.print(...records.map(({ token, outcome, reason = '' }) => row(token, outcome ?? 'remaining', reason)))
}

function row(token: string, outcome: string, reason: string): string {
  return `${token.padEnd(64)}  ${outcome.padEnd(12)}  ${reason}`.trimEnd()
}
