import { parts, placeholders, type Session } from '@lhspn/database'

import { DEVICE_COLUMNS, type DeviceRow, tokenBytes, tokenText } from './rows.ts'

const TOKENS = 500

/** Rows of these devices, by token. */
export async function readByTokens(
  session: Session,
  appId: number,
  tokens: readonly string[],
): Promise<ReadonlyMap<string, DeviceRow>> {
  const found = new Map<string, DeviceRow>()
  for (const part of parts(tokens, TOKENS)) {
    const rows = await session.query<DeviceRow>(
      `SELECT ${DEVICE_COLUMNS} FROM device WHERE app_id = ? AND token IN (${placeholders(part.length)})`,
      [appId, ...part.map(tokenBytes)],
    )
    for (const row of rows) found.set(tokenText(row.token), row)
  }
  return found
}
