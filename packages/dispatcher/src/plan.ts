import type { DeviceStore } from '@lhspn/device-store'

import { encodeIds } from './chunk-members.ts'
import { newOwner } from './owner.ts'
import { PlannedChunks, type PlanOptions } from './planned-chunks.ts'
import { environmentOf, searchOf } from './push-row.ts'
import { endPlan, leasePlan, type Planning, type PlanRow, releasePlan, renewPlan } from './statements/plan.ts'

/**
 * Makes chunks of a push's audience, up to the id that was the newest when planning began, until it is complete, or the
 * push is paused or canceled, or `signal` is aborted: then whoever leases the planning goes on behind the last chunk.
 * False: somebody else plans it now, or there is nothing to plan. @throws DatabaseError
 */
export async function plan(
  options: PlanOptions,
  store: DeviceStore,
  number: number,
  signal: AbortSignal,
): Promise<boolean> {
  const { database, leaseMs } = options
  const planning: Planning = { number, owner: newOwner() }
  const upper = await store.newestId()
  const renewal = new Renewal(() => renewPlan(database, planning, leaseMs), leaseMs / 3)
  try {
    const row = await leasePlan(database, planning, leaseMs, upper)
    if (row === undefined) return false
    await planRow(new PlannedChunks(options, planning, row), store, row, signal)
    // Tokens came in a stream, and who stored it is gone: what there is of it is all.
    if (searchOf(row) === undefined) await endPlan(database, planning)
  } finally {
    await renewal.end()
    await releasePlan(database, planning)
  }
  return true
}

async function planRow(chunks: PlannedChunks, store: DeviceStore, row: PlanRow, signal: AbortSignal): Promise<void> {
  const search = searchOf(row)
  if (search === undefined) return
  const { app, plan_after: after, plan_upper: upTo } = row
  const environment = environmentOf(row.environment)
  let ids: number[] = []
  for await (const page of store.findIds({ app, environment, ...search, after, upTo: upTo ?? 0 })) {
    ids.push(...page)
    while (ids.length >= chunks.most) {
      const full = ids.slice(0, chunks.most)
      if (signal.aborted || !(await chunks.append(full, encodeIds, { after: full.at(-1) as number }))) return
      ids = ids.slice(full.length)
    }
    if (signal.aborted) return
  }
  await chunks.append(ids, encodeIds, { after: upTo ?? 0, isLast: true })
}

/** Renews a lease by the clock: a search that finds little may take long. A lease that is lost shows at the next chunk. */
class Renewal {
  readonly #timer: NodeJS.Timeout
  #running: Promise<unknown> | undefined

  constructor(renew: () => Promise<unknown>, everyMs: number) {
    this.#timer = setInterval(() => {
      this.#running ??= renew()
        .catch(() => undefined)
        .finally(() => {
          this.#running = undefined
        })
    }, everyMs)
  }

  async end(): Promise<void> {
    clearInterval(this.#timer)
    await this.#running
  }
}
