/** Ids in ascending order, without repetition. */
export type Ids = readonly number[]

/** Ids of a set, page by page: up to `limit` of those above `after`. Fewer than `limit`: there are no more. */
export type ReadIds = (after: number, limit: number) => Promise<Ids>

/** Grows from page to page, so that a reader of the first few does not pay for thousands. */
export interface PageSize {
  readonly first: number
  readonly most: number
}

const GROWTH = 4

/** The union of several sets, as windows of ascending ids above `after`. Holds one page of each. */
export async function* unionOf(
  sets: readonly ReadIds[],
  after: number,
  size: PageSize,
): AsyncGenerator<Ids, void, undefined> {
  let limit = size.first
  const sources = sets.map((read) => ({ read, page: [] as Ids, last: after, done: false }))
  for (;;) {
    for (const source of sources) {
      if (source.done || source.page.length > 0) continue
      source.page = await source.read(source.last, limit)
      source.last = source.page.at(-1) ?? source.last
      source.done = source.page.length < limit
    }
    limit = Math.min(limit * GROWTH, size.most)
    // Beyond the end of a page that has a successor, the set is not known yet.
    const bound = Math.min(...sources.map(({ done, last }) => (done ? Number.POSITIVE_INFINITY : last)))
    const windows: Ids[] = []
    for (const source of sources) {
      const end = endOf(source.page, bound)
      if (end > 0) windows.push(source.page.slice(0, end))
      source.page = source.page.slice(end)
    }
    if (windows.length > 0) yield merge(windows)
    else if (sources.every(({ done }) => done)) return
  }
}

/** How many of `ids` are not above `bound`. */
function endOf(ids: Ids, bound: number): number {
  let low = 0
  let high = ids.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((ids[middle] as number) <= bound) low = middle + 1
    else high = middle
  }
  return low
}

export function merge(lists: readonly Ids[]): Ids {
  const [only, ...more] = lists
  if (only === undefined || more.length === 0) return only ?? []
  const all = Float64Array.from(lists.flat()).toSorted()
  const merged: number[] = []
  for (const id of all) if (id !== merged.at(-1)) merged.push(id)
  return merged
}

export function intersect(one: Ids, other: Ids): Ids {
  const both: number[] = []
  let at = 0
  for (const id of one) {
    while (at < other.length && (other[at] as number) < id) at++
    if (other[at] === id) both.push(id)
  }
  return both
}

export function subtract(from: Ids, what: Ids): Ids {
  const rest: number[] = []
  let at = 0
  for (const id of from) {
    while (at < what.length && (what[at] as number) < id) at++
    if (what[at] !== id) rest.push(id)
  }
  return rest
}
