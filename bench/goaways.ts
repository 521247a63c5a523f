// Claim: 10,000 connections in a row that a GOAWAY ends, each with up to 1,000 requests under way that nobody took, lose
// no notification and double none, and cost no memory: the peak is at most 1.1 times that of the first tenth of them.
// Option: --connections N (default 10,000; the memory is judged from there on)
import { parseArgs } from 'node:util'

import { createCertificates } from '@lhspn/apns-simulator'

import { Child, CORES } from './child.ts'
import type { GoawaysFacts, GoawaysQuestion } from './goaways-sender.ts'
import type { ProviderCounts, ProviderQuestion } from './raw-provider.ts'
import { createSigningKey } from './signing-key.ts'

/** Notifications that are taken on each connection before it ends. */
const TAKEN = 20
const MOST_GROWTH = 1.1

const { values } = parseArgs({ options: { connections: { type: 'string', default: '10000' } } })
const connections = Number(values.connections)
const notifications = connections * TAKEN

const server = new Child<ProviderQuestion, ProviderCounts>('raw-provider.ts', { core: CORES?.server })
const sender = new Child<GoawaysQuestion, GoawaysFacts>('goaways-sender.ts', { core: CORES?.client })
const { ca, server: certificate } = await createCertificates()
const { port } = await server.ask({ kind: 'listen', certificate })
const behaviour = { rejectEvery: 0, ids: 'literal', delayMs: 0, goawayEvery: TAKEN } as const
await server.ask({ kind: 'reset', behaviour })
const question = { port, ca, signingKey: createSigningKey(), notifications, earlyConnections: connections / 10 }
const sent = await sender.ask(question)
const seen = await server.ask({ kind: 'count' })
await Promise.all([sender.stop(), server.stop()])

const growth = sent.rssAtEnd / sent.rssEarly
const megabytes = (bytes: number) => `${(bytes / 1e6).toFixed(0)} MB`
const wrong = findFaults()
console.log(`${connections.toLocaleString('en')} GOAWAYs, one after ${TAKEN} notifications · Node ${process.version}`)
console.log(`sender     ${sent.accepted.toLocaleString('en')} accepted, ${sent.others} not, ${sent.goaways} GOAWAYs`)
console.log(`server     ${seen.requests.toLocaleString('en')} taken, ${seen.violations} violations`)
console.log(`memory     ${megabytes(sent.rssEarly)} at most in the first tenth, ${megabytes(sent.rssAtEnd)} in all`)
console.log(`           ${growth.toFixed(3)} times as much (budget ≤ ${MOST_GROWTH})`)
console.log(`time       ${sent.seconds.toFixed(1)} s`)
for (const fault of wrong) console.log(`WRONG      ${fault}`)
if (wrong.length === 0) console.log('right      each was accepted, and taken once')
process.exitCode = wrong.length === 0 ? 0 : 1

function findFaults(): string[] {
  const counts: [what: string, is: number, due: number][] = [
    ['accepted, to the sender', sent.accepted, notifications],
    ['not accepted', sent.others, 0],
    ['taken, to the server', seen.requests, notifications],
    ['GOAWAYs, to the sender', sent.goaways, connections],
    ['connections, to the sender', sent.connections, connections],
    ['connections, to the server', seen.connections, connections],
    ['violations', seen.violations, 0],
  ]
  const faults = counts.filter(([, is, due]) => is !== due).map(([what, is, due]) => `${what}: ${is}, due are ${due}`)
  if (connections >= 10_000 && !(growth <= MOST_GROWTH)) faults.push(`memory grew ${growth.toFixed(3)} times`)
  return faults
}
