import { Child } from './child.ts'
import { median, printTable } from './figures.ts'
import { type Devices, type Found, foundByKnowledge, RARE, SEARCHES } from './registry-devices.ts'
import type { BareQuestion, OpenQuestion, ReadFigures, StoreQuestion } from './registry-job.ts'
import type { Loaded } from './registry-load.ts'
import type { Verdict } from './verdict.ts'

/** Rare pairs whose first pages are read, each for the first time. */
const RARE_PAGES = 20
/** A search with fewer matches says nothing of streaming. */
const A_STREAM = 10_000
/** Where the two best runs differ by more, there is another one. */
const OUTLIER = 1.15
const [LEAST_RUNS, MOST_RUNS] = [2, 3]
/** MB, as in million.ts: a stream that kept anything would run out of memory, and V8 lets garbage lie otherwise. */
const HEAP_BOUNDS = ['--max-old-space-size=64', '--max-semi-space-size=8']

interface Timed {
  readonly ms: number
  readonly devices: number
}

/**
 * Claim: on a million devices the first page of a rare pair comes within 10 ms, matches of a filter stream as whole
 * devices at 50,000 a second or more, ids and tokens of all at 500,000 or more, and a stream of everything needs no more
 * memory than one of a tenth. Beside it: the search of LHSPNservice in the same data.
 */
export async function measureFinds(loaded: Loaded, devices: Devices, verdict: Verdict): Promise<void> {
  const open: OpenQuestion = { kind: 'open', url: loaded.url, devices: devices.count }
  const store = new Child<StoreQuestion, ReadFigures>('registry-store.ts')
  const peer = new Child<BareQuestion, Timed>('registry-bare.ts')
  await Promise.all([store.ask(open), peer.ask(open)])
  const rarePages = await readRarePages(store, devices, verdict)
  const rows: string[][] = []
  const rates: number[] = []
  for (const { name, filter, has, like } of SEARCHES) {
    const due = foundByKnowledge(devices, (number) => devices.isProduction(number) && has(devices, number))
    const page = name === RARE ? rarePages.median : await repeat(() => store.ask({ kind: 'page', filter }), due.page)
    const stream = await repeat(() => store.ask({ kind: 'stream', filter }), due.all)
    const count = await repeat(() => store.ask({ kind: 'count', filter }), { devices: due.all.devices, sum: 0 })
    const likeAll = await repeat(() => peer.ask({ kind: 'like', like, count: false }), due.all)
    const likeCount = await repeat(() => peer.ask({ kind: 'like', like, count: true }), due.all)
    if (due.all.devices >= A_STREAM) rates.push(rateOf(due.all.devices, stream))
    rows.push([
      name,
      due.all.devices.toLocaleString('en'),
      milliseconds(page),
      milliseconds(stream),
      perSecond(due.all.devices, stream),
      milliseconds(count),
      milliseconds(likeAll),
      `${(likeAll / stream).toFixed(1)} ×`,
      milliseconds(likeCount),
      `${(likeCount / count).toFixed(1)} ×`,
    ])
    async function repeat(ask: () => Promise<Timed & Partial<Found>>, found: Found): Promise<number> {
      return steady(ask, (answer) => {
        verdict.expect(`${loaded.engine}, ${name}: devices found`, answer.devices, found.devices)
        if (answer.sum !== undefined) verdict.expect(`${loaded.engine}, ${name}: their numbers`, answer.sum, found.sum)
      })
    }
  }
  printTable(
    ['search, ms', 'devices', 'first page', 'all', 'a second', 'count', 'LIKE all', 'needs', 'LIKE count', 'needs'],
    rows,
  )
  const tokens = await streamTokens(store, devices, verdict, loaded)
  await Promise.all([store.stop(), peer.stop()])
  const memory = await streamEverything(open, devices, verdict, loaded)
  verdict.judge(`${loaded.engine}: first page of a rare pair, median`, rarePages.median, '≤', 10, 'ms')
  verdict.judge(`${loaded.engine}: the slowest of ${RARE_PAGES} such pages`, rarePages.most, '≤', 10, 'ms')
  verdict.judge(`${loaded.engine}: the slowest stream of whole devices`, Math.min(...rates), '≥', 50_000, 'a second')
  verdict.judge(`${loaded.engine}: ids and tokens of all`, tokens, '≥', 500_000, 'a second')
  verdict.judge(
    `${loaded.engine}: peak RSS, heap bounded, while a find streams everything`,
    memory / 1e6,
    '≤',
    200,
    'MB',
  )
}

