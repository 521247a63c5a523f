// Claim: what capacity.ts computes comes true within a factor of 1.5. Registers devices one by one through the store, sends
// pushes to all of them, beside what the model says of each; and measures what of the model's figures no other bench does:
// what a device and a chunk take on disk, and what a chunk costs the database and Redis.
// Options: --devices N (default 100,000) · --database sqlite|mariadb (default both)
import { loadavg } from 'node:os'
import { parseArgs } from 'node:util'

import { createCertificates } from '@lhspn/apns-simulator'
import { type DeviceStore, openDeviceStore } from '@lhspn/device-store'
import {
  Dispatcher,
  DISPATCHER_MIGRATIONS,
  DISPATCHER_OWNER,
  openBullMqQueue,
  parsePushRequest,
  type StoredPush,
} from '@lhspn/dispatcher'
import { Sender } from '@lhspn/sender'

import { capacityOf, CHUNK, type Site, siteOf } from './capacity-model.ts'
import { type CapacityPlace, openPlace } from './capacity-place.ts'
import { Child } from './child.ts'
import { printTable } from './figures.ts'
import { PAYLOAD, TOPIC } from './provider-workload.ts'
import type { ProviderCounts, ProviderQuestion } from './raw-provider.ts'
import { APP, Devices } from './registry-devices.ts'
import { inParallel } from './registry-job.ts'
import { createSigningKey } from './signing-key.ts'
import { Verdict } from './verdict.ts'

/** A push, and what the model is told of where it runs. */
interface Run {
  readonly name: string
  readonly site: Partial<Site>
  readonly redis?: boolean
  /** Begins when it is planned, and warms up. */
  readonly isFirst?: boolean
}

const RUNS: readonly Run[] = [
  { name: 'the first one', site: { roundTripMs: 1 }, isFirst: true },
  { name: 'answers at once', site: { roundTripMs: 1 } },
  { name: '… with badges', site: { roundTripMs: 1, badges: true } },
  { name: '100 ms an answer, 1 connection', site: { roundTripMs: 100, connections: 1 } },
  { name: '… two workers', site: { roundTripMs: 100, connections: 1, workers: 2 } },
  { name: '… and Redis', site: { roundTripMs: 100, connections: 1, workers: 2 }, redis: true },
  { name: '100 ms an answer, 4 connections', site: { roundTripMs: 100 } },
]
const BATCH = 100
const CALLERS = 4
const LEASE_MS = 15_000

const { values } = parseArgs({ options: { devices: { type: 'string' }, database: { type: 'string' } } })
const devices = new Devices(Number(values.devices ?? 100_000))
const certificates = await createCertificates()
const apple = new Child<ProviderQuestion, ProviderCounts>('raw-provider.ts')
const { port } = await apple.ask({ kind: 'listen', certificate: certificates.server })
const credentials = createSigningKey()
const verdict = new Verdict()

console.log(
  `${devices.count.toLocaleString('en')} devices · Node ${process.version} · load ${loadavg()[0]?.toFixed(2)}`,
)
for (const engine of (['sqlite', 'mariadb'] as const).filter((each) => (values.database ?? each) === each)) {
  const place = await openPlace(engine, devices.count)
  const store = await openDeviceStore(place.url)
  await store.database.migrate(DISPATCHER_OWNER, DISPATCHER_MIGRATIONS)
  const empty = await place.bytes()
  const startedAt = performance.now()
  await register(store)
  const seconds = (performance.now() - startedAt) / 1000
  const registered = await place.bytes()
  console.log(
    `\n${engine} · a flush takes ${(await place.flushMs()).toFixed(2)} ms` +
      ` · ${Math.round(devices.count / seconds).toLocaleString('en')} devices registered a second` +
      ` · ${((registered - empty) / devices.count).toFixed(0)} bytes a device with 5 attributes`,
  )
  const rows: string[][] = []
  for (const run of RUNS.filter(({ redis = false }) => !redis || engine === 'mariadb')) {
    rows.push(await push(run, store, place))
  }
  printTable(
    [
      '',
      'first bottleneck',
      'model s',
      'measured s',
      '×',
      'CPU µs',
      'database µs',
      'log bytes',
      'commits a chunk',
      'Redis µs a chunk',
    ],
    rows,
  )
  const chunks = (devices.count / CHUNK.members) * rows.length
  console.log(
    `${(((await place.bytes()) - registered) / chunks / CHUNK.members).toFixed(1)} bytes a notification of a push that is kept`,
  )
  await store.close()
  await place.remove()
}
await apple.stop()
process.exitCode = verdict.conclude()

