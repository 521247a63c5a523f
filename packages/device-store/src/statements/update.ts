import { MAX_BADGE } from '@lhspn/apns-protocol'
import type { Transaction } from '@lhspn/database'

import { mergePatch, toJson } from '../attributes.ts'
import type { Changes, Device } from '../device.ts'
import { lockByToken } from './lock.ts'
import { attributesOf, type DeviceRow, environmentNumber, REFUSED, toDevice, withheldOf } from './rows.ts'
import { overwriteDevices, writePairs } from './save.ts'

/** Changes a device that is known; `updated_at` stays. */
export async function update(
  transaction: Transaction,
  app: { readonly topic: string; readonly id: number },
  token: string,
  changes: Changes,
): Promise<Device | undefined> {
  const row = (await lockByToken(transaction, app.id, [token])).get(token)
  if (row === undefined) return undefined
  const before = attributesOf(row)
  const after = changes.attributes === undefined ? before : mergePatch(before, changes.attributes)
  const platform = changes.platform ?? row.platform
  const refused = (row.withheld & REFUSED) !== 0 && changes.refused === undefined
  const next: DeviceRow = {
    ...row,
    environment: changes.environment === undefined ? row.environment : environmentNumber(changes.environment),
    platform,
    os_version: changes.osVersion ?? row.os_version,
    badge: badgeAfter(row.badge, changes.badge),
    withheld: withheldOf(platform, refused),
    ...(refused ? {} : { refused_at: null, refused_reason: null, refused_push: null }),
    attributes: toJson(after),
  }
  await overwriteDevices(transaction, app.id, [next])
  await writePairs(transaction, app.id, [{ before, after, row }])
  return toDevice(app.topic, next, after)
}

function badgeAfter(badge: number, change: Changes['badge']): number {
  if (change === undefined) return badge
  if (typeof change === 'number') return change
  return Math.max(0, Math.min(MAX_BADGE, badge + change.increment))
}
