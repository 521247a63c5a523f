import { MAX_BADGE } from '@lhspn/apns-protocol'
import { parts, placeholders, type Session, type Transaction } from '@lhspn/database'

import type { Environment } from '../device.ts'
import { IDS_A_STATEMENT, readByIds } from './ids.ts'
import { environmentNumber, REFUSED, tokenText } from './rows.ts'

/** What sending needs to know of a device. */
export interface Member {
  readonly token: string
  readonly environment: Environment
  readonly badge: number
  readonly refused: boolean
}

interface MemberRow {
  readonly id: number
  readonly environment: number
  readonly token: Uint8Array
  readonly badge: number
  readonly withheld: number
}

const COLUMNS = 'id, environment, token, badge, withheld'

/** The devices of these ascending ids, by id. */
export async function readMembers(
  session: Session,
  appId: number,
  ids: readonly number[],
): Promise<ReadonlyMap<number, Member>> {
  const members = new Map<number, Member>()
  // The plus keeps SQLite from an index on this column, where it would read all devices of the app.
  const select = `SELECT ${COLUMNS} FROM device ${session.dialect.forceIndex('PRIMARY')} WHERE +app_id = ? AND`
  for (const part of parts(ids, IDS_A_STATEMENT))
    for (const row of await readByIds<MemberRow>(session, select, [appId], part))
      members.set(row.id, toMember(row, row.badge))
  return members
}

/**
 * The same, locked until the transaction ends; the badges of those that are of this environment and not refused are
 * counted up by one, and have the new value.
 */
export async function countMembers(
  transaction: Transaction,
  appId: number,
  environment: Environment,
  ids: readonly number[],
): Promise<ReadonlyMap<number, Member>> {
  const { forceIndex, forUpdate } = transaction.dialect
  const members = new Map<number, Member>()
  for (const part of parts(ids, IDS_A_STATEMENT)) {
    const rows = await transaction.query<MemberRow>(
      `SELECT ${COLUMNS} FROM device ${forceIndex('PRIMARY')}
       WHERE +app_id = ? AND id IN (${placeholders(part.length)}) ORDER BY id ${forUpdate}`,
      [appId, ...part],
    )
    const counted: number[] = []
    for (const row of rows) {
      const reached = row.environment === environmentNumber(environment) && (row.withheld & REFUSED) === 0
      const grows = reached && row.badge < MAX_BADGE
      if (grows) counted.push(row.id)
      members.set(row.id, toMember(row, row.badge + (grows ? 1 : 0)))
    }
    if (counted.length > 0)
      await transaction.execute(
        `UPDATE device SET badge = badge + 1 WHERE id IN (${placeholders(counted.length)})`,
        counted,
      )
  }
  return members
}

function toMember({ token, environment, withheld }: MemberRow, badge: number): Member {
  return {
    token: tokenText(token),
    environment: environment === 0 ? 'production' : 'sandbox',
    badge,
    refused: (withheld & REFUSED) !== 0,
  }
}