async function register(store: DeviceStore): Promise<void> {
  await inParallel(Math.ceil(devices.count / BATCH), CALLERS, async (call) => {
    const length = Math.min(BATCH, devices.count - call * BATCH)
    const numbers = Array.from({ length }, (_, at) => call * BATCH + at)
    await store.save(numbers.map((number) => ({ ...devices.registration(number), environment: 'production' as const })))
  })
}

/** To all devices, to its end. */
async function deliver(dispatcher: Dispatcher, extra: object): Promise<StoredPush> {
  const request = { app: APP, audience: { all: true }, payload: PAYLOAD, ...extra }
  const { push: stored } = await dispatcher.submit(parsePushRequest(request, { now: Date.now() }))
  let last = stored
  for await (const each of dispatcher.watch(stored.id)) last = each
  return last
}

function secondsOf(from: Date | null, to: Date | null): number {
  return ((to?.getTime() ?? NaN) - (from?.getTime() ?? NaN)) / 1000
}

/** Sends one push to all devices, by as many workers; answers its row. */
async function push(
  { name, site: told, redis = false, isFirst = false }: Run,
  store: DeviceStore,
  place: CapacityPlace,
) {
  const site = siteOf({ database: place.engine, ...told })
  const { database } = store
  await apple.ask({
    kind: 'reset',
    behaviour: { rejectEvery: 0, ids: 'literal', delayMs: site.roundTripMs > 1 ? site.roundTripMs : 0, goawayEvery: 0 },
  })
  const redisUrl = redis ? await place.redis() : undefined
  const workers = await Promise.all(
    Array.from({ length: site.workers }, async () => {
      const { connections } = site
      const options = { app: TOPIC, provider: `127.0.0.1:${port}`, ca: certificates.ca, credentials, connections }
      const sender = new Sender(options)
      const queue = redisUrl && (await openBullMqQueue({ database, redisUrl, leaseMs: LEASE_MS }))
      const dispatcher = new Dispatcher({ store, senderFor: () => sender, leaseMs: LEASE_MS, ...(queue && { queue }) })
      dispatcher.start()
      return { sender, dispatcher }
    }),
  )
  const [{ dispatcher }] = workers as [(typeof workers)[number]]
  const before = await place.costs()
  const cpuBefore = process.cpuUsage()
  const last = await deliver(dispatcher, {
    ...(site.badges && { badge: 'increment' }),
    ...(isFirst && { maxAudience: devices.count }),
  })
  const seconds = secondsOf(last.createdAt, last.completedAt)
  const { user, system } = process.cpuUsage(cpuBefore)
  const after = await place.costs()
  for (const worker of workers) {
    await worker.dispatcher.close()
    await worker.sender.close()
  }
  if (isFirst)
    console.log(
      `planned ${Math.round(devices.count / secondsOf(last.createdAt, last.startedAt)).toLocaleString('en')} devices a second`,
    )
  const { requests, violations } = await apple.ask({ kind: 'count' })
  verdict.expect(`${name}: accepted`, last.counts.accepted, devices.count)
  verdict.expect(`${name}: taken`, requests, devices.count)
  verdict.expect(`${name}: violations`, violations, 0)
  const { rate, first } = capacityOf(site)
  const chunks = devices.count / CHUNK.members
  const due = devices.count / rate
  const each = (from: number, to: number, by: number): string => ((to - from) / by).toFixed(by === chunks ? 0 : 2)
  return [
    name,
    first,
    due.toFixed(2),
    seconds.toFixed(2),
    (seconds / due).toFixed(2),
    ((user + system) / devices.count).toFixed(2),
    each(before.databaseCpu, after.databaseCpu, devices.count),
    each(before.logBytes, after.logBytes, devices.count),
    each(before.commits, after.commits, chunks),
    each(before.redisCpu, after.redisCpu, chunks),
  ]
}
