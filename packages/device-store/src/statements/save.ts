import { deleteRows, insertMissing, overwrite, type Parameter, placeholders, type Transaction } from '@lhspn/database'

import { type Attributes, keepKeys, toJson } from '../attributes.ts'
import type { Device, Registration } from '../device.ts'
import { differenceOf } from '../pair.ts'
import { lockByToken } from './lock.ts'
import {
  attributesOf,
  type DeviceRow,
  environmentNumber,
  REFUSED,
  sortByToken,
  toDevice,
  tokenBytes,
  withheldOf,
} from './rows.ts'

export interface SaveRules {
  /** Keys whose stored values stay as they are, also where there is none. */
  readonly keepAttributes: readonly string[]
  /** True: a registration as old as the stored one changes nothing either. */
  readonly onlyNewer: boolean
  /** ms since 1970 */
  readonly now: number
}

/** What a registration did. */
export interface Saved {
  readonly token: string
  /** The device was not known. */
  readonly created: boolean
  /** It is new, or environment, platform, OS version or attributes are others now. */
  readonly changed: boolean
  /** A later registration is stored: this one changed nothing. */
  readonly stale: boolean
  readonly device: Device
}

/** A row under work: as it is stored, and as it shall be. */
interface Draft {
  readonly stored: DeviceRow
  readonly created: boolean
  readonly before: Attributes
  after: Attributes
  row: DeviceRow
}

/** Marks a row that this transaction has made: nobody else ever sees it, and no registration has this time. */
const UNSAVED = 0
const EARLIEST = 1

/**
 * Saves registrations of one app, answers in their order. The order of statements makes it safe against another save of
 * the same new token: selecting first would lock nothing, and the attributes of both would be listed.
 */
export async function save(
  transaction: Transaction,
  app: { readonly topic: string; readonly id: number },
  registrations: readonly Registration[],
  rules: SaveRules,
): Promise<readonly Saved[]> {
  const first = new Map<string, Registration>()
  for (const each of registrations) if (!first.has(each.token)) first.set(each.token, each)
  const sorted = sortByToken([...first.values()])
  await insertUnsaved(transaction, app.id, sorted, rules.now)
  const rows = await lockByToken(
    transaction,
    app.id,
    sorted.map(({ token }) => token),
  )
  const drafts = new Map<string, Draft>()
  for (const [token, row] of rows) drafts.set(token, draftOf(row))
  const saved = registrations.map((each) => apply(app.topic, drafts.get(each.token) as Draft, each, rules))
  const written = [...drafts.values()].filter(({ row, stored }) => row !== stored)
  await writeRows(transaction, app.id, written)
  await writePairs(transaction, app.id, written)
  return saved
}

async function insertUnsaved(
  transaction: Transaction,
  appId: number,
  registrations: readonly Registration[],
  now: number,
): Promise<void> {
  const rows = registrations.map((each): Parameter[] => {
    const platform = each.platform ?? 'ios'
    return [
      appId,
      environmentNumber(each.environment ?? 'production'),
      tokenBytes(each.token),
      platform,
      each.osVersion ?? '',
      each.badge ?? 0,
      withheldOf(platform, false),
      '{}',
      Math.max(EARLIEST, Math.min(now, each.createdAt?.getTime() ?? each.updatedAt?.getTime() ?? now)),
      UNSAVED,
    ]
  })
  const columns = ['app_id', 'environment', 'token', 'platform', 'os_version', 'badge', 'withheld', 'attributes']
  await insertMissing(transaction, 'device', [...columns, 'created_at', 'updated_at'], rows)
}

function draftOf(stored: DeviceRow): Draft {
  const attributes = attributesOf(stored)
  return { stored, row: stored, created: stored.updated_at === UNSAVED, before: attributes, after: attributes }
}

