// Claim: over the provider API, one connection on one core, a notification costs us at most 2 µs, a 20th of what it costs
// @parse/node-apn, and less than h2load needs for a request that nobody has to account for; at most 4 µs with a badge of
// its own. Option: --quick sends so few that only the counts mean anything.
import { loadavg } from 'node:os'

import { createCertificates } from '@lhspn/apns-simulator'

import { CORES } from './child.ts'
import { median, printTable } from './figures.ts'
import { hasH2load } from './h2load.ts'
import { ProviderArena, type ProviderContender, type ProviderRun } from './provider-run.ts'
import type { ProviderBehaviour } from './raw-provider.ts'
import { Verdict } from './verdict.ts'

const quick = process.argv.includes('--quick')
const ROUNDS = quick ? 1 : 5
const PLAIN: ProviderBehaviour = { rejectEvery: 0, ids: 'literal', delayMs: 0, goawayEvery: 0 }
/** Ours opens another connection only where answers take their time. */
const SLOW = { delayMs: 40 }
const CONNECTIONS = 4

const us = lhspn('lhspn', {})
const usRejecting = lhspn('lhspn, 1 % answered with 410', { server: { rejectEvery: 100 } })
const usBadges = lhspn('lhspn, a badge for each device', { badges: true })
const usHuffman = lhspn('lhspn, answers in Huffman, indexed', { server: { ids: 'huffman' } })
const usSlow = lhspn(`lhspn, ${SLOW.delayMs} ms an answer`, { server: SLOW, share: 0.1 })
const usFour = lhspn(`lhspn, … over ${CONNECTIONS} connections`, { server: SLOW, connections: CONNECTIONS, share: 0.2 })
const nodeApn = peer('@parse/node-apn 8.1', 'node-apn-client.ts')
const nodeApnBadges = peer('@parse/node-apn 8.1, a badge for each device', 'node-apn-client.ts', true)
const apns2 = peer('apns2 12.2', 'apns2-client.ts')
const http2 = peer('node:http2, by hand', 'http2-client.ts')
const h2load: ProviderContender | undefined = hasH2load
  ? { ...peer('h2load', 'h2load'), job: { ...us.job, notifications: quick ? 2000 : 500_000 } }
  : undefined
const ours = [us, usRejecting, usBadges, usHuffman, usSlow, usFour]
const contenders = [...ours, ...(h2load === undefined ? [] : [h2load]), http2, nodeApn, nodeApnBadges, apns2]
const runs = new Map<ProviderContender, ProviderRun[]>(contenders.map((contender) => [contender, []]))

const placed = CORES && `server on core ${CORES.server}, clients on core ${CORES.client}`
console.log(`Provider API, one connection, 1,000 streams · Node ${process.version} · load ${loadavg()[0]?.toFixed(2)}`)
console.log(`Medians of ${ROUNDS} interleaved rounds · ${placed ?? 'not pinned: one core, or no taskset'}`)
if (h2load === undefined) console.log('h2load is not installed (Debian: nghttp2-client)')

const arena = new ProviderArena(await createCertificates())
await arena.open()
for (let round = 0; round < ROUNDS; round++) {
  for (const contender of contenders) runs.get(contender)?.push(await arena.run(contender))
}
await arena.close()

printTable(
  ['', 'CPU µs', '× ours', 'a second', 'bytes each', 'peak RSS MB', 'server µs', 'connections', 'violations'],
  contenders.map((contender) => [
    contender.name,
    cpu(contender).toFixed(2),
    (cpu(contender) / cpu(contender.job.badges ? usBadges : us)).toFixed(1),
    Math.round(middle(contender, ({ rate }) => rate)).toLocaleString('en'),
    middle(contender, ({ bytesPerRequest }) => bytesPerRequest).toFixed(0),
    contender === h2load ? '' : (middle(contender, ({ peakRss }) => peakRss) / 1e6).toFixed(0),
    middle(contender, ({ serverCpu }) => serverCpu).toFixed(2),
    `${most(contender, ({ connections }) => connections)}`,
    `${most(contender, ({ violations }) => violations)}`,
  ]),
)
const verdict = new Verdict({ judgesTimes: !quick })
verdict.judge('a notification costs us', cpu(us), '≤', 2, 'µs')
verdict.judge('and @parse/node-apn', cpu(nodeApn) / cpu(us), '≥', 20, 'times as much')
if (h2load !== undefined) verdict.judge('and h2load', cpu(h2load) / cpu(us), '≥', 1.3, 'times as much')
verdict.judge('with a badge for each device it costs us', cpu(usBadges), '≤', 4, 'µs')
const wrong = ours.flatMap((one) => (runs.get(one) ?? []).flatMap(({ disagreements }) => disagreements))
for (const disagreement of wrong) verdict.blame(disagreement)
process.exitCode = verdict.conclude('our outcomes and the counts of the server agree in every run')

interface Variation {
  readonly badges?: boolean
  readonly connections?: number
  readonly server?: Partial<ProviderBehaviour>
  /** Of the notifications of the plain run. */
  readonly share?: number
}

function lhspn(name: string, { badges = false, connections = 1, server, share = 1 }: Variation): ProviderContender {
  const [notifications, warmUp] = quick ? [2000, 1000] : [1_000_000 * share, 300_000 * share]
  const job = { notifications, badges, connections }
  return { name, program: 'lhspn-provider-client.ts', warmUp, job, server: { ...PLAIN, ...server } }
}

function peer(name: string, program: string, badges = false): ProviderContender {
  const [notifications, warmUp] = quick ? [1000, 200] : [50_000, 10_000]
  const job = { notifications, badges, connections: 1 }
  return { name, program, warmUp, job, server: PLAIN }
}

function middle(contender: ProviderContender, figure: (run: ProviderRun) => number): number {
  return median((runs.get(contender) ?? []).map(figure))
}

function most(contender: ProviderContender, figure: (run: ProviderRun) => number): number {
  return Math.max(...(runs.get(contender) ?? []).map(figure))
}

function cpu(contender: ProviderContender): number {
  return middle(contender, (run) => run.cpu)
}
