import { toDeviceBody } from '@lhspn/api'
import type { JsonValue } from '@lhspn/apns-protocol'
import { type Attributes, type Changes, type Device, DeviceStoreError, parseChanges } from '@lhspn/device-store'

import type { Context } from '../context.ts'
import { type InputFault, refuseFaults } from '../errors.ts'
import { EXIT, type ExitCode } from '../exit-code.ts'
import { readEnvironment, readToken, scopeOf } from '../installation.ts'
import { withService } from '../opened-service.ts'
import { readPair } from '../pair.ts'

/** The flags of `devices save` as they were typed. */
export interface SaveFlags {
  readonly platform?: string | undefined
  readonly osVersion?: string | undefined
  readonly set?: readonly string[] | undefined
  readonly unset?: readonly string[] | undefined
  readonly badge?: string | undefined
  readonly app?: string | undefined
  readonly environment?: string | undefined
}

/**
 * Registers a device, or changes one that is known. The latter is no registration, so that its time stays: a device that
 * is gone must not seem to have been there.
 * @throws CommandError `invalid-input` with every fault at once
 */
export async function saveDevice(text: string, flags: SaveFlags, context: Context): Promise<ExitCode> {
  const faults: InputFault[] = []
  const token = readToken('TOKEN', text, faults)
  const environment = flags.environment === undefined ? undefined : readEnvironment(flags.environment, faults)
  const changes = readChanges(flags, faults)
  refuseFaults(faults, 'Nothing was saved')
  const { config, app } = scopeOf(context, flags.app, environment ?? 'production')
  return withService(config, context, async ({ store }) => {
    const known = await store.update(app.topic, token, { ...changes, environment })
    if (known !== undefined) return print(known, 'changed', context)
    const { platform, osVersion } = changes
    const badge = typeof changes.badge === 'number' ? changes.badge : undefined
    const attributes = withoutNulls(changes.attributes ?? {})
    const [saved] = await store.save([{ app: app.topic, token, environment, platform, osVersion, badge, attributes }])
    if (saved === undefined) throw new TypeError('the registry answered nothing for a registration')
    return print(saved.device, 'registered', context)
  })
}

async function print(device: Device, verb: string, { output }: Context): Promise<ExitCode> {
  await (output.json ? output.printJson(toDeviceBody(device)) : output.print(`${verb} ${device.token}`))
  return EXIT.done
}

function withoutNulls(patch: NonNullable<Changes['attributes']>): Attributes {
  return Object.fromEntries(Object.entries(patch).flatMap(([key, value]) => (value === null ? [] : [[key, value]])))
}

const FLAGS: Readonly<Record<string, string>> = {
  platform: '--platform',
  osVersion: '--os-version',
  badge: '--badge',
  attributes: '--set',
}

/** By the registry's own parser, which knows the limits of everything. */
function readChanges(flags: SaveFlags, faults: InputFault[]): Changes {
  const { platform, osVersion, badge } = flags
  const attributes = readAttributes(flags, faults)
  const changes = {
    ...(platform !== undefined && { platform }),
    ...(osVersion !== undefined && { osVersion }),
    ...(badge !== undefined && { badge: /^\d+$/.test(badge) ? Number(badge) : badge }),
    ...(attributes.size > 0 && { attributes: Object.fromEntries(attributes) }),
  }
  try {
    return parseChanges(changes)
  } catch (error) {
    if (!(error instanceof DeviceStoreError)) throw error
    for (const { pointer, detail } of error.faults) {
      const [, field = '', key] = pointer.split('/')
      faults.push({ flag: FLAGS[field] ?? field, detail: key === undefined ? detail : `${key}: ${detail}` })
    }
    return {}
  }
}

function readAttributes({ set = [], unset = [] }: SaveFlags, faults: InputFault[]): Map<string, JsonValue> {
  const attributes = new Map<string, JsonValue>()
  for (const text of set) {
    const [key, value] = readPair('--set', text, faults) ?? []
    if (key === undefined || value === undefined) continue
    if (attributes.has(key)) faults.push({ flag: '--set', detail: `gives ${key} twice` })
    // null is how a patch removes, for which there is a flag of its own
    if (value === null) faults.push({ flag: '--set', detail: `${key}: null is no value; --unset ${key} removes it` })
    else attributes.set(key, value)
  }
  for (const key of unset) {
    if (attributes.has(key)) faults.push({ flag: '--unset', detail: `${key} is set and unset` })
    else attributes.set(key, null)
  }
  return attributes
}
