import { Child } from './child.ts'
import { printTable } from './figures.ts'
import type { ApiAnswer, ApiQuestion } from './registry-api.ts'
import { APP, BUILDS, type Devices } from './registry-devices.ts'
import { registerOverHttp } from './registry-http.ts'
import type {
  BareQuestion,
  OpenQuestion,
  ReadFigures,
  SaveFigures,
  SaveJob,
  SaveKind,
  StoreQuestion,
} from './registry-job.ts'
import type { Loaded } from './registry-load.ts'
import type { Verdict } from './verdict.ts'

const KINDS: readonly SaveKind[] = ['new', 'again', 'changed']
const MEANINGS: Readonly<Record<SaveKind, string>> = {
  new: 'a new device',
  again: 'a known one, unchanged',
  changed: '1 of 5 attributes changed',
}
const CONNECTIONS = 16
const BATCH = 100
const LEAST_HTTP = 0.5

interface Contender {
  readonly name: string
  readonly batch: number
  readonly callers: number
  run(job: SaveJob): Promise<SaveFigures>
}

/** What a job of each contender has. */
export interface SaveSizes {
  readonly rounds: number
  readonly singles: number
  readonly batched: number
}

/**
 * Claim: a registration over HTTP, on 16 connections, is at least half as fast as the bare driver running the same
 * transaction over as many connections. Beside it: the store by itself, one device a call and in batches of 100.
 */
export async function measureSaves(
  loaded: Loaded,
  devices: Devices,
  verdict: Verdict,
  sizes: SaveSizes,
): Promise<void> {
  const open: OpenQuestion = { kind: 'open', url: loaded.url, devices: devices.count }
  const bare = new Child<BareQuestion, SaveFigures>('registry-bare.ts')
  const store = new Child<StoreQuestion, SaveFigures & ReadFigures>('registry-store.ts')
  const api = new Child<ApiQuestion, ApiAnswer>('registry-api.ts')
  const [, , server] = await Promise.all([bare.ask(open), store.ask(open), api.ask({ kind: 'open', url: loaded.url })])
  const contenders: readonly Contender[] = [
    { name: 'bare driver', batch: 1, callers: CONNECTIONS, run: (job) => bare.ask({ kind: 'save', job }) },
    { name: 'store', batch: 1, callers: CONNECTIONS, run: (job) => store.ask({ kind: 'save', job }) },
    { name: 'HTTP', batch: 1, callers: CONNECTIONS, run: (job) => overHttp(devices, job, api, server, verdict) },
    { name: 'store, 100 a call', batch: BATCH, callers: 1, run: (job) => store.ask({ kind: 'save', job }) },
  ]
  const runs = new Map<string, SaveFigures[]>()
  const plan = new Plan(devices)
  // The round before the first makes everything warm; its counts are compared like all others.
  for (let round = -1; round < sizes.rounds; round++) {
    for (const kind of KINDS) {
      for (let turn = 0; turn < contenders.length; turn++) {
        // in another order each round
        const contender = contenders[(turn + round + 1) % contenders.length] as Contender
        const size = contender.batch === 1 ? sizes.singles : sizes.batched
        const job = plan.job(kind, round === -1 ? Math.ceil(size / 4) : size, contender)
        const figures = await contender.run(job)
        const created = kind === 'new' ? job.count : 0
        verdict.expect(`${loaded.engine}, ${contender.name}, ${kind}: created`, figures.created, created)
        verdict.expect(`${loaded.engine}, ${contender.name}, ${kind}: known`, figures.known, job.count - created)
        if (round >= 0) append(runs, keyOf(kind, contender.name), scaled(figures, job.count))
      }
    }
  }
  await compareWithStored(store, plan, verdict, loaded)
  await Promise.all([bare.stop(), store.stop(), api.stop()])

  // The best round of each: whatever else the machine does only makes them slower.
  const best = (kind: SaveKind, name: string, figure: 'seconds' | 'cpu') =>
    Math.min(...(runs.get(keyOf(kind, name)) ?? []).map((run) => run[figure]))
  const rate = (kind: SaveKind, name: string) => 1 / best(kind, name, 'seconds')
  printTable(
    ['save, a second', ...contenders.flatMap(({ name }) => [name, 'of bare', 'CPU µs'])],
    KINDS.map((kind) => [
      MEANINGS[kind],
      ...contenders.flatMap(({ name }) => [
        Math.round(rate(kind, name)).toLocaleString('en'),
        `${(rate(kind, name) / rate(kind, 'bare driver')).toFixed(2)} ×`,
        (best(kind, name, 'cpu') * 1e6).toFixed(0),
      ]),
    ]),
  )
  for (const kind of KINDS)
    verdict.judge(
      `${loaded.engine}: ${MEANINGS[kind]}, HTTP is`,
      rate(kind, 'HTTP') / rate(kind, 'bare driver'),
      '≥',
      LEAST_HTTP,
      'of the bare driver',
    )
}

/** Hands out devices, none twice, and keeps what must be stored at the end. */
class Plan {
  readonly devices: Devices
  readonly changed: { readonly build: number; readonly count: number }[] = []
  #nextNew: number
  #nextPlace = 0

  constructor(devices: Devices) {
    this.devices = devices
    this.#nextNew = devices.count
  }

  /** How many devices there are, with the new ones. */
  get stored(): number {
    return this.#nextNew
  }

  job(kind: SaveKind, count: number, { batch, callers }: Contender): SaveJob {
    const first = kind === 'new' ? this.#nextNew : this.#nextPlace
    if (kind === 'new') this.#nextNew += count
    else this.#nextPlace += count
    if (this.#nextPlace > this.devices.count) throw new Error('There are too few devices for so many registrations')
    const build = BUILDS + this.changed.length
    if (kind === 'changed') this.changed.push({ build, count })
    return { kind, first, count, batch, callers, build }
  }
}

async function compareWithStored(
  store: Child<StoreQuestion, ReadFigures>,
  plan: Plan,
  verdict: Verdict,
  { engine }: Loaded,
): Promise<void> {
  const { devices } = await store.ask({ kind: 'count', everywhere: true })
  verdict.expect(`${engine}: devices stored in the end`, devices, plan.stored)
  for (const { build, count } of plan.changed) {
    const answer = await store.ask({ kind: 'stream', filter: ['build', build], everywhere: true })
    verdict.expect(`${engine}: devices of build ${build}`, answer.devices, count)
  }
}

async function overHttp(
  devices: Devices,
  job: SaveJob,
  api: Child<ApiQuestion, ApiAnswer>,
  server: ApiAnswer,
  verdict: Verdict,
): Promise<SaveFigures> {
  const before = await api.ask({ kind: 'cpu' })
  const { refused, ...figures } = await registerOverHttp(devices, job, server)
  const after = await api.ask({ kind: 'cpu' })
  verdict.expect(`requests for ${APP} that the API refused, such as ${refused[0] ?? 'none'}`, refused.length, 0)
  return { ...figures, cpu: after.cpu - before.cpu }
}

/** For one device. */
function scaled({ seconds, cpu, ...counts }: SaveFigures, count: number): SaveFigures {
  return { ...counts, seconds: seconds / count, cpu: cpu / count }
}

function keyOf(kind: SaveKind, contender: string): string {
  return `${kind} ${contender}`
}

function append<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [value])
  else list.push(value)
}
