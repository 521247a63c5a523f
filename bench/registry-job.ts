import type { Filter } from '@lhspn/device-store'

import { type Devices, type Found, pairOf } from './registry-devices.ts'

/** What registrations are to do: `new` ones are of unknown devices, `again` of devices that have not changed. */
export type SaveKind = 'new' | 'again' | 'changed'

/** Registrations to save, the same job for each contender. */
export interface SaveJob {
  readonly kind: SaveKind
  /** Of `new`: number of the first device, else place of the first in the order of `Devices.picked`. */
  readonly first: number
  readonly count: number
  /** Registrations in one call, and how many calls are under way at the same time. */
  readonly batch: number
  readonly callers: number
  /** Of `changed`: the attribute that becomes another. */
  readonly build: number
}

export interface SaveFigures {
  readonly seconds: number
  /** User and system time of the process that saves, seconds. */
  readonly cpu: number
  /** Answers that it is new. */
  readonly created: number
  /** Answers that it was known. */
  readonly known: number
}

/** Asked of every process that saves; what is sent is made before the clock starts. */
export interface SaveQuestion {
  readonly kind: 'save'
  readonly job: SaveJob
}

export interface OpenQuestion {
  readonly kind: 'open'
  readonly url: string
  /** Devices that were loaded. */
  readonly devices: number
}

export type StoreQuestion =
  | OpenQuestion
  | SaveQuestion
  /** The first page of a find. */
  | { readonly kind: 'page'; readonly filter: Filter }
  | { readonly kind: 'count'; readonly filter?: Filter; readonly everywhere?: boolean }
  /** Whole devices of one environment, or everywhere. */
  | { readonly kind: 'stream'; readonly filter?: Filter; readonly everywhere?: boolean; readonly limit?: number }
  /** Ids and tokens of all that a push reaches. */
  | { readonly kind: 'tokens' }

export interface ReadFigures extends Found {
  readonly ms: number
  /** Resident memory of the process, bytes: when it was asked, and since the process began at the highest. */
  readonly rss: number
  readonly peakRss: number
  /** The longest the event loop had to wait, ms. */
  readonly longestTurn: number
}

export type BareQuestion =
  | OpenQuestion
  | SaveQuestion
  /** The search of LHSPNservice: all rows that are like this, or their count. */
  | { readonly kind: 'like'; readonly like: string; readonly count: boolean }

/** The numbers of a job's devices, in the order of the job. */
export function numbersOf(devices: Devices, { kind, first, count }: SaveJob): readonly number[] {
  return Array.from({ length: count }, (_, at) => (kind === 'new' ? first + at : devices.picked(first + at)))
}

/** What a registration says of its build; undefined: what it always said. */
export function buildOf({ kind, build }: SaveJob): number | undefined {
  return kind === 'changed' ? build : undefined
}

/** Pairs that a registration takes away and brings. */
export function pairsOf(devices: Devices, job: SaveJob, number: number) {
  const before = devices.attributes(number)
  const after = devices.attributes(number, buildOf(job))
  const all = (attributes: typeof before) =>
    Object.entries(attributes).map(([key, value]) => pairOf(key, value as string | number))
  if (job.kind === 'new') return { gone: [], come: all(after) }
  const [gone, come] = [all(before), all(after)]
  return { gone: gone.filter((pair) => !come.includes(pair)), come: come.filter((pair) => !gone.includes(pair)) }
}

/** Runs `work` for 0 … count - 1, so many at a time. */
export async function inParallel(
  count: number,
  workers: number,
  work: (index: number, worker: number) => Promise<void>,
): Promise<void> {
  let next = 0
  const worker = async (_: unknown, at: number) => {
    while (next < count) await work(next++, at)
  }
  await Promise.all(Array.from({ length: workers }, worker))
}

/** Starts the clocks of a process; the function that it answers reads them. */
export function startClocks(): () => { readonly seconds: number; readonly cpu: number } {
  const [cpuBefore, startedAt] = [process.cpuUsage(), performance.now()]
  return () => {
    const seconds = (performance.now() - startedAt) / 1000
    const { user, system } = process.cpuUsage(cpuBefore)
    return { seconds, cpu: (user + system) / 1e6 }
  }
}
