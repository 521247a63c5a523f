// Claim: of 100 notifications that meet a fault of the provider API at the 51st, ours all arrive, once each, or are told
// apart as what nobody can know; beside it what @parse/node-apn and apns2 tell of the same. The README's table is this one.
import { isDeepStrictEqual } from 'node:util'

import { createCertificates, type ProviderAction, type Simulator, startSimulator } from '@lhspn/apns-simulator'
import { Sender, type SendOptions } from '@lhspn/sender'

import { Child } from './child.ts'
import { printTable } from './figures.ts'
import { PAYLOAD, type ProviderClientFigures, type ProviderClientQuestion, TOPIC } from './provider-workload.ts'
import { Verdict } from './verdict.ts'
import { tokenAt } from './workload.ts'

interface Fault {
  readonly name: string
  readonly action: ProviderAction
  /** How often the one that meets it is answered so. */
  readonly times?: number
  /** Milliseconds from the first such answer to the one that takes it: less is a client that does not wait. */
  readonly waitMs?: number
  /** How many are at an unknown position. */
  readonly unknown?: number
}

/** What a client tells of its notifications: how many became what. */
type Told = Readonly<Record<string, number>>

/** What came of one fault. */
interface Meeting {
  readonly told: Told
  /** Notifications that the simulator took, and those of them that it took more than once. */
  readonly arrived: number
  readonly doubled: number
  /** Milliseconds until the one that met the fault was taken; NaN if it was not refused, or not taken. */
  readonly waited: number
}

const NOTIFICATIONS = 100
const MEETS_IT = tokenAt(50, 0)
const FAULTS: readonly Fault[] = [
  { name: 'GOAWAY: the rest is provably not processed', action: { goaway: 'before' } },
  { name: 'a refused stream', action: 'refuse-stream' },
  {
    name: '429 with Retry-After: 1',
    action: { status: 429, reason: 'TooManyRequests', retryAfter: 1 },
    waitMs: 1000,
  },
  {
    name: '503, not available, three times',
    action: { status: 503, reason: 'ServiceUnavailable' },
    times: 3,
    // the least of our waits that double from 50 to 100 ms on
    waitMs: 350,
  },
  { name: 'connection closed without a word', action: 'close', unknown: 50 },
]

const certificates = await createCertificates()
const verdict = new Verdict()
const rows: string[][] = []
for (const fault of FAULTS) {
  const [report, resend, nodeApn, apns2] = await Promise.all([
    meet(fault, (simulator) => sendOurs(simulator, 'report')),
    meet(fault, (simulator) => sendOurs(simulator, 'resend')),
    meet(fault, (simulator) => sendByPeer(simulator, 'node-apn-client.ts')),
    meet(fault, (simulator) => sendByPeer(simulator, 'apns2-client.ts')),
  ])
  const { unknown = 0 } = fault
  compare(fault, report, { accepted: NOTIFICATIONS - unknown, ...(unknown > 0 && { unconfirmed: unknown }) })
  compare(fault, resend, { accepted: NOTIFICATIONS })
  const asChosen = unknown > 0 ? [`with onUnconfirmed: 'resend' ${cell(fault, resend)}`] : []
  const ours = [cell(fault, report), ...asChosen].join('; ')
  rows.push([fault.name, ours, cell(fault, nodeApn), cell(fault, apns2)])
}
printTable(['', 'LHSPN', '@parse/node-apn 8.1', 'apns2 12.2'], rows)
process.exitCode = verdict.conclude('each of ours came out as what the simulator did with it, and none was taken twice')

/** Lets a client send its notifications to a simulator of its own, which does this to one of them. */
async function meet({ action, times = 1 }: Fault, send: (simulator: Simulator) => Promise<Told>): Promise<Meeting> {
  const rule = { when: { token: MEETS_IT }, times, do: action }
  const simulator = await startSimulator({ certificates, script: { provider: { rules: [rule] } } })
  const { journal } = simulator
  // it is asked after everything that happens; what never does ends with the simulator
  const when = (happened: () => boolean) =>
    journal.waitFor(happened).then(
      () => performance.now(),
      () => NaN,
    )
  const refusedAt = when(() => journal.refusals().size > 0)
  const takenAt = when(() => journal.acceptedTimes(MEETS_IT) > 0)
  const told = await send(simulator)
  const taken = [...journal.acceptedTokens()]
  const doubled = taken.filter((token) => journal.acceptedTimes(token) > 1)
  await simulator.close()
  return { told, arrived: taken.length, doubled: doubled.length, waited: (await takenAt) - (await refusedAt) }
}

async function sendOurs(
  { provider, signingKey }: Simulator,
  onUnconfirmed: NonNullable<SendOptions['onUnconfirmed']>,
): Promise<Told> {
  const content = { payload: PAYLOAD }
  const { ca } = certificates
  const sender = new Sender({ app: TOPIC, provider, ca, credentials: signingKey, connections: 1 })
  const notifications = Array.from({ length: NOTIFICATIONS }, (_, index) => ({ token: tokenAt(index, 0), content }))
  const told: Record<string, number> = {}
  for await (const outcomes of sender.send([notifications], { onUnconfirmed })) {
    for (const { kind } of outcomes) told[kind] = (told[kind] ?? 0) + 1
  }
  await sender.close()
  return told
}

/** The first one alone, as Apple wants it, then all others at once. */
async function sendByPeer({ provider, signingKey }: Simulator, program: string): Promise<Told> {
  const client = new Child<ProviderClientQuestion, ProviderClientFigures>(program)
  const port = Number(provider.split(':').at(-1))
  const job = { notifications: NOTIFICATIONS, rejectEvery: 0, badges: false, connections: 1 }
  const { accepted } = await client.ask({ workload: { port, ca: certificates.ca, signingKey, ...job } })
  await client.stop()
  const failed = NOTIFICATIONS - accepted
  return { accepted, ...(failed > 0 && { 'reported as failed': failed }) }
}

function cell({ waitMs }: Fault, { told, arrived, waited }: Meeting): string {
  const { accepted = 0, ...others } = told
  const failures = Object.entries(others).map(([what, count]) => `${count} ${what}`)
  const again = waitMs === undefined ? 'sent again' : waited >= waitMs ? 'waits, then sent again' : 'sent again at once'
  const outcome = failures.length === 0 ? `${again}: ${arrived} arrive` : failures.join(', ')
  return accepted === arrived || failures.length === 0 ? outcome : `${outcome}, and ${arrived} arrive`
}

/** None is told what did not happen to it. */
function compare({ name }: Fault, { told, arrived, doubled }: Meeting, due: Told): void {
  if (!isDeepStrictEqual(told, due)) verdict.blame(`${name}: ${JSON.stringify(told)}, due are ${JSON.stringify(due)}`)
  verdict.expect(`${name}: taken`, arrived, due['accepted'] ?? 0)
  verdict.expect(`${name}: taken twice`, doubled, 0)
}
