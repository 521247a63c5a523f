import { ERROR_STATUSES, PROVIDER_REASONS } from '@lhspn/apns-protocol'
import type { DeviceStore, Known } from '@lhspn/device-store'
import { OWN_REASONS } from '@lhspn/sender'

import { decodeMembers } from './chunk-members.ts'
import { numberOf } from './commands.ts'
import { notificationIds, pushNumberOf } from './notification-id.ts'
import { codesOf, outcomeOfCode, type SettledKind } from './outcome-code.ts'
import { checkLimit, type Page, parseCursor, renderCursor } from './report.ts'
import { readAddress, readNumbers } from './statements/pushes.ts'
import { type ChunkRecords, readChunkRecords, readPushName } from './statements/records.ts'

/** What became of one notification, as far as it is kept. */
export interface NotificationRecord {
  /** Its `apns-id`. */
  readonly id: string
  /** The id of its push. */
  readonly push: string
  readonly token: string
  /** null: not settled yet. */
  readonly outcome: SettledKind | null
  readonly reason?: string
  /** When its device was removed. */
  readonly since?: Date
  readonly remedy?: string
}

export interface RecordsOptions {
  readonly outcome?: SettledKind | undefined
  readonly reason?: string | undefined
  /** A `nextCursor`. */
  readonly cursor?: string | undefined
  /** 1 to 1000; 50 when absent. */
  readonly limit?: number | undefined
}

/** Chunks read in one statement. */
const CHUNKS = 8
/** Ids resolved in one statement. */
const IDS = 1000
/** Pushes that a search for one token looks into. */
const PUSHES_SEARCHED = 50

/** A place in a push: a member and the code of its outcome. */
interface Found {
  readonly seq: number
  readonly index: number
  readonly member: number | string
  readonly code: number
}

/**
 * Records of settled notifications, in the order of the audience. They are read from the packed outcomes of chunks:
 * a push whose chunks have been swept up has none. A device whose tombstone is forgotten has neither token nor record.
 * @throws DispatcherError `unknown-push`, `invalid-cursor`; DatabaseError
 */
export async function listRecords(
  store: DeviceStore,
  id: string,
  options: RecordsOptions = {},
): Promise<Page<NotificationRecord>> {
  const { outcome, reason, cursor } = options
  const limit = checkLimit(options.limit)
  const number = await numberOf(store.database, id)
  const codes = new Set(codesOf(outcome, reason))
  const [fromSeq = 0, fromIndex = 0] = cursor === undefined ? [] : parseCursor(cursor, 2)
  const found: Found[] = []
  const wanted = {
    number,
    outcome: outcome ?? ('settled' as const),
    reasons: reason === undefined ? undefined : [...codes],
  }
  for await (const chunk of chunksFrom(store, wanted, fromSeq)) {
    for (const each of settledOf(chunk)) {
      if (!codes.has(each.code) || (each.seq === fromSeq && each.index < fromIndex)) continue
      if (found.push(each) > limit) break
    }
    if (found.length > limit) break
  }
  const next = found[limit]
  return {
    data: await toRecords(store, { id, number }, found.slice(0, limit)),
    nextCursor: next === undefined ? null : renderCursor(next.seq, next.index),
  }
}

/** The notification with this `apns-id`; undefined if it is not known, or not any more. @throws DatabaseError */
export async function findRecord(store: DeviceStore, apnsId: string): Promise<NotificationRecord | undefined> {
  const number = pushNumberOf(apnsId)
  const id = number === undefined ? undefined : await readPushName(store.database, number)
  if (number === undefined || id === undefined) return undefined
  const idOf = notificationIds({ id, number })
  const wanted = apnsId.toLowerCase()
  for await (const chunk of chunksFrom(store, { number, outcome: undefined, reasons: undefined }, 0)) {
    const members = membersOf(chunk)
    for (let at = 0; at < members.length; at += IDS) {
      const part = members.slice(at, at + IDS)
      const known = await knownOf(store, part)
      const found = part.find(({ member }) => {
        const token = tokenOf(member, known)
        return token !== undefined && idOf(token) === wanted
      })
      if (found !== undefined) return (await toRecords(store, { id, number }, [found]))[0]
    }
  }
  return undefined
}

/**
 * What became of the last notifications to a token, newest first, among the last 50 pushes of the app.
 * @throws DeviceStoreError `invalid-token`; DatabaseError
 */
export async function lastRecords(
  store: DeviceStore,
  app: string,
  token: string,
  limit: number,
): Promise<readonly NotificationRecord[]> {
  const ids = new Set<number | string>([token, ...(await store.idsOf(app, token))])
  const records: NotificationRecord[] = []
  const wanted = { app, below: Number.MAX_SAFE_INTEGER }
  for (const number of await readNumbers(store.database, wanted, PUSHES_SEARCHED)) {
    const id = await readPushName(store.database, number)
    if (id === undefined) continue
    for await (const chunk of chunksFrom(store, { number, outcome: undefined, reasons: undefined }, 0)) {
      const found = membersOf(chunk, (member) => ids.has(member))
      records.push(...(await toRecords(store, { id, number }, found)))
    }
    if (records.length >= limit) return records.slice(0, limit)
  }
  return records
}

