import { toPushBody } from '@lhspn/api'
import { PUSH_STATES, type PushState, type StoredPush } from '@lhspn/dispatcher'
import { didYouMean, findApp } from '@lhspn/service'

import type { Context } from '../context.ts'
import { type InputFault, refuseFaults } from '../errors.ts'
import { EXIT, type ExitCode } from '../exit-code.ts'
import { configOf } from '../installation.ts'
import { withService } from '../opened-service.ts'
import { formatCount, type Output } from '../output.ts'
import { ON_TERMINAL, pagesOf } from './pages.ts'
import { stateOf } from './summary.ts'

/** The flags of `pushes list` as they were typed. */
interface ListFlags {
  readonly state?: string | undefined
  readonly app?: string | undefined
}

/** Lists pushes, newest first. */
export function listPushes(flags: ListFlags, context: Context): Promise<ExitCode> {
  const { output } = context
  const state = readState(flags.state)
  const config = configOf(context)
  const app = flags.app === undefined ? undefined : findApp(config, flags.app).topic
  return withService(config, context, async ({ dispatcher }, { signal }) => {
    const isShort = output.stdoutIsTerminal && !output.json
    let count = 0
    let isMore = false
    for await (const page of pagesOf((paging) => dispatcher.list({ state, app, ...paging }), isShort, signal)) {
      await (output.json
        ? output.printJson(...page.data.map(toPushBody))
        : writeRows(page.data, count === 0 && page.data.length > 0, output))
      count += page.data.length
      isMore = page.nextCursor !== null
      if (output.stdoutGone) return EXIT.done
    }
    if (count === 0) output.note('There is no such push.')
    else if (isShort && isMore) output.note(`The last ${ON_TERMINAL} are shown; a pipe or --json has all of them.`)
    return EXIT.done
  })
}

function readState(text: string | undefined): PushState | undefined {
  if (text === undefined) return undefined
  const state = PUSH_STATES.find((name) => name === text)
  const detail = `must be one of ${PUSH_STATES.join(', ')}, not "${text}"${didYouMean(text, PUSH_STATES)}`
  const faults: InputFault[] = state === undefined ? [{ flag: '--state', detail }] : []
  refuseFaults(faults, 'Nothing was listed')
  return state
}

/** Columns of a text whose end nobody knows while it begins: their widths are fixed. */
const WIDTHS = [30, 16, 11, 10, 10, 24]
const HEAD = ['id', 'created', 'environment', 'planned', 'accepted', 'app', 'state']

async function writeRows(pushes: readonly StoredPush[], isFirst: boolean, output: Output): Promise<void> {
  if (isFirst) await output.print(output.paint('dim', row(HEAD)))
  await output.print(...pushes.map((push) => row(cellsOf(push))))
}

function row(cells: readonly string[]): string {
  return cells
    .map((cell, at) => (at === 3 || at === 4 ? cell.padStart(WIDTHS[at] ?? 0) : cell.padEnd(WIDTHS[at] ?? 0)))
    .join('  ')
    .trimEnd()
}

function cellsOf(push: StoredPush): string[] {
  const { id, createdAt, environment, counts, app } = push
  const created = createdAt.toISOString().slice(0, 16).replace('T', ' ')
  return [id, created, environment, formatCount(counts.planned), formatCount(counts.accepted), app, stateOf(push)]
}
