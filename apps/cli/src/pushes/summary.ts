import { kindOfReason, SETTLED_KINDS, type StoredPush } from '@lhspn/dispatcher'

import { alignColumns, formatCount } from '../output.ts'

/** What the dispatcher calls reasons that it has no name for. */
const UNNAMED = 'Other'

/** A push for people: how far it is, what became of its notifications with every reason, and where to read about that. */
export function summaryOf(push: StoredPush): readonly string[] {
  const { counts, reasons } = push
  const rows = SETTLED_KINDS.flatMap((kind) => {
    const [first = [], ...others] = reasonCells(reasons, (reason) => kindOfReason(reason) === kind)
    return [[`  ${kind}`, formatCount(counts[kind]), ...first], ...others.map((cells) => ['', '', ...cells])]
  })
  const elsewhere = reasonCells(reasons, (reason) => kindOfReason(reason) === undefined)
  rows.push(...elsewhere.map((cells) => ['', '', ...cells]))
  if (counts.remaining > 0) rows.push(['  remaining', formatCount(counts.remaining)])
  return [headOf(push), ...alignColumns(rows)]
}

/** Where to look next; undefined where everything was accepted, or nothing is known yet. */
export function nextOf({ id, counts }: StoredPush): string | undefined {
  const kind = SETTLED_KINDS.find((name) => name !== 'accepted' && counts[name] > 0)
  return kind === undefined ? undefined : `Next: lhspn pushes notifications ${id} --outcome ${kind}`
}

/** `612 / 1,000  5,830/s`; with `+` while the audience is still read. */
export function progressOf(push: StoredPush): string {
  const { planned, remaining } = push.counts
  const settled = planned - remaining
  const perSecond = rateOf(push, settled)
  const rate = perSecond === undefined ? '' : `  ${formatCount(perSecond)}/s`
  return `${formatCount(settled)} / ${formatCount(planned)}${push.planning ? '+' : ''}${rate}`
}

/** `paused (credentials)`, `scheduled for 2030-01-31T12:00:00.000Z`, `completed`. */
export function stateOf({ state, pausedBecause, sendAt }: StoredPush): string {
  if (state === 'paused') return `paused (${pausedBecause})`
  return state === 'scheduled' && sendAt !== null ? `scheduled for ${sendAt.toISOString()}` : state
}

function headOf(push: StoredPush): string {
  const { id, app, environment, state, counts } = push
  const isAudience = !('tokens' in push.audience)
  const count = formatCount(counts.planned, isAudience ? 'device' : 'notification')
  const parts = [id, count, app, environment, progressOf(push), ...(state === 'completed' ? [] : [stateOf(push)])]
  return parts.join('  ')
}

/** Notifications a second since it began; undefined where it stands still or has not begun. */
function rateOf({ state, startedAt, completedAt }: StoredPush, settled: number): number | undefined {
  const end = completedAt?.getTime() ?? (state === 'running' ? Date.now() : undefined)
  if (startedAt === null || end === undefined) return undefined
  return Math.round(settled / Math.max(0.001, (end - startedAt.getTime()) / 1000))
}

/** The most frequent first. */
function reasonCells(
  reasons: StoredPush['reasons'],
  isMeant: (reason: string) => boolean,
): readonly (readonly string[])[] {
  return Object.entries(reasons)
    .filter(([reason]) => isMeant(reason))
    .toSorted(([, one], [, other]) => other - one)
    .map(([reason, count]) => [
      `${reason} ${formatCount(count)}`,
      ...(reason === UNNAMED ? [] : [`lhspn explain ${reason}`]),
    ])
}
