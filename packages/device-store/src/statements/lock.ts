import { parts, placeholders, type Transaction } from '@lhspn/database'

import { DEVICE_COLUMNS, type DeviceRow, tokenBytes, tokenText } from './rows.ts'

const TOKENS = 1000

/** Rows of these devices, locked until the transaction ends, by token. */
export async function lockByToken(
  transaction: Transaction,
  appId: number,
  tokens: readonly string[],
): Promise<Map<string, DeviceRow>> {
  const { forUpdate, forceIndex } = transaction.dialect
  const found = new Map<string, DeviceRow>()
  for (const part of parts(tokens, TOKENS)) {
    // By the index even where the table is small: a scan would lock every row, and in another order.
    const rows = await transaction.query<DeviceRow>(
      `SELECT ${DEVICE_COLUMNS} FROM device ${forceIndex('device_token')}
       WHERE app_id = ? AND token IN (${placeholders(part.length)}) ${forUpdate}`,
      [appId, ...part.map(tokenBytes)],
    )
    for (const row of rows) found.set(tokenText(row.token), row)
  }
  return found
}
