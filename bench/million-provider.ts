// Claim: a million notifications stream from an async generator through the provider API, past dead device tokens,
// refused streams and connections that end; every outcome is true, the server took exactly the others, once each, and the
// sender's process, on V8's own settings, never has more than 150 MB resident.
// Options: --notifications N (default 1,000,000) · --seed N (default 1; which ones meet trouble) · --from-sources: the
// sender is not built before
import { parseArgs } from 'node:util'

import { createCertificates } from '@lhspn/apns-simulator'

import { Child } from './child.ts'
import { randomIndexes, type SenderFacts } from './million-job.ts'
import type { SendingQuestion, ServerFacts, ServerQuestion, Troubles } from './million-provider-job.ts'
import { createSigningKey } from './signing-key.ts'

const [DEAD, REFUSED, LAST] = [100, 100, 3]
const MOST_RSS = 150e6

const { values } = parseArgs({
  options: {
    notifications: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: '1' },
    'from-sources': { type: 'boolean', default: false },
  },
})
const notifications = Number(values.notifications)
const troubles = planTroubles(Number(values.seed))

/** Built it is what a user installs; the loader that runs sources takes 15 to 25 MB. */
const program = values['from-sources'] ? 'million-provider-sender.ts' : 'dist/million-provider-sender.js'

const server = new Child<ServerQuestion, ServerFacts>('million-provider-server.ts')
const sender = new Child<SendingQuestion, SenderFacts>(program)
const { ca, server: certificate } = await createCertificates()
const { port } = await server.ask({ kind: 'start', notifications, troubles, certificate })
const sent = await sender.ask({ port, ca, signingKey: createSigningKey(), notifications })
const seen = await server.ask({ kind: 'tell' })
await Promise.all([sender.stop(), server.stop()])

const count = (value: number) => value.toLocaleString('en')
const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`
const wrong = findFaults()
console.log(`${count(notifications)} notifications · provider API · seed ${values.seed} · Node ${process.version}`)
console.log(`sender     ${count(sent.accepted)} accepted, ${count(sent.notAccepted.length)} not`)
console.log(`server     ${count(seen.accepted)} taken, ${seen.unregistered} dead, ${seen.refused} refused once`)
console.log(`           ${seen.goaways} GOAWAYs, ${seen.connections} connections, ${seen.violations} violations`)
console.log(`memory     ${megabytes(sent.rssBefore)} before, ${megabytes(sent.rssPeak)} at most (budget ≤ 150 MB)`)
console.log(`time       ${sent.seconds.toFixed(1)} s, ${sent.cpuSeconds.toFixed(1)} s of CPU in the sender's process`)
for (const fault of wrong.slice(0, 20)) console.log(`WRONG      ${fault}`)
if (wrong.length > 20) console.log(`WRONG      ${count(wrong.length)} faults in all`)
if (wrong.length === 0) console.log('right      every outcome is what the server did, and it took none twice')
process.exitCode = wrong.length === 0 ? 0 : 1

/** At random places. */
function planTroubles(seed: number): Troubles {
  const places = randomIndexes(DEAD + REFUSED + LAST, notifications, seed)
  const take = (length: number) => places.splice(0, length).toSorted((a, b) => a - b)
  return { dead: take(DEAD), refused: take(REFUSED), last: take(LAST) }
}

/** Compares plan, outcomes and what the server took, notification by notification. */
function findFaults(): string[] {
  const dead = new Set(troubles.dead)
  const outcomes = new Map(sent.notAccepted.map((outcome) => [outcome.index, outcome]))
  const taken = new Map(seen.takenOtherwise)
  const faults = sent.notOnce.map((index) => `notification ${index} had no outcome, or more than one`)
  for (const index of new Set([...dead, ...outcomes.keys(), ...taken.keys()])) {
    const { kind = 'accepted', reason } = outcomes.get(index) ?? {}
    const times = taken.get(index) ?? 1
    const asDue = dead.has(index)
      ? kind === 'unregistered' && reason === 'Unregistered' && times === 0
      : kind === 'accepted' && times === 1
    if (!asDue)
      faults.push(`notification ${index} came out ${kind} (${reason ?? 'no reason'}) and was taken ${times} times`)
  }
  const counts: [what: string, is: number, due: number][] = [
    ['accepted, to the sender', sent.accepted, notifications - DEAD],
    ['taken, to the server', seen.accepted, notifications - DEAD],
    ['dead, to the server', seen.unregistered, DEAD],
    ['streams refused', seen.refused, REFUSED],
    ['GOAWAYs', seen.goaways, LAST],
    ['violations', seen.violations, 0],
  ]
  for (const [what, is, due] of counts) if (is !== due) faults.push(`${what}: ${is}, due are ${due}`)
  if (sent.rssPeak > MOST_RSS) faults.push(`peak RSS is above ${megabytes(MOST_RSS)}`)
  return faults
}
