// Claim: a million notifications stream through the public `send` past 100 rejections and a shutdown; every outcome is
// true, the gateway took exactly the others, once each, and the sender's process, on V8's own settings, never has more
// than 150 MB resident.
// Options: --notifications N (default 1,000,000) · --seed N (default 1; which ones are rejected) · --bounded-heap: a
// sender that kept anything of the stream would run out of memory · --from-sources: the sender is not built before
import { parseArgs } from 'node:util'

import { Child } from './child.ts'
import { type MillionJob, randomIndexes, type SenderFacts, type SenderQuestion } from './million-job.ts'
import type { SimulatorFacts, SimulatorQuestion } from './million-job.ts'

const REJECTIONS = 100
const MOST_RSS = 150e6
/** MB. */
const HEAP_BOUNDS = ['--max-old-space-size=64', '--max-semi-space-size=8']

const { values } = parseArgs({
  options: {
    notifications: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: '1' },
    'bounded-heap': { type: 'boolean', default: false },
    'from-sources': { type: 'boolean', default: false },
  },
})
const flags = values['bounded-heap'] ? HEAP_BOUNDS : []
/** Built it is what a user installs; the loader that runs sources takes 15 to 25 MB. */
const program = values['from-sources'] ? 'million-sender.ts' : 'dist/million-sender.js'
const job = planJob(Number(values.notifications), Number(values.seed))

const simulator = new Child<SimulatorQuestion, SimulatorFacts>('million-simulator.ts')
const sender = new Child<SenderQuestion, SenderFacts>(program, { flags })
const { gateway, certificates } = await simulator.ask({ kind: 'start', job })
const sent = await sender.ask({ gateway, certificates, notifications: job.notifications })
const seen = await simulator.ask({ kind: 'tell' })
await Promise.all([sender.stop(), simulator.stop()])

const count = (value: number) => value.toLocaleString('en')
const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`
const wrong = findFaults()
console.log(
  [`${count(job.notifications)} notifications`, `seed ${values.seed}`, `Node ${process.version}`, ...flags].join(' · '),
)
console.log(`sender     ${count(sent.accepted)} accepted, ${count(sent.notAccepted.length)} not`)
const verdicts = Object.entries(seen.counts).map(([verdict, times]) => `${count(times)} ${verdict}`)
const answers = seen.answers.map(([status, times]) => `${times} × status ${status}`)
console.log(`simulator  ${verdicts.join(', ')}`)
console.log(`           ${seen.connections} connections; answers: ${answers.join(', ')}`)
console.log(
  `memory     ${megabytes(sent.rssPeak)} peak RSS of the sender's process; before: ${megabytes(sent.rssBefore)}`,
)
console.log(`time       ${sent.seconds.toFixed(1)} s, ${sent.cpuSeconds.toFixed(1)} s of CPU in the sender's process`)
for (const fault of wrong.slice(0, 20)) console.log(`WRONG      ${fault}`)
if (wrong.length > 20) console.log(`WRONG      ${count(wrong.length)} faults in all`)
if (wrong.length === 0) console.log('right      every outcome is what the simulator did, and it took none twice')
process.exitCode = wrong.length === 0 ? 0 : 1

/** Rejections and the shutdown at random places. */
function planJob(notifications: number, seed: number): MillionJob {
  const [shutdown, ...rejected] = randomIndexes(REJECTIONS + 1, notifications, seed) as [number, ...number[]]
  return { notifications, shutdown, rejected: rejected.toSorted((a, b) => a - b) }
}

/** Compares plan, outcomes and what the simulator took, notification by notification. */
function findFaults(): string[] {
  const planned = new Set(job.rejected)
  const outcomes = new Map(sent.notAccepted.map((outcome) => [outcome.index, outcome]))
  const taken = new Map(seen.takenOtherwise)
  const faults = sent.notOnce.map((index) => `notification ${index} had no outcome, or more than one`)
  for (const index of new Set([...planned, ...outcomes.keys(), ...taken.keys()])) {
    const { kind = 'accepted', reason } = outcomes.get(index) ?? {}
    const times = taken.get(index) ?? 1
    const due = planned.has(index)
      ? { kind: 'rejected', reason: 'InvalidToken', times: 0 }
      : { kind: 'accepted', times: 1 }
    if (kind === due.kind && reason === due.reason && times === due.times) continue
    faults.push(`notification ${index} came out ${kind} (${reason ?? 'no reason'}) and was taken ${times} times`)
  }
  const due = job.notifications - job.rejected.length
  if (sent.accepted !== due) faults.push(`the sender counts ${sent.accepted} accepted, due are ${due}`)
  if (seen.accepted !== due) faults.push(`the simulator counts ${seen.accepted} taken, due are ${due}`)
  const answered = new Map(seen.answers)
  if (answered.get(8) !== REJECTIONS) faults.push(`status 8 was answered ${answered.get(8) ?? 0} times`)
  if (answered.get(10) !== 1) faults.push(`status 10 was answered ${answered.get(10) ?? 0} times`)
  if (sent.rssPeak > MOST_RSS) faults.push(`peak RSS is above ${megabytes(MOST_RSS)}`)
  return faults
}
