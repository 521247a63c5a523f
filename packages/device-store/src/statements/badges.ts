import { MAX_BADGE } from '@lhspn/apns-protocol'
import { placeholders, type Transaction } from '@lhspn/database'

import { lockByToken } from './lock.ts'
import { tokenBytes } from './rows.ts'

/** Counts the badges of these devices up by one, each once, and answers the new values by token. */
export async function incrementBadges(
  transaction: Transaction,
  appId: number,
  tokens: readonly string[],
): Promise<ReadonlyMap<string, number>> {
  const rows = await lockByToken(transaction, appId, tokens)
  const badges = new Map<string, number>()
  const ids: number[] = []
  for (const [token, { id, badge }] of rows) {
    badges.set(token, Math.min(badge + 1, MAX_BADGE))
    if (badge < MAX_BADGE) ids.push(id)
  }
  if (ids.length > 0)
    await transaction.execute(`UPDATE device SET badge = badge + 1 WHERE id IN (${placeholders(ids.length)})`, ids)
  return badges
}

export async function resetBadges(transaction: Transaction, appId: number, tokens: readonly string[]): Promise<void> {
  await transaction.execute(
    `UPDATE device SET badge = 0 WHERE app_id = ? AND token IN (${placeholders(tokens.length)}) AND badge <> 0`,
    [appId, ...tokens.map(tokenBytes)],
  )
}
