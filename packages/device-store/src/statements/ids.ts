import { type Parameter, parts, placeholders, type Session } from '@lhspn/database'

import { tokenBytes, tokenText } from './rows.ts'

export const IDS_A_STATEMENT = 1000
/** Ids this dense are read by their range. */
const DENSE = 3

/** Ids from the audience index, which has nothing else to read; for one environment, without a filter. */
export async function readAudienceIds(
  session: Session,
  search: { readonly appId: number; readonly environment: number },
  after: number,
  limit: number,
): Promise<readonly { readonly id: number }[]> {
  return session.query(
    `SELECT id FROM device ${session.dialect.forceIndex('device_audience')}
     WHERE app_id = ? AND environment = ? AND withheld = 0 AND id > ? ORDER BY id LIMIT ${limit}`,
    [search.appId, search.environment, after],
  )
}

/** The id given last, of whatever app; 0 if there is no device. */
export async function readNewestId(session: Session): Promise<number> {
  const [row] = await session.query<{ id: number | null }>('SELECT MAX(id) AS id FROM device')
  return row?.id ?? 0
}

/** The token of a device, and when it was removed and by which push if it was. */
export interface Known {
  readonly token: string
  readonly removed: { readonly at: Date; readonly push: string | null } | null
}

/** What is known of these ids: of devices, and of removed ones as long as their tombstone is kept. */
export async function readKnown(session: Session, ids: readonly number[]): Promise<ReadonlyMap<number, Known>> {
  const known = new Map<number, Known>()
  const select = `SELECT id, token FROM device ${session.dialect.forceIndex('PRIMARY')} WHERE`
  for (const part of parts(ids, IDS_A_STATEMENT)) {
    for (const { id, token } of await readByIds<{ id: number; token: Uint8Array }>(session, select, [], part))
      known.set(id, { token: tokenText(token), removed: null })
    const gone = part.filter((id) => !known.has(id))
    if (gone.length === 0) continue
    const tombstones = await session.query<{ id: number; token: Uint8Array; at: number; push: string | null }>(
      `SELECT device_id AS id, token, at, push FROM tombstone WHERE device_id IN (${placeholders(gone.length)})`,
      gone,
    )
    for (const { id, token, at, push } of tombstones)
      known.set(id, { token: tokenText(token), removed: { at: new Date(at), push } })
  }
  return known
}

/** Rows of these devices, of which those that are gone are missing. `select` ends where the condition on `id` begins. */
export async function readByIds<R extends { readonly id: number }>(
  session: Session,
  select: string,
  parameters: readonly Parameter[],
  ids: readonly number[],
): Promise<readonly R[]> {
  const [first, last] = [Math.min(...ids), Math.max(...ids)]
  if (last - first >= ids.length * DENSE)
    return session.query(`${select} id IN (${placeholders(ids.length)})`, [...parameters, ...ids])
  const rows = await session.query<R>(`${select} id BETWEEN ? AND ?`, [...parameters, first, last])
  if (last - first < ids.length) return rows
  const wanted = new Set(ids)
  return rows.filter(({ id }) => wanted.has(id))
}

/** Ids that a token has, or had before it was removed. */
export async function readIdsOf(session: Session, appId: number, token: string): Promise<readonly number[]> {
  const bytes = tokenBytes(token)
  const rows = await session.query<{ id: number }>(
    `SELECT id FROM device WHERE app_id = ? AND token = ?
     UNION ALL SELECT device_id AS id FROM tombstone WHERE app_id = ? AND token = ?`,
    [appId, bytes, appId, bytes],
  )
  return rows.map(({ id }) => id)
}
