// Claim: a push to a million stored devices, from its request to its end, costs at most 10 µs of CPU a notification on
// SQLite and MariaDB, at most 25 with a badge that is counted up for each device, and 200 MB; a push to five times as many
// devices takes less than a tenth more memory than five pushes, one after the other. Beside it: a loop of mysql2 and
// @parse/node-apn.
// Options: --devices N (default 1,000,000; and five times as many at the end) · --rounds N (default 2) · --quick runs
// from the sources, with so few devices that only the counts mean anything.
import { loadavg } from 'node:os'
import { parseArgs } from 'node:util'

import { createCertificates } from '@lhspn/apns-simulator'

import { Child } from './child.ts'
import { median, printTable } from './figures.ts'
import {
  type AppleFacts,
  type AppleQuestion,
  type Audience,
  isDead,
  isGone,
  type PushFigures,
  type PushQuestion,
} from './pushes-job.ts'
import { addDevices, makeByHand, makeRegistry, type Population } from './pushes-load.ts'
import { createSigningKey } from './signing-key.ts'
import { Verdict } from './verdict.ts'

interface Contender extends Pick<PushQuestion, 'over' | 'badges'> {
  readonly name: string
  readonly program: string
  readonly to: Population
  /** Whether all tokens are good. */
  readonly clean?: boolean
}

interface Run extends PushFigures {
  readonly notifications: number
  readonly appleCpu: number
}

const GROWTH = 5

const { values } = parseArgs({
  options: { devices: { type: 'string' }, rounds: { type: 'string' }, quick: { type: 'boolean', default: false } },
})
const { quick } = values
const devices = Number(values.devices ?? (quick ? 2000 : 1_000_000))
const rounds = Number(values.rounds ?? (quick ? 1 : 2))
const deadEvery = quick ? 500 : 10_000
if (!Number.isInteger(devices) || devices < 1000) throw new Error('--devices: 1,000 or more')
const verdict = new Verdict({ judgesTimes: !quick })
/** Built they are what a user installs. */
const programs = quick
  ? { ours: 'pushes-dispatcher.ts', byHand: 'pushes-by-hand.ts' }
  : { ours: 'dist/pushes-dispatcher.js', byHand: 'dist/pushes-by-hand.js' }
const load = () => `load ${loadavg()[0]?.toFixed(2)}`
const count = (value: number) => value.toLocaleString('en')
console.log(`${count(devices)} devices, ${rounds} interleaved rounds · Node ${process.version} · ${load()}`)

const apple = new Child<AppleQuestion, AppleFacts>('pushes-apple.ts')
const { ca, server, client } = await createCertificates()
const signingKey = createSigningKey()
const { providerPort, gatewayPort } = await apple.ask({ kind: 'start', certificates: { ca, server } })
const sqlite = await makeRegistry('sqlite', GROWTH * devices)
const mariadb = await makeRegistry('mariadb', GROWTH * devices)
try {
  const [onSqlite, onMariaDb] = [populate(sqlite.url, devices), populate(mariadb.url, devices)]
  const byHand = populate(mariadb.url, Math.ceil(devices / 10))
  for (const { url, audience } of [onSqlite, onMariaDb]) await addDevices(url, 0, audience.devices)
  await makeByHand(byHand.url, byHand.audience.devices)
  console.log(`SQLite: ${sqlite.settings} · MariaDB: ${mariadb.settings} · loaded, ${load()}`)

  const plain = [ours('SQLite', onSqlite), ours('MariaDB', onMariaDb)]
  const badges = [ours('SQLite, badges', onSqlite, true), ours('MariaDB, badges', onMariaDb, true)]
  const peers = [peer('by hand', byHand), peer('by hand, badges', byHand, true)]
  // A gateway rejects tokens instead of telling that they are dead, and the registry keeps them.
  const gateway: Contender = { ...ours('SQLite, gateway', onSqlite), over: 'gateway' }
  // Each rejection also proves what was written before it: without any, barriers alone do.
  const clean: Contender = { ...gateway, name: `${gateway.name}, none rejected`, clean: true }
  const contenders = [...plain, ...badges, gateway, clean, ...peers]
  const runs = new Map<Contender, Run[]>(contenders.map((contender) => [contender, []]))
  for (let round = 0; round < rounds; round++)
    for (const contender of contenders) runs.get(contender)?.push(await run(contender))

  // As much work in one process: V8's heap fills up with time, whatever the audience.
  const repeated = plain.map((contender) => ({ ...contender, name: `${contender.name}, ${GROWTH} pushes` }))
  for (const contender of repeated) runs.set(contender, [await runMany(contender, GROWTH)])
  for (const { to } of plain) await grow(to)
  const grown = plain.map((contender) => ({ ...contender, name: `${contender.name}, ${GROWTH} × the devices` }))
  for (const contender of grown) runs.set(contender, [await run(contender)])

  const middle = (contender: Contender, figure: (run: Run) => number) => median((runs.get(contender) ?? []).map(figure))
  const cpu = (contender: Contender) => middle(contender, (each) => each.cpu / each.notifications)
  const rss = (contender: Contender) => middle(contender, ({ rssPeak }) => rssPeak) / 1e6
  printTable(
    ['', 'notifications', 'CPU µs', 'a second', 'seconds', 'RSS MB before', 'peak RSS MB', 'Apple µs'],
    [...runs.keys()].map((contender) => [
      contender.name,
      count(middle(contender, ({ notifications }) => notifications)),
      cpu(contender).toFixed(2),
      count(Math.round(middle(contender, ({ notifications, seconds }) => notifications / seconds))),
      middle(contender, ({ seconds }) => seconds).toFixed(1),
      (middle(contender, ({ rssBefore }) => rssBefore) / 1e6).toFixed(0),
      rss(contender).toFixed(0),
      middle(contender, (each) => each.appleCpu / each.notifications).toFixed(2),
    ]),
  )
  for (const contender of plain) verdict.judge(`${contender.name}: a notification costs`, cpu(contender), '≤', 10, 'µs')
  for (const contender of badges) verdict.judge(`${contender.name}: it costs`, cpu(contender), '≤', 25, 'µs')
  for (const contender of plain) verdict.judge(`${contender.name}: peak RSS`, rss(contender), '≤', 200, 'MB')
  for (const [at, contender] of grown.entries()) {
    const before = repeated[at] as Contender
    verdict.judge(`${contender.name}: peak RSS`, rss(contender) / rss(before), '≤', 1.1, `times that of ${before.name}`)
  }
} finally {
  await Promise.all([apple.stop(), sqlite.remove(), mariadb.remove()])
}
console.log(load())
process.exitCode = verdict.conclude()

