import { alignColumns, formatCount } from '../output.ts'
import type { Figures } from './figures.ts'
import { type IncidentKind, INCIDENTS, type PushPlan, REJECTED_AS } from './plan.ts'

/** The figures of a push for people: what we count beside what the simulator counts. Outcomes without any are left out. */
export function tableOf(figures: Figures, { over, rejected, gone }: PushPlan): string[] {
  const { answers, incidents } = figures
  const count = formatCount
  const reason = REJECTED_AS[over]
  const lost = incidents.cut !== undefined ? ': in flight when the connection was cut' : ''
  const rows = [
    ['', 'we count', 'the simulator counts'],
    ['accepted', count(figures.accepted), `${count(figures.acceptedTakenOnce)} of them taken, each once`],
    [
      'rejected',
      count(figures.rejected),
      `${count(answers[reason] ?? 0)} with ${reason}, as scripted (${rejected.size})`,
    ],
    ['unregistered', count(figures.unregistered), `${count(answers['Unregistered'] ?? 0)}, as scripted (${gone.size})`],
    ['unconfirmed', count(figures.unconfirmed), `${count(figures.unconfirmedTaken)} of them taken${lost}`],
    ['remaining', count(figures.remaining), ''],
    ['together', count(figures.planned), `${count(figures.taken)} taken in all`],
  ]
  const shown = rows.filter(([, ours], at) => at <= 1 || at === rows.length - 1 || ours !== '0')
  const unit = over === 'gateway' ? 'frame' : 'request'
  const way = [
    ...Object.entries(incidents).map(([kind, times]) => `${times} ${INCIDENTS[kind as IncidentKind].name}`),
    ...(figures.discarded > 0 ? [`${count(figures.discarded, unit)} thrown away, all made good`] : []),
    count(figures.connections, 'new connection'),
  ]
  return [...alignColumns(shown).map((line) => `      ${line}`), `      on the way: ${way.join(', ')}`]
}