function apply(app: string, draft: Draft, registration: Registration, rules: SaveRules): Saved {
  const { token, environment, platform, osVersion, badge, attributes } = registration
  const { row } = draft
  const created = draft.created && row.updated_at === UNSAVED
  const given = registration.updatedAt?.getTime()
  const at = Math.max(EARLIEST, Math.min(rules.now, given ?? rules.now))
  const stale = !created && given !== undefined && (rules.onlyNewer ? at <= row.updated_at : at < row.updated_at)
  if (stale) return { token, created: false, changed: false, stale, device: toDevice(app, row, draft.after) }
  if (attributes !== undefined)
    draft.after =
      rules.keepAttributes.length === 0 ? attributes : keepKeys(draft.after, attributes, rules.keepAttributes)
  // What is as old as the stored row, as a line of its own export is, is no new registration: a refusal stays.
  const refused = given !== undefined && at <= row.updated_at && (row.withheld & REFUSED) !== 0
  const next: DeviceRow = {
    ...row,
    environment: environment === undefined ? row.environment : environmentNumber(environment),
    platform: platform ?? row.platform,
    os_version: osVersion ?? row.os_version,
    badge: badge ?? row.badge,
    withheld: withheldOf(platform ?? row.platform, refused),
    ...(!refused && { refused_at: null, refused_reason: null, refused_push: null }),
    attributes: attributes === undefined ? row.attributes : toJson(draft.after),
    // Clocks of two machines differ: a registration never moves it back.
    updated_at: Math.max(at, row.updated_at),
  }
  draft.row = next
  const changed =
    created ||
    next.environment !== row.environment ||
    next.platform !== row.platform ||
    next.os_version !== row.os_version ||
    next.attributes !== row.attributes
  return { token, created, changed, stale, device: toDevice(app, next, draft.after) }
}

/** An app that registers on each start changes nothing most of the time: then one statement moves the time of all. */
async function writeRows(transaction: Transaction, appId: number, drafts: readonly Draft[]): Promise<void> {
  const touched: number[] = []
  const rest: DeviceRow[] = []
  let time: number | undefined
  for (const { stored, row } of drafts) {
    if (sameButTime(stored, row)) time ??= row.updated_at
    if (sameButTime(stored, row) && row.updated_at === time) touched.push(row.id)
    else rest.push(row)
  }
  if (time !== undefined)
    await transaction.execute(`UPDATE device SET updated_at = ? WHERE id IN (${placeholders(touched.length)})`, [
      time,
      ...touched,
    ])
  await overwriteDevices(transaction, appId, rest)
}

/** Writes rows that exist, and are locked, as they are here; `created_at` stays. */
export async function overwriteDevices(
  transaction: Transaction,
  appId: number,
  rows: readonly DeviceRow[],
): Promise<void> {
  const columns = {
    key: 'id',
    fixed: ['app_id', 'token', 'created_at'],
    written: [
      'environment',
      'platform',
      'os_version',
      'badge',
      'withheld',
      'refused_at',
      'refused_reason',
      'refused_push',
      'attributes',
      'updated_at',
    ],
  } as const
  await overwrite(
    transaction,
    'device',
    columns,
    rows.map((row) => ({
      key: row.id,
      fixed: [appId, row.token, row.created_at],
      written: columns.written.map((name) => row[name]),
    })),
  )
}

function sameButTime(one: DeviceRow, other: DeviceRow): boolean {
  return (
    one.attributes === other.attributes &&
    one.environment === other.environment &&
    one.platform === other.platform &&
    one.os_version === other.os_version &&
    one.badge === other.badge &&
    (one.withheld & REFUSED) === (other.withheld & REFUSED)
  )
}

/** Writes the difference only, in the order of the pairs. */
export async function writePairs(
  transaction: Transaction,
  appId: number,
  changes: readonly { readonly before: Attributes; readonly after: Attributes; readonly row: DeviceRow }[],
): Promise<void> {
  const gone: [bigint, number][] = []
  const come: [bigint, number][] = []
  for (const { before, after, row } of changes) {
    if (before === after) continue
    const difference = differenceOf(appId, before, after)
    for (const pair of difference.gone) gone.push([pair, row.id])
    for (const pair of difference.come) come.push([pair, row.id])
  }
  await deleteRows(transaction, 'device_attribute', ['pair', 'device_id'], gone.toSorted(byPair))
  await insertMissing(transaction, 'device_attribute', ['pair', 'device_id'], come.toSorted(byPair))
}

function byPair([one, first]: readonly [bigint, number], [other, second]: readonly [bigint, number]): number {
  return one < other ? -1 : one > other ? 1 : first - second
}