function populate(url: string, size: number): Population {
  return { url, audience: { devices: size, deadEvery, pushes: 0, veterans: size, dies: true } }
}

/** What was there before has lost some; what comes has not. */
async function grow(population: Population): Promise<void> {
  const { devices: before } = population.audience
  population.audience = { ...population.audience, devices: before * GROWTH }
  await addDevices(population.url, before, before * GROWTH)
}

function ours(name: string, to: Population, badges = false): Contender {
  return { name, program: programs.ours, to, over: 'provider-api', badges }
}

function peer(name: string, to: Population, badges = false): Contender {
  return { name, program: programs.byHand, to, over: 'provider-api', badges }
}

/** One push in a process of its own. */
function run(contender: Contender): Promise<Run> {
  return runMany(contender, 1)
}

/** Pushes one after the other, in a process of their own. */
async function runMany(contender: Contender, times: number): Promise<Run> {
  const child = new Child<PushQuestion, PushFigures>(contender.program)
  const pushes: Run[] = []
  for (let push = 0; push < times; push++) pushes.push(await runIn(child, contender))
  await child.stop()
  const [first, last] = [pushes[0] as Run, pushes.at(-1) as Run]
  const sum = (figure: (push: Run) => number) => pushes.reduce((total, push) => total + figure(push), 0)
  return {
    ...last,
    rssBefore: first.rssBefore,
    cpu: sum(({ cpu }) => cpu),
    seconds: sum(({ seconds }) => seconds),
    notifications: sum(({ notifications }) => notifications),
    appleCpu: sum(({ appleCpu }) => appleCpu),
  }
}

/** A push, compared with what Apple took and what is known of the devices. */
async function runIn(
  child: Child<PushQuestion, PushFigures>,
  { name, program, to, over, badges, clean = false }: Contender,
): Promise<Run> {
  const audience = { ...to.audience, dies: !clean }
  const due = countDue(audience)
  await apple.ask({ kind: 'expect', audience })
  const port = over === 'gateway' ? gatewayPort : providerPort
  const figures = await child.ask({ url: to.url, over, port, ca, signingKey, certificate: client, badges })
  const seen = await apple.ask({ kind: 'tell' })
  if (!clean) to.audience = { ...audience, pushes: audience.pushes + 1 }
  verdict.expect(`${name}: accepted, as written down`, figures.accepted, due.accepted)
  verdict.expect(`${name}: not accepted, as written down`, figures.notAccepted, due.dead)
  verdict.expect(`${name}: neither, as written down`, figures.left, 0)
  const dead = new Set(figures.dead.filter((device) => isDead(audience, device)))
  verdict.expect(`${name}: dead devices in the records`, dead.size, due.dead)
  verdict.expect(`${name}: accepted, to Apple`, seen.accepted, due.accepted)
  verdict.expect(`${name}: devices that were sent to other than once`, seen.otherwise, 0)
  if (program === programs.ours) verdict.expect(`${name}: violations`, seen.violations, 0)
  return { ...figures, notifications: due.accepted + due.dead, appleCpu: seen.cpu }
}

function countDue(audience: Audience): { readonly accepted: number; readonly dead: number } {
  let accepted = 0
  let dead = 0
  for (let device = 0; device < audience.devices; device++) {
    if (isGone(audience, device)) continue
    if (isDead(audience, device)) dead++
    else accepted++
  }
  return { accepted, dead }
}
