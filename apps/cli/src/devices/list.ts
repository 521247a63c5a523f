import { DEVICE_COLUMNS, toCsv, toDeviceBody } from '@lhspn/api'
import type { Attributes, Device, Query } from '@lhspn/device-store'

import type { Context } from '../context.ts'
import { type InputFault, refuseFaults } from '../errors.ts'
import { EXIT, type ExitCode } from '../exit-code.ts'
import { type FilterFlags, readFilterFlags } from '../filter-flags.ts'
import { readEnvironment, scopeOf } from '../installation.ts'
import { withService } from '../opened-service.ts'
import { formatCount, type Output } from '../output.ts'

/** The flags of `devices list` as they were typed. */
export interface ListFlags extends FilterFlags {
  readonly refused?: string | undefined
  readonly app?: string | undefined
  readonly environment?: string | undefined
  readonly csv?: true | undefined
}

/** On a terminal, where nobody wants to see all of them run by. */
const ON_TERMINAL = 50

/** Lists devices in the order of their first registration. */
export async function listDevices(flags: ListFlags, context: Context): Promise<ExitCode> {
  const { output } = context
  const faults: InputFault[] = []
  const environment = flags.environment === undefined ? undefined : readEnvironment(flags.environment, faults)
  const filter = readFilterFlags(flags, faults)
  const refused = readBoolean('--refused', flags.refused, faults)
  if (flags.csv === true && output.json) faults.push({ flag: '--csv', detail: 'cannot stand beside --json' })
  refuseFaults(faults, 'Nothing was listed')
  const { config, app } = scopeOf(context, flags.app, environment ?? 'production')
  const query: Query = { app: app.topic, environment, filter, refused }
  return withService(config, context, async ({ store }, { signal }) => {
    const isShort = output.stdoutIsTerminal && !output.json && flags.csv !== true
    const writer = output.json ? writeJson : flags.csv === true ? writeCsv : writeRows
    let count = 0
    for await (const devices of store.find({ ...query, signal, ...(isShort && { limit: ON_TERMINAL }) })) {
      await writer(devices, count === 0, output)
      count += devices.length
      if (output.stdoutGone) return EXIT.done
    }
    if (count === 0 && flags.csv === true) await writeCsv([], true, output)
    if (count === 0) output.note('No device matches.')
    else if (isShort) {
      const all = count < ON_TERMINAL ? count : await store.count(query)
      const rest = all > count ? ` The first ${count} are shown; a pipe, --json or --csv has all of them.` : ''
      output.note(`${formatCount(all, 'device')}.${rest}`)
    }
    return EXIT.done
  })
}

function readBoolean(flag: string, text: string | undefined, faults: InputFault[]): boolean | undefined {
  if (text === undefined) return undefined
  if (text !== 'true' && text !== 'false') faults.push({ flag, detail: `must be true or false, not "${text}"` })
  return text === 'true'
}

async function writeJson(devices: readonly Device[], _: boolean, output: Output): Promise<void> {
  await output.printJson(...devices.map(toDeviceBody))
}

async function writeCsv(devices: readonly Device[], isFirst: boolean, output: Output): Promise<void> {
  if (isFirst) await output.print(Object.keys(DEVICE_COLUMNS).join(','))
  const text = toCsv(devices.map(toDeviceBody), DEVICE_COLUMNS)
  if (text !== '') await output.print(text.replace(/\n$/, ''))
}

/** Columns of a text whose end nobody knows while it begins: their widths are fixed. */
const WIDTHS = [64, 11, 8, 7, 5, 10, 12]
const HEAD = ['token', 'environment', 'platform', 'version', 'badge', 'registered', 'refused', 'attributes']

async function writeRows(devices: readonly Device[], isFirst: boolean, output: Output): Promise<void> {
  if (isFirst) await output.print(output.paint('dim', row(HEAD)))
  await output.print(...devices.map((device) => row(cellsOf(device))))
}

function row(cells: readonly string[]): string {
  return cells
    .map((cell, at) => cell.padEnd(WIDTHS[at] ?? 0))
    .join('  ')
    .trimEnd()
}

function cellsOf({ token, environment, platform, osVersion, badge, updatedAt, refused, attributes }: Device): string[] {
  const day = updatedAt.toISOString().slice(0, 10)
  return [
    token,
    environment,
    platform,
    osVersion || '-',
    String(badge),
    day,
    refused?.reason ?? '-',
    pairsOf(attributes),
  ]
}

/** As `--where` takes them. */
export function pairsOf(attributes: Attributes): string {
  return Object.entries(attributes)
    .map(([key, value]) => (typeof value === 'string' ? `${key}=${value}` : `${key}:=${value}`))
    .join(' ')
}
