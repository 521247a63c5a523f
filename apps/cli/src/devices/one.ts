import { toDeviceBody } from '@lhspn/api'
import type { Device, Tombstone } from '@lhspn/device-store'

import type { Context } from '../context.ts'
import { CommandError, type InputFault, refuseFaults } from '../errors.ts'
import { EXIT, type ExitCode } from '../exit-code.ts'
import { readToken, scopeOf } from '../installation.ts'
import { withService } from '../opened-service.ts'
import { alignColumns } from '../output.ts'
import { pairsOf } from './list.ts'

interface OneFlags {
  readonly app?: string | undefined
}

/**
 * Shows a device; of a removed one, what is remembered of that, with exit 4.
 * @throws CommandError `invalid-input`, `not-found`
 */
export async function showDevice(text: string, flags: OneFlags, context: Context): Promise<ExitCode> {
  const token = readArgument(text, 'Nothing was looked up')
  const { config, app } = scopeOf(context, flags.app, 'production')
  const { topic } = app
  return withService(config, context, async ({ store }) => {
    const { output } = context
    const device = await store.get(topic, token)
    if (device !== undefined) {
      await (output.json ? output.printJson(toDeviceBody(device)) : output.print(...describe(device)))
      return EXIT.done
    }
    const tombstone = await store.tombstone(topic, token)
    if (tombstone === undefined) {
      throw new CommandError('not-found', `${topic} has no such device`, 'Correct the token, or name another --app.')
    }
    const { at, cause, push } = tombstone
    await (output.json
      ? output.printJson({ app: topic, token, tombstone: { at: at.toISOString(), cause, push } })
      : output.print(token, `  ${removalOf(tombstone)}`))
    return EXIT.notFound
  })
}

const CAUSES = {
  unregistered: 'APNs said that the token is dead',
  feedback: 'the feedback service named it',
  request: 'somebody asked for it',
} as const satisfies Record<Tombstone['cause'], string>

/** When a device was removed, why, and by which push. */
export function removalOf({ at, cause, push }: Tombstone): string {
  const by = push === null ? '' : ` by push ${push}`
  return `removed ${at.toISOString()}${by}: ${CAUSES[cause]}`
}

/** Deletes a device; that it was not there is no fault. @throws CommandError `invalid-input` */
export async function deleteDevice(text: string, flags: OneFlags, context: Context): Promise<ExitCode> {
  const token = readArgument(text, 'Nothing was deleted')
  const { config, app } = scopeOf(context, flags.app, 'production')
  return withService(config, context, async ({ store }) => {
    const { output } = context
    const deleted = await store.delete(app.topic, token)
    if (output.json) await output.printJson({ app: app.topic, token, deleted })
    else if (deleted) await output.print(`deleted ${token}`)
    else output.note(`${app.topic} has no such device: there was nothing to delete.`)
    return EXIT.done
  })
}

function readArgument(text: string, consequence: string): string {
  const faults: InputFault[] = []
  const token = readToken('TOKEN', text, faults)
  refuseFaults(faults, consequence)
  return token
}

/** A device for people. */
function describe(device: Device): readonly string[] {
  const { refused } = device
  const mark = refused === null ? 'no' : `${refused.reason} since ${refused.at.toISOString()}`
  const rows = [
    ['  app', device.app],
    ['  environment', device.environment],
    ['  platform', `${device.platform} ${device.osVersion}`.trimEnd()],
    ['  badge', String(device.badge)],
    ['  attributes', pairsOf(device.attributes) || '-'],
    ['  refused', mark],
    ['  created', device.createdAt.toISOString()],
    ['  registered', device.updatedAt.toISOString()],
  ]
  return [device.token, ...alignColumns(rows)]
}
