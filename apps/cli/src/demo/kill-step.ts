import { formatCount } from '../output.ts'
import { must, refuseWrong, watchJournal } from './figures.ts'
import type { Stage } from './stage.ts'

const ENVIRONMENT = 'production'
/** Notifications a second: slow enough to be killed in the middle. */
const RATE = 400
/** What the killed process had taken is free again after this. */
const VARIABLES = { LHSPN_DISPATCHER_LEASE: '3s' }

/** Kills the only dispatcher in the middle of a push to all; another one finds in the database what is left. */
export async function showKill(stage: Stage): Promise<void> {
  const { service, simulator, signal } = stage.parts
  const { dispatcher } = service
  const tokens = await stage.audience(ENVIRONMENT)
  // from here on only other processes deliver
  await service.drain()
  simulator.script({})
  const look = watchJournal(simulator.journal)
  const already = simulator.journal.accepted
  const flags = ['--all', '--max-audience', String(tokens.length), '--rate', String(RATE)]
  const killed = stage.start(['send', ...flags, 'Starts now'], VARIABLES)
  const half = Math.floor(tokens.length / 2)
  await stage.until(
    simulator.journal.waitFor(({ accepted }) => accepted - already >= half),
    killed.ended(),
  )
  await killed.end('SIGKILL')
  const taken = look().accepted
  const { data } = await dispatcher.list({ limit: 1 })
  const [left] = data
  stage.start(['work'])
  const { id, counts } = left === undefined ? { id: '', counts: undefined } : await stage.follow(left.id)
  signal.throwIfAborted()
  const seen = look()
  const lost = tokens.filter((token) => seen.acceptedTimes(token) === 0).length
  const twice = tokens.filter((token) => seen.acceptedTimes(token) > 1).length
  await stage.tell({ step: 5, push: id, devices: tokens.length, taken, counts, lost, twice }, [
    `  5 killed the dispatcher in the middle of a push to all, ${formatCount(taken)} of ${formatCount(tokens.length)} taken; started it again`,
    `      ${formatCount(lost)} lost, ${formatCount(twice)} twice: in flight at the kill, or settled after the last checkpoint`,
  ])
  refuseWrong([
    must((left?.counts.remaining ?? 0) > 0 ? 1 : 0, 1, 'pushes with something left when their dispatcher was killed'),
    must(counts?.planned ?? 0, tokens.length, 'planned notifications'),
    must(counts?.accepted ?? 0, tokens.length, 'accepted notifications'),
    must(lost, 0, 'notifications lost'),
    must(seen.accepted, tokens.length + twice, 'notifications that the simulator took'),
    must(seen.violations, 0, 'requests that were not in order'),
  ])
}