async function readRarePages(
  store: Child<StoreQuestion, ReadFigures>,
  devices: Devices,
  verdict: Verdict,
): Promise<{ readonly median: number; readonly most: number }> {
  const times: number[] = []
  const teams = Math.min(RARE_PAGES + 5, devices.teams)
  for (let at = 0; at < teams; at++) {
    const team = `t${at * Math.floor(devices.teams / teams)}`
    const { page } = foundByKnowledge(
      devices,
      (number) => devices.isProduction(number) && devices.team(number) === team,
    )
    const answer = await store.ask({ kind: 'page', filter: ['team', team] })
    verdict.expect(`first page of ${team}`, answer.sum, page.sum)
    if (at >= 5) times.push(answer.ms) // before, the process gets warm
  }
  return { median: median(times), most: Math.max(...times) }
}

async function streamTokens(
  store: Child<StoreQuestion, ReadFigures>,
  devices: Devices,
  verdict: Verdict,
  { engine }: Loaded,
): Promise<number> {
  const { all } = foundByKnowledge(devices, (number) => devices.isProduction(number))
  let longest = 0
  const ms = await steady(
    () => store.ask({ kind: 'tokens' }),
    (answer) => {
      longest = Math.max(longest, answer.longestTurn)
      verdict.expect(`${engine}: tokens streamed`, answer.devices, all.devices)
      verdict.expect(`${engine}: numbers in the tokens`, answer.sum, all.sum)
    },
  )
  console.log(
    `ids and tokens of all ${all.devices.toLocaleString('en')}: ${milliseconds(ms)} ms, ${perSecond(all.devices, ms)} a second; the event loop waited ${longest.toFixed(0)} ms at most`,
  )
  return rateOf(all.devices, ms)
}

/** In a fresh process, whose memory nothing else has raised. Answers its peak, bytes. */
async function streamEverything(
  open: OpenQuestion,
  devices: Devices,
  verdict: Verdict,
  { engine }: Loaded,
): Promise<number> {
  const store = new Child<StoreQuestion, ReadFigures>('registry-store.ts', { flags: HEAP_BOUNDS })
  await store.ask(open)
  const tenth = await store.ask({ kind: 'stream', everywhere: true, limit: Math.ceil(devices.count / 10) })
  const whole = await store.ask({ kind: 'stream', everywhere: true })
  await store.stop()
  verdict.expect(`${engine}: devices streamed`, whole.devices, devices.count)
  verdict.expect(`${engine}: their numbers`, whole.sum, foundByKnowledge(devices, () => true).all.sum)
  const [before, first, most] = [tenth.rss, tenth.peakRss, whole.peakRss].map(
    (bytes) => `${Math.round(bytes / 1e6)} MB`,
  )
  console.log(
    `all devices, whole: ${perSecond(whole.devices, whole.ms)} a second; RSS ${before} before, ${first} at most in a tenth, ${most} in all; the event loop waited ${whole.longestTurn.toFixed(0)} ms at most`,
  )
  return whole.peakRss
}

/** The best of a few runs, of more where the best two differ: whatever else the machine does only makes them slower. */
async function steady<T extends { readonly ms: number }>(
  ask: () => Promise<T>,
  check: (answer: T) => void,
): Promise<number> {
  const times: number[] = []
  for (;;) {
    const answer = await ask()
    check(answer)
    times.push(answer.ms)
    times.sort((one, other) => one - other)
    const [best = 0, second = Number.POSITIVE_INFINITY] = times
    if (times.length >= MOST_RUNS || (times.length >= LEAST_RUNS && second < best * OUTLIER)) return best
  }
}

function rateOf(devices: number, ms: number): number {
  return (devices * 1000) / ms
}

function perSecond(devices: number, ms: number): string {
  return Math.round(rateOf(devices, ms)).toLocaleString('en')
}

function milliseconds(ms: number): string {
  return ms.toLocaleString('en', { maximumFractionDigits: ms < 100 ? 1 : 0 })
}
