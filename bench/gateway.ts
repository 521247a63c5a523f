// Claim: over the binary gateway a notification costs us at most 1.2 µs of one core, a 25th of what it costs apn 1.7.8,
// and one rejection in 10,000 at most doubles that.
// Option: --quick sends so few that only the counts mean anything.
import { loadavg } from 'node:os'

import { createCertificates } from '@lhspn/apns-simulator'

import { CORES } from './child.ts'
import { median, printTable } from './figures.ts'
import { Arena, type Contender, type Run } from './gateway-run.ts'
import { Verdict } from './verdict.ts'

const quick = process.argv.includes('--quick')
const ROUNDS = quick ? 1 : 5
const REJECT_EVERY = quick ? 500 : 10_000
const WITH_REJECTIONS = `1 rejection in ${REJECT_EVERY.toLocaleString('en')}`
/** For apn: to keep as many as we do for a connection, and to take all that its socket takes. */
const LOSSLESS = { fastMode: true, cacheLength: 16_384 }

const us = lhspn('lhspn', 0)
const usRejecting = lhspn(`lhspn, ${WITH_REJECTIONS}`, REJECT_EVERY)
const peer = apn('apn 1.7.8', 0, LOSSLESS)
const peerRejecting = apn(`apn 1.7.8, ${WITH_REJECTIONS}`, REJECT_EVERY, LOSSLESS)
const peerAsIs = apn('apn 1.7.8 as it comes', 0)
const peerAsIsRejecting = apn(`apn 1.7.8 as it comes, ${WITH_REJECTIONS}`, REJECT_EVERY)
const contenders = [us, usRejecting, peer, peerRejecting, peerAsIs, peerAsIsRejecting]
const runs = new Map<Contender, Run[]>(contenders.map((contender) => [contender, []]))

const placed = CORES && `gateway on core ${CORES.server}, clients on core ${CORES.client}`
console.log(`Binary gateway, a badge for each device · Node ${process.version} · load ${loadavg()[0]?.toFixed(2)}`)
console.log(`Medians of ${ROUNDS} interleaved rounds · ${placed ?? 'not pinned: one core, or no taskset'}`)
console.log(`apn has ${JSON.stringify(LOSSLESS)}; as it comes it keeps 1,000 for sending again`)

const arena = new Arena(await createCertificates())
await arena.open()
for (let round = 0; round < ROUNDS; round++) {
  for (const contender of contenders) runs.get(contender)?.push(await arena.run(contender))
}
await arena.close()

printTable(
  ['', 'CPU µs', 'apn needs', 'a second', 'peak RSS MB', 'gateway µs', 'lost, by round'],
  contenders.map((contender) => {
    const counterpart = contender.job.rejectEvery === 0 ? peer : peerRejecting
    return [
      contender.name,
      cpu(contender).toFixed(2),
      `${(cpu(counterpart) / cpu(contender)).toFixed(1)} ×`,
      Math.round(middle(contender, ({ rate }) => rate)).toLocaleString('en'),
      (middle(contender, ({ peakRss }) => peakRss) / 1e6).toFixed(0),
      middle(contender, ({ gatewayCpu }) => gatewayCpu).toFixed(2),
      (runs.get(contender) ?? []).map(({ lost }) => lost).join(' '),
    ]
  }),
)
const verdict = new Verdict({ judgesTimes: !quick })
verdict.judge('a notification costs us', cpu(us), '≤', 1.2, 'µs')
verdict.judge('and apn 1.7.8', cpu(peer) / cpu(us), '≥', 25, 'times as much')
verdict.judge(`${WITH_REJECTIONS} makes that`, cpu(usRejecting) / cpu(us), '≤', 2, 'times our clean one')
const wrong = [us, usRejecting].flatMap((one) => runs.get(one) ?? []).flatMap(({ disagreements }) => disagreements)
for (const disagreement of wrong) verdict.blame(disagreement)
process.exitCode = verdict.conclude('our outcomes and the counts of the gateway agree in every run')

function lhspn(name: string, rejectEvery: number): Contender {
  const [notifications, warmUp] = quick ? [2000, 1000] : [1_000_000, 300_000]
  return { name, program: 'lhspn-client.ts', warmUp, job: { notifications, rejectEvery } }
}

function apn(name: string, rejectEvery: number, apnOptions = {}): Contender {
  const [notifications, warmUp] = quick ? [1000, 500] : [100_000, 20_000]
  return { name, program: 'apn-client.ts', warmUp, job: { notifications, rejectEvery, apnOptions } }
}

function middle(contender: Contender, figure: (run: Run) => number): number {
  return median((runs.get(contender) ?? []).map(figure))
}

function cpu(contender: Contender): number {
  return middle(contender, (run) => run.cpu)
}
