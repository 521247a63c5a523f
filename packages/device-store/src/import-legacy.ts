import { type Database, openDatabase } from '@lhspn/database'

import type { Registration } from './device.ts'
import { DeviceStoreError } from './errors.ts'
import { type LegacyReport, type LegacyRow, readLegacyRow } from './legacy-row.ts'
import type { Saved } from './statements/save.ts'

export interface LegacyImportOptions {
  /** Topic of the app whose devices they become: an old table has those of one. */
  readonly app: string
  /** LHSPNservice_devices */
  readonly table?: string | undefined
  /** Of the MySQL user, where the source is a URL that has none. */
  readonly password?: string | undefined
  /** Called for everything that could not be taken over as it was; tokens are whole. */
  readonly onReport?: ((report: LegacyReport) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** Rows by what became of them. */
export interface LegacyImport {
  /** Inserted, or newer than what was stored. */
  readonly saved: number
  /** As new as what was stored, or older: another import has been here, or the device has registered since. */
  readonly unchanged: number
  /** Without a usable token. */
  readonly refused: number
}

/** Saves registrations that are newer than what is stored. */
type SaveNewer = (registrations: readonly Registration[]) => Promise<readonly Saved[]>

const TABLE = 'LHSPNservice_devices'
/** Rows that are read, converted and saved at once. */
const PAGE = 1000

/**
 * Reads the table page by page and saves what it finds. The old table has no transactions: rows that change while it is
 * read may be missed, and a second run takes them.
 */
export async function importLegacy(
  saveNewer: SaveNewer,
  source: string | Database,
  options: LegacyImportOptions,
): Promise<LegacyImport> {
  const { app, table = TABLE, password, signal } = options
  if (!/^[A-Za-z0-9_$]{1,64}$/.test(table))
    throw new DeviceStoreError('invalid-table', `${JSON.stringify(table)} is no name of a table`, 'Correct the name.')
  if (typeof source !== 'string') return importFrom(saveNewer, source, app, table, options)
  const database = await openDatabase(source, { password, signal })
  try {
    return await importFrom(saveNewer, database, app, table, options)
  } finally {
    await database.close()
  }
}

async function importFrom(
  saveNewer: SaveNewer,
  source: Database,
  app: string,
  table: string,
  { onReport, signal }: LegacyImportOptions,
): Promise<LegacyImport> {
  const count = { saved: 0, unchanged: 0, refused: 0 }
  for await (const rows of readTable(source, table)) {
    signal?.throwIfAborted()
    const read = rows.map((row) => readLegacyRow(row, app))
    const registrations = read.flatMap(({ registration }) => (registration === undefined ? [] : [registration]))
    count.refused += read.length - registrations.length
    for (const { stale } of await saveNewer(registrations)) count[stale ? 'unchanged' : 'saved']++
    for (const { reports } of read) for (const report of reports) onReport?.(report)
  }
  return count
}

/** In the order of the table's key, whatever its collation says that is: only the database compares tokens. */
async function* readTable(source: Database, table: string): AsyncGenerator<readonly LegacyRow[], void, undefined> {
  const select = `SELECT token, badge, OSVersion, isDev, userInfo, updatedAt, createdAt FROM \`${table}\``
  const order = `ORDER BY token LIMIT ${PAGE}`
  let rows = await source.query<LegacyRow>(`${select} ${order}`)
  for (;;) {
    if (rows.length > 0) yield rows
    if (rows.length < PAGE) return
    const last = rows.at(-1)?.token as string
    rows = await source.query<LegacyRow>(`${select} WHERE token > ? ${order}`, [last])
  }
}
