import { parts, placeholders, type Session } from '@lhspn/database'

import type { Filter } from './audience.ts'
import { pairOf } from './pair.ts'
import { type Ids, intersect, merge, type PageSize, type ReadIds, subtract, unionOf } from './sorted-ids.ts'

/** Counting further tells nothing that matters. */
const COUNTED = 20_000
/** A pair so many times as frequent as what leads is asked for the ids at hand, not for all in their range. */
const MUCH_MORE_FREQUENT = 8
const IDS_A_STATEMENT = 1000

/** A filter by numbers of pairs. `count` is capped: how many devices have the pair. */
type Plan =
  | { readonly kind: 'pair'; readonly pair: bigint; readonly count: number }
  | { readonly kind: 'any' | 'all'; readonly parts: readonly Plan[] }
  | { readonly kind: 'not'; readonly part: Plan }

/**
 * Ids of the devices of an app that have what `filter` asks for, as windows of ascending ids above `after`. The rarest
 * set that holds all matches leads; where there is none, as in a mere "not", it is `everybody`. Every window is then
 * narrowed by the other pairs. The same statements on every engine, each of bounded size, and no plan to go wrong.
 */
export async function* idWindows(
  session: Session,
  appId: number,
  filter: Filter,
  everybody: readonly ReadIds[],
  after: number,
  size: PageSize,
): AsyncGenerator<Ids, void, undefined> {
  const search = new Search(session)
  const plan = await search.plan(appId, filter)
  const lead = leadOf(plan)
  const sets = lead?.pairs.map((pair) => search.reader(pair)) ?? everybody
  for await (const window of unionOf(sets, after, size)) {
    // A pair that leads alone is all that was asked for.
    const ids = plan.kind === 'pair' ? window : await search.narrow(plan, window)
    if (ids.length > 0) yield ids
  }
}

/** The cheapest union of pairs that holds every match. */
function leadOf(plan: Plan): { readonly pairs: readonly bigint[]; readonly count: number } | undefined {
  switch (plan.kind) {
    case 'pair':
      return { pairs: [plan.pair], count: plan.count }
    case 'not':
      return undefined
    case 'all': {
      const leads = plan.parts.map(leadOf).filter((lead) => lead !== undefined)
      return leads.toSorted((one, other) => one.count - other.count)[0]
    }
    case 'any': {
      const leads = plan.parts.map(leadOf)
      if (!leads.every((lead) => lead !== undefined)) return undefined
      return {
        pairs: [...new Set(leads.flatMap(({ pairs }) => pairs))],
        count: leads.reduce((sum, { count }) => sum + count, 0),
      }
    }
    default:
      throw new TypeError(`no such plan: ${JSON.stringify(plan satisfies never)}`)
  }
}

class Search {
  readonly #session: Session

  constructor(session: Session) {
    this.#session = session
  }

  async plan(appId: number, filter: Filter): Promise<Plan> {
    if ('not' in filter) return { kind: 'not', part: await this.plan(appId, filter.not) }
    if ('any' in filter) return { kind: 'any', parts: await this.#plans(appId, filter.any) }
    if ('all' in filter) return { kind: 'all', parts: await this.#plans(appId, filter.all) }
    const pair = pairOf(appId, filter[0], filter[1])
    return { kind: 'pair', pair, count: await this.#count(pair) }
  }

  /** The ids of a pair, page by page. */
  reader(pair: bigint): ReadIds {
    return (after, limit) =>
      this.#read(
        `SELECT device_id FROM device_attribute WHERE pair = ? AND device_id > ? ORDER BY device_id LIMIT ${limit}`,
        [pair, after],
      )
  }

  /** Those of `ids` that the plan asks for. */
  async narrow(plan: Plan, ids: Ids): Promise<Ids> {
    if (ids.length === 0) return ids
    switch (plan.kind) {
      case 'pair':
        return this.#having(plan, ids)
      case 'not':
        return subtract(ids, await this.narrow(plan.part, ids))
      case 'all': {
        let rest = ids
        for (const part of plan.parts) rest = await this.narrow(part, rest)
        return rest
      }
      case 'any': {
        const found: Ids[] = []
        let rest = ids
        for (const part of plan.parts) {
          const matching = await this.narrow(part, rest)
          found.push(matching)
          rest = subtract(rest, matching)
        }
        return merge(found)
      }
      default:
        throw new TypeError(`no such plan: ${JSON.stringify(plan satisfies never)}`)
    }
  }

  async #plans(appId: number, filters: readonly Filter[]): Promise<readonly Plan[]> {
    const plans: Plan[] = []
    for (const filter of filters) plans.push(await this.plan(appId, filter))
    // The rarest first: "all" is narrow early, and "any" asks the next for what is left.
    return plans.toSorted((one, other) => frequencyOf(one) - frequencyOf(other))
  }

  async #count(pair: bigint): Promise<number> {
    const [row] = await this.#session.query<{ n: number }>(
      `SELECT COUNT(*) AS n FROM (SELECT 1 FROM device_attribute WHERE pair = ? LIMIT ${COUNTED}) x`,
      [pair],
    )
    return row?.n ?? 0
  }

  async #having({ pair, count }: Extract<Plan, { kind: 'pair' }>, ids: Ids): Promise<Ids> {
    if (count === 0) return []
    // Its ids in the range of the window are one read, unless they are far more than the window has.
    const most = ids.length * MUCH_MORE_FREQUENT
    const inRange = await this.#read(
      `SELECT device_id FROM device_attribute WHERE pair = ? AND device_id BETWEEN ? AND ? ORDER BY device_id LIMIT ${most}`,
      [pair, ids[0] as number, ids.at(-1) as number],
    )
    if (inRange.length < most) return intersect(ids, inRange)
    const having: number[] = []
    for (const part of parts(ids, IDS_A_STATEMENT))
      having.push(
        ...(await this.#read(
          `SELECT device_id FROM device_attribute WHERE pair = ? AND device_id IN (${placeholders(part.length)}) ORDER BY device_id`,
          [pair, ...part],
        )),
      )
    return having
  }

  async #read(sql: string, parameters: readonly (number | bigint)[]): Promise<Ids> {
    const rows = await this.#session.query<{ device_id: number }>(sql, parameters)
    return rows.map(({ device_id }) => device_id)
  }
}

function frequencyOf(plan: Plan): number {
  if (plan.kind === 'pair') return plan.count
  if (plan.kind === 'not') return COUNTED
  const counts = plan.parts.map(frequencyOf)
  return plan.kind === 'all' ? Math.min(...counts) : counts.reduce((sum, count) => sum + count, 0)
}