/** Why a member was settled here, without a word to Apple. */
export const UNWRITTEN_REASONS = {
  Removed: {
    kind: 'unregistered',
    meaning: 'The device was removed after the push was planned, before its turn came.',
    remedy: 'Nothing: the device was gone before its turn came, and nothing was written to it.',
  },
  Refused: {
    kind: 'rejected',
    meaning: 'The device was marked as refused after the push was planned, before its turn came.',
    remedy: 'Nothing until it registers again: Apple has rejected its token for good. See what the device says.',
  },
  Moved: {
    kind: 'rejected',
    meaning: 'The device registered in the other environment after the push was planned.',
    remedy: 'Send to the other environment: the device registered there after the push was planned.',
  },
} as const satisfies Readonly<
  Record<string, { readonly kind: SettledKind; readonly meaning: string; readonly remedy: string }>
>

/** What to do about a reason: Apple's, or one of ours. */
export function remedyOf(reason: string): string | undefined {
  return REMEDIES.get(reason)
}

const REMEDIES: ReadonlyMap<string, string> = new Map([
  ...Object.values(ERROR_STATUSES).map(({ name, remedy }) => [name, remedy] as const),
  ...Object.entries(PROVIDER_REASONS).map(([name, { remedy }]) => [name, remedy] as const),
  ...Object.entries(OWN_REASONS).map(([name, { remedy }]) => [name, remedy] as const),
  ...Object.entries(UNWRITTEN_REASONS).map(([name, { remedy }]) => [name, remedy] as const),
])

async function* chunksFrom(
  store: DeviceStore,
  wanted: Parameters<typeof readChunkRecords>[1],
  from: number,
): AsyncGenerator<ChunkRecords, void, undefined> {
  for (let seq = from; ;) {
    const chunks = await readChunkRecords(store.database, wanted, seq, CHUNKS)
    yield* chunks
    if (chunks.length < CHUNKS) return
    seq = (chunks.at(-1) as ChunkRecords).seq + 1
  }
}

function settledOf(chunk: ChunkRecords): readonly Found[] {
  return membersOf(chunk, (_member, code) => code !== 0)
}

function membersOf(
  { seq, members, outcomes }: ChunkRecords,
  isMeant: (member: number | string, code: number) => boolean = () => true,
): readonly Found[] {
  const decoded = decodeMembers(members)
  const found: Found[] = []
  for (const [index, member] of ('ids' in decoded ? decoded.ids : decoded.tokens).entries()) {
    const code = outcomes?.[index] ?? 0
    if (isMeant(member, code)) found.push({ seq, index, member, code })
  }
  return found
}

function knownOf(store: DeviceStore, found: readonly Found[]): Promise<ReadonlyMap<number, Known>> {
  return store.known(found.flatMap(({ member }) => (typeof member === 'number' ? [member] : [])))
}

function tokenOf(member: number | string, known: ReadonlyMap<number, Known>): string | undefined {
  return typeof member === 'string' ? member : known.get(member)?.token
}

async function toRecords(
  store: DeviceStore,
  push: { readonly id: string; readonly number: number },
  found: readonly Found[],
): Promise<readonly NotificationRecord[]> {
  const known = await knownOf(store, found)
  const removals = await removalsOf(store, push, found)
  const idOf = notificationIds(push)
  return found.flatMap(({ member, code }): readonly NotificationRecord[] => {
    const token = tokenOf(member, known)
    if (token === undefined) return []
    const { kind, reason } = outcomeOfCode(code) ?? { kind: null }
    const remedy = reason === undefined ? undefined : remedyOf(reason)
    const removed = typeof member === 'number' ? known.get(member)?.removed : removals.get(member)
    return [
      {
        id: idOf(token),
        push: push.id,
        token,
        outcome: kind,
        ...(reason !== undefined && { reason }),
        ...(removed?.push === push.id && { since: removed.at }),
        ...(remedy !== undefined && { remedy }),
      },
    ]
  })
}

/** How the devices of explicit tokens were removed by this push. */
async function removalsOf(
  store: DeviceStore,
  push: { readonly id: string; readonly number: number },
  found: readonly Found[],
): Promise<ReadonlyMap<string, Known['removed']>> {
  const dead = found.flatMap(({ member, code }) =>
    typeof member === 'string' && outcomeOfCode(code)?.kind === 'unregistered' ? [member] : [],
  )
  const address = dead.length === 0 ? undefined : await readAddress(store.database, push.number)
  if (address === undefined) return new Map()
  // A token that registered again has a device, and tombstones of those that it had before.
  const ids: number[] = []
  for (const token of dead) ids.push(...(await store.idsOf(address.app, token)))
  const removals = new Map<string, Known['removed']>()
  for (const { token, removed } of (await store.known(ids)).values())
    if (removed?.push === push.id) removals.set(token, removed)
  return removals
}
