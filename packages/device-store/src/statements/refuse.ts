import { placeholders, type Transaction } from '@lhspn/database'

import { lockByToken } from './lock.ts'
import { REFUSED } from './rows.ts'

/** APNs rejected the token for good, with this reason. */
export interface Refusal {
  readonly token: string
  readonly reason: string
  readonly push: string | null
  /** ms since 1970: whoever registered later is not meant. Infinity: everybody is. */
  readonly since: number
}

/** Marks the devices that are still of this environment; answers how many. */
export async function refuseDevices(
  transaction: Transaction,
  appId: number,
  environment: number,
  refusals: readonly Refusal[],
  now: number,
): Promise<number> {
  const rows = await lockByToken(
    transaction,
    appId,
    refusals.map(({ token }) => token),
  )
  const marked = new Map<string, { readonly refusal: Refusal; readonly ids: number[] }>()
  for (const refusal of refusals) {
    const row = rows.get(refusal.token)
    if (row === undefined || row.environment !== environment || row.updated_at > refusal.since) continue
    const key = `${refusal.reason}\0${refusal.push}`
    const group = marked.get(key) ?? { refusal, ids: [] }
    group.ids.push(row.id)
    marked.set(key, group)
  }
  let count = 0
  for (const { refusal, ids } of marked.values()) {
    count += ids.length
    await transaction.execute(
      `UPDATE device SET withheld = withheld | ${REFUSED}, refused_at = ?, refused_reason = ?, refused_push = ?
       WHERE id IN (${placeholders(ids.length)})`,
      [now, refusal.reason, refusal.push, ...ids],
    )
  }
  return count
}
