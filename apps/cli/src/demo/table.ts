import { alignColumns, formatCount } from '../output.ts'
import type { Figures } from './figures.ts'
import type { PushPlan } from './plan.ts'

/** The figures of a push for people: what we count beside what the simulator counts. */
export function tableOf(figures: Figures, { rejected, cut }: PushPlan): string[] {
  const { answers } = figures
  const count = formatCount
  const lost = cut === undefined ? '' : ': in flight when the connection was cut'
  const rows = [
    ['', 'we count', 'the simulator counts'],
    ['accepted', count(figures.accepted), `${count(figures.acceptedTakenOnce)} of them taken, each once`],
    ['rejected', count(figures.rejected), `${count(answers['8'] ?? 0)} refused, as scripted (${rejected.size})`],
    ['unconfirmed', count(figures.unconfirmed), `${count(figures.unconfirmedTaken)} of them taken${lost}`],
    ['unsent', count(figures.unsent), ''],
    ['together', count(figures.sent), `${count(figures.taken)} taken in all`],
  ]
  const way = [
    `${answers['10'] ?? 0} shutdown, ${answers['1'] ?? 0} processing error, ${cut === undefined ? 0 : 1} cut`,
    `${count(figures.discarded)} frames thrown away behind a fault, all made good`,
    count(figures.connections, 'connection'),
  ]
  return [...alignColumns(rows).map((line) => `      ${line}`), `      on the way: ${way.join('; ')}`]
}
