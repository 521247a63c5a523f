import type { Database } from '@lhspn/database'
import type { DeviceStore, Member } from '@lhspn/device-store'
import type { Notification } from '@lhspn/sender'

import { LeaseLost } from './checkpoints.ts'
import { decodeMembers, type Members } from './chunk-members.ts'
import type { ChunkOutcomes } from './chunk-outcomes.ts'
import type { Lease } from './chunk-queue/chunk-queue.ts'
import { notificationIds } from './notification-id.ts'
import { MOVED, REFUSED, REMOVED, UNSETTLED } from './outcome-code.ts'
import { moveCounted, readCounted } from './statements/checkpoint.ts'
import { untilDone } from './until-done.ts'

/** A notification that knows which member of its chunk it goes to. */
export interface MemberNotification extends Notification {
  readonly index: number
  readonly id: string
}

export interface OpenMembersOptions {
  readonly database: Database
  readonly store: DeviceStore
  readonly lease: Lease
  readonly outcomes: ChunkOutcomes
  readonly signal: AbortSignal
  /** Told of each member that is settled without being sent to; its token is known unless it is gone. */
  readonly onUnwritten: (code: number, token: string | undefined) => void
  readonly onError: (error: unknown) => void
}

/** Members a statement, and a transaction that counts badges; on SQLite one of these takes some 10 ms. */
const BATCH = { mysql: 1000, sqlite: 500 }

/** One of a batch: what is sent to it, or the code of why nothing is. */
type Opened =
  | { readonly token: string; readonly badge: number | undefined; readonly code?: undefined }
  | { readonly token: string | undefined; readonly code: number }

/**
 * Reads the members of a chunk that are not settled, as they are now, and makes notifications of them. Devices that are
 * gone, refused or moved meanwhile are settled on the spot. Badges are counted batch by batch, in the order of the
 * members, each once: how far they were is in the chunk's row, in the transaction that counts.
 */
export async function* openMembers(
  options: OpenMembersOptions,
): AsyncGenerator<readonly MemberNotification[], void, undefined> {
  const { database, lease, outcomes } = options
  const { push } = lease
  const members = decodeMembers(lease.members)
  const most = BATCH[database.dialect.name]
  const counts = push.badge === 'increment'
  const idOf = notificationIds(push)
  let { counted } = lease
  for (let start = 0, end; start < lease.size; start = end) {
    end = Math.min(start + most, lease.size)
    if (counts && start < counted) end = Math.min(end, counted)
    const counting = counts && start >= counted
    const opened = counting
      ? await countBatch(options, members, start, end)
      : isSettled(outcomes, start, end)
        ? undefined
        : await readBatch(options, members, start, end)
    if (counting) counted = end
    if (opened === undefined) continue
    const notifications: MemberNotification[] = []
    for (let index = start; index < end; index++) {
      if (outcomes.codeAt(index) !== UNSETTLED) continue
      const each = opened[index - start] as Opened
      if (each.code !== undefined) {
        outcomes.settle(index, each.code)
        options.onUnwritten(each.code, each.token)
        continue
      }
      const { token, badge } = each
      const id = idOf(token)
      const { content } = push
      notifications.push(badge === undefined ? { token, content, id, index } : { token, content, badge, id, index })
    }
    if (notifications.length > 0) yield notifications
  }
}

function isSettled(outcomes: ChunkOutcomes, start: number, end: number): boolean {
  for (let index = start; index < end; index++) if (outcomes.codeAt(index) === UNSETTLED) return false
  return true
}

async function readBatch(
  { store, lease, ...retrying }: OpenMembersOptions,
  members: Members,
  start: number,
  end: number,
): Promise<readonly Opened[]> {
  const { app, badge } = lease.push
  const fixed = typeof badge === 'number' ? badge : undefined
  if ('tokens' in members) {
    const tokens = members.tokens.slice(start, end)
    if (badge !== 'increment') return tokens.map((token) => ({ token, badge: fixed }))
    const devices = await untilDone(() => store.getMany(app, tokens), retrying)
    return tokens.map((token, at) => ({ token, badge: devices[at]?.badge ?? 1 }))
  }
  const ids = members.ids.slice(start, end)
  const devices = await untilDone(() => store.members(app, ids), retrying)
  return ids.map((id) => openedOf(lease, devices.get(id), fixed))
}

/** Counts the badges of a batch, and reads them. */
async function countBatch(
  { database, store, lease, ...retrying }: OpenMembersOptions,
  members: Members,
  start: number,
  end: number,
): Promise<readonly Opened[]> {
  const { app, environment } = lease.push
  const opened = await untilDone(async () => {
    // Where a COMMIT was not answered, this tells whether it happened.
    const counted = await readCounted(database, lease)
    if (counted === undefined) throw new LeaseLost()
    if (counted >= end) return undefined
    return database.transaction(async (transaction) => {
      if (!(await moveCounted(transaction, lease, start, end))) throw new LeaseLost()
      if ('tokens' in members) {
        const tokens = members.tokens.slice(start, end)
        const badges = await store.incrementBadge(app, tokens, { in: transaction })
        return tokens.map((token, at) => ({ token, badge: badges[at] as number }))
      }
      const ids = members.ids.slice(start, end)
      const devices = await store.countMembers(app, environment, ids, transaction)
      return ids.map((id) => openedOf(lease, devices.get(id), undefined))
    })
  }, retrying)
  return opened ?? readBatch({ database, store, lease, ...retrying }, members, start, end)
}

function openedOf({ push }: Lease, device: Member | undefined, badge: number | undefined): Opened {
  if (device === undefined) return { token: undefined, code: REMOVED }
  const { token } = device
  if (device.environment !== push.environment) return { token, code: MOVED }
  if (device.refused) return { token, code: REFUSED }
  return { token, badge: push.badge === 'increment' ? device.badge : badge }
}
