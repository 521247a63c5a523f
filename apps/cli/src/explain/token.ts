import { toDeviceBody, toRecordBody } from '@lhspn/api'
import { parseDeviceToken } from '@lhspn/apns-protocol'
import type { Device, Tombstone } from '@lhspn/device-store'
import { type NotificationRecord, remedyOf } from '@lhspn/dispatcher'

import type { Context } from '../context.ts'
import { removalOf } from '../devices/one.ts'
import { CommandError } from '../errors.ts'
import { EXIT, type ExitCode } from '../exit-code.ts'
import { scopeOf } from '../installation.ts'
import { withService } from '../opened-service.ts'
import { alignColumns } from '../output.ts'

/** Shorter ones there may be; but nobody should get to see a device where a reason was mistyped. */
const LEAST_DIGITS = 16

/** The device token that a text is, in whatever spelling; undefined where it is none. */
export function tokenIn(text: string): string | undefined {
  try {
    const token = parseDeviceToken(text)
    return token.length < LEAST_DIGITS ? undefined : token
  } catch {
    return undefined
  }
}

/**
 * Tells whether a device can be reached, why not, and what became of its last notifications.
 * @throws CommandError `not-found` where nothing is known of it; ServiceError `unknown-app`; DatabaseError
 */
export function explainToken(token: string, topic: string | undefined, context: Context): Promise<ExitCode> {
  const { config, app } = scopeOf(context, topic, 'production')
  return withService(config, context, async ({ store, dispatcher }) => {
    const { output } = context
    const device = await store.get(app.topic, token)
    const tombstone = device === undefined ? await store.tombstone(app.topic, token) : undefined
    const notifications = await dispatcher.lastNotifications(app.topic, token)
    if (device === undefined && tombstone === undefined && notifications.length === 0)
      throw new CommandError(
        'not-found',
        `${app.topic} has no such device, and nothing was sent to it of late`,
        'Correct the token, or name another --app.',
      )
    if (output.json) {
      await output.printJson({
        app: app.topic,
        token,
        device: device === undefined ? null : toDeviceBody(device),
        tombstone: tombstone ?? null,
        notifications: notifications.map(toRecordBody),
      })
      return EXIT.done
    }
    await output.print(token, ...alignColumns(standingOf(device, tombstone)))
    if (notifications.length === 0) output.note('Nothing was sent to it of late.')
    else await output.print('last notifications', ...alignColumns(notifications.map(rowOf)))
    return EXIT.done
  })
}

function standingOf(device: Device | undefined, tombstone: Tombstone | undefined): string[][] {
  if (tombstone !== undefined)
    return [
      ['  it stands', removalOf(tombstone)],
      ['  what to do', 'Nothing: its app registers it again where it is still there.'],
    ]
  if (device === undefined)
    return [
      ['  it stands', 'not registered'],
      ['  what to do', 'Nothing is needed to send to it by its token; audiences do not have it.'],
    ]
  const { environment, updatedAt, refused } = device
  const registered = `registered ${updatedAt.toISOString()}, ${environment}`
  if (refused === null) return [['  it stands', registered]]
  const by = refused.push === null ? '' : ` by push ${refused.push}`
  return [
    ['  it stands', registered],
    ['  but', `refused ${refused.at.toISOString()}${by}: ${refused.reason}; audiences skip it`],
    ['  what to do', remedyOf(refused.reason) ?? 'Let its app register it again.'],
  ]
}

function rowOf({ id, push, outcome, reason, remedy }: NotificationRecord): string[] {
  return [`  ${push}`, id, outcome ?? 'remaining', reason ?? '', remedy ?? '']
}
