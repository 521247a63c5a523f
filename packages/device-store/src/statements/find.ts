import { parts, placeholders, type Session } from '@lhspn/database'

import { type Filter, matches } from '../audience.ts'
import { idWindows } from '../id-windows.ts'
import { type Ids, type PageSize, type ReadIds, unionOf } from '../sorted-ids.ts'
import { attributesOf, FOREIGN, REFUSED } from './rows.ts'

/** Which devices of an app: numbers as in the tables. */
export interface Search {
  readonly appId: number
  readonly environment: number | undefined
  readonly filter: Filter | undefined
  /** Values of `withheld` that are wanted. */
  readonly withheld: readonly number[]
  /** Above this id only. */
  readonly after: number
  /** Rows that the caller is likely to take; the first window is made for them. */
  readonly wanted: number
}

export const ANY_WITHHELD = [0, REFUSED, FOREIGN, REFUSED | FOREIGN]
const FIRST_WINDOW = 256
/** Windows of ids are cheaper than rows. */
const WINDOW_PAGES = 2
const IDS_A_STATEMENT = 1000
/** Ids this dense are read by their range. */
const DENSE = 3
/** Counting entries of an index at once is cheaper still. */
const COUNT_PAGES = 4

/**
 * Rows of the devices found, page by page, by ascending id. `columns` must have what `attributesOf` needs where there
 * is a filter: a match counts only if the attributes that are read say so too.
 */
export async function* findRows<R extends { readonly id: number; readonly attributes?: string }>(
  session: Session,
  search: Search,
  columns: string,
): AsyncGenerator<readonly R[], void, undefined> {
  const { filter } = search
  for await (const window of windowsOf(session, search))
    for (const ids of parts(window, session.dialect.pageSize)) {
      const rows = await readRows<R>(session, search, columns, ids)
      const found =
        filter === undefined ? rows : rows.filter((row) => matches(filter, attributesOf(row as { attributes: string })))
      if (found.length > 0) yield found
    }
}

/** Ids and tokens, straight from the audience index; for one environment, without a filter. */
export async function readAudience(
  session: Session,
  search: { readonly appId: number; readonly environment: number },
  after: number,
  limit: number,
): Promise<readonly { readonly id: number; readonly token: Uint8Array }[]> {
  return session.query(
    `SELECT id, token FROM device ${session.dialect.forceIndex('device_audience')}
     WHERE app_id = ? AND environment = ? AND withheld = 0 AND id > ? ORDER BY id LIMIT ${limit}`,
    [search.appId, search.environment, after],
  )
}

/** How many there are. */
export async function countRows(session: Session, search: Search): Promise<number> {
  let count = 0
  if (search.filter === undefined) {
    for (const branch of branchesOf(search)) count += await countBranch(session, search.appId, branch)
    return count
  }
  for await (const ids of windowsOf(session, search))
    for (const part of parts(ids, session.dialect.pageSize))
      count += (await readRows(session, search, 'id', part)).length
  return count
}

function windowsOf(session: Session, search: Search): AsyncGenerator<Ids, void, undefined> {
  const { appId, filter, after, wanted } = search
  const most = session.dialect.pageSize * WINDOW_PAGES
  const size: PageSize = { first: Math.min(Math.max(wanted, FIRST_WINDOW), most), most }
  const everybody = branchesOf(search).map(([environment, withheld]): ReadIds => async (above, limit) => {
    const rows = await session.query<{ id: number }>(
      `SELECT id FROM device ${session.dialect.forceIndex('device_audience')}
           WHERE app_id = ? AND environment = ? AND withheld = ? AND id > ? ORDER BY id LIMIT ${limit}`,
      [appId, environment, withheld, above],
    )
    return rows.map(({ id }) => id)
  })
  if (filter === undefined) return unionOf(everybody, after, size)
  return idWindows(session, appId, filter, everybody, after, size)
}

/** The parts of the audience index that are asked for: each is in the order of ids. */
function branchesOf({ environment, withheld }: Search): (readonly [environment: number, withheld: number])[] {
  return (environment === undefined ? [0, 1] : [environment]).flatMap((each) =>
    withheld.map((value) => [each, value] as const),
  )
}

async function readRows<R>(session: Session, search: Search, columns: string, ids: Ids): Promise<readonly R[]> {
  const { appId, environment, withheld } = search
  const first = ids[0] as number
  const last = ids.at(-1) as number
  // The plus keeps SQLite from an index on these columns, where it would read all devices of the app.
  const conditions = [
    '+app_id = ?',
    environment === undefined ? '' : ` AND +environment = ${environment}`,
    withheld.length === ANY_WITHHELD.length ? '' : ` AND +withheld IN (${withheld.join(', ')})`,
  ].join('')
  const select = `SELECT ${columns} FROM device ${session.dialect.forceIndex('PRIMARY')} WHERE ${conditions}`
  if (last - first < ids.length * DENSE) {
    const wanted = new Set(ids)
    const rows = await session.query<R & { id: number }>(`${select} AND id BETWEEN ? AND ? ORDER BY id`, [
      appId,
      first,
      last,
    ])
    return rows.filter(({ id }) => wanted.has(id))
  }
  const rows: R[] = []
  for (const part of parts(ids, IDS_A_STATEMENT))
    rows.push(
      ...(await session.query<R>(`${select} AND id IN (${placeholders(part.length)}) ORDER BY id`, [appId, ...part])),
    )
  return rows
}

async function countBranch(
  session: Session,
  appId: number,
  [environment, withheld]: readonly [number, number],
): Promise<number> {
  const size = session.dialect.pageSize * COUNT_PAGES
  let count = 0
  for (let after = 0; ;) {
    const [row] = await session.query<{ n: number; last: number | null }>(
      `SELECT COUNT(*) AS n, MAX(id) AS last FROM
       (SELECT id FROM device ${session.dialect.forceIndex('device_audience')}
        WHERE app_id = ? AND environment = ? AND withheld = ? AND id > ? ORDER BY id LIMIT ${size}) x`,
      [appId, environment, withheld, after],
    )
    count += row?.n ?? 0
    if (row === undefined || row.n < size || row.last === null) return count
    after = row.last
  }
}
