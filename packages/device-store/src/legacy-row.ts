import { type Fault, MAX_BADGE } from '@lhspn/apns-protocol'

import {
  type Attributes,
  type AttributeValue,
  faultOfKey,
  faultOfValue,
  MAX_ATTRIBUTES,
  MAX_ATTRIBUTES_BYTES,
  readAttributes,
  toJson,
} from './attributes.ts'
import { readToken } from './audience.ts'
import { isOsVersion, type Registration } from './device.ts'

/** A row of the table of LHSPNservice, as it was found: columns may hold anything. Times are UNIX seconds. */
export interface LegacyRow {
  readonly token: unknown
  readonly badge: unknown
  readonly OSVersion: unknown
  readonly isDev: unknown
  readonly userInfo: unknown
  readonly updatedAt: unknown
  readonly createdAt: unknown
}

/** One thing about one row that could not be taken over as it was. */
export interface LegacyReport {
  /** As it stands in the old table. */
  readonly token: string
  /** `refused`: the row was left out. `adjusted`: the device was imported without this, or with it changed. */
  readonly kind: 'refused' | 'adjusted'
  readonly detail: string
  /** What stood there. */
  readonly original: string
}

/** A registration, unless the token is none, and what there is to report. */
export function readLegacyRow(
  row: LegacyRow,
  app: string,
): { readonly registration: Registration | undefined; readonly reports: readonly LegacyReport[] } {
  const shown = toText(row.token)
  const reports: LegacyReport[] = []
  const adjusted = (detail: string, original: unknown) =>
    reports.push({ token: shown, kind: 'adjusted', detail, original: toText(original) })

  const faults: Fault[] = []
  const token = readToken(shown, '', faults)
  if (faults[0] !== undefined) {
    const refused: LegacyReport = { token: shown, kind: 'refused', detail: faults[0].detail, original: shown }
    return { registration: undefined, reports: [refused] }
  }
  const updatedAt = Math.max(toNumber(row.updatedAt), toNumber(row.createdAt), 0)
  const createdAt = toNumber(row.createdAt) > 0 ? toNumber(row.createdAt) : updatedAt
  return {
    registration: {
      app,
      token,
      environment: isTrue(row.isDev) ? 'sandbox' : 'production',
      ...readSystem(row.OSVersion, adjusted),
      badge: readBadge(row.badge, adjusted),
      attributes: readUserInfo(row.userInfo, adjusted),
      updatedAt: toTime(updatedAt),
      createdAt: toTime(createdAt),
    },
    reports,
  }
}

/** Names under which the old column held a platform, alone or in front of a version. */
const PLATFORMS: Readonly<Record<string, string>> = {
  ios: 'ios',
  'iphone os': 'ios',
  ipados: 'ipados',
  macos: 'macos',
  'mac os x': 'macos',
  'os x': 'macos',
  tvos: 'tvos',
  watchos: 'watchos',
  visionos: 'visionos',
  android: 'android',
}

/** The old `OSVersion` told apart: `iOS 7.1` is platform ios, OS version 7.1; `7.1` is an OS version alone. */
export function splitOsVersion(text: string): { readonly platform?: string; readonly osVersion: string } {
  const trimmed = text.trim()
  const [, name = '', rest = ''] = /^([A-Za-z][A-Za-z ]*?)[\s/]*(\d.*)?$/.exec(trimmed) ?? []
  const key = name.toLowerCase()
  const platform = Object.hasOwn(PLATFORMS, key) ? PLATFORMS[key] : undefined
  return platform === undefined ? { osVersion: trimmed } : { platform, osVersion: rest }
}

type Adjusted = (detail: string, original: unknown) => void

function readSystem(value: unknown, adjusted: Adjusted): { readonly platform?: string; readonly osVersion: string } {
  const system = splitOsVersion(toText(value))
  if (isOsVersion(system.osVersion)) return system
  adjusted('The OS version is too long, or has control characters: left out.', value)
  return { ...system, osVersion: '' }
}

function readBadge(value: unknown, adjusted: Adjusted): number {
  const badge = Math.trunc(toNumber(value))
  if (badge >= 0 && badge <= MAX_BADGE) return badge
  adjusted('The badge is out of range: set to the nearest.', value)
  return badge < 0 ? 0 : MAX_BADGE
}

function readUserInfo(value: unknown, adjusted: Adjusted): Attributes {
  const info = parseUserInfo(value)
  if (info === undefined) {
    adjusted('userInfo is no JSON object: left out.', value)
    return {}
  }
  let entries: [string, AttributeValue][] = []
  for (const [key, content] of Object.entries(info)) {
    const nested = typeof content === 'object' && content !== null
    const flat: unknown = nested ? JSON.stringify(content) : content
    const fault = faultOfKey(key) ?? faultOfValue(flat)
    if (fault === undefined) entries.push([key, flat as AttributeValue])
    if (fault !== undefined) adjusted(`userInfo.${key.slice(0, 100)} was left out: ${fault}`, value)
    else if (nested) adjusted(`userInfo.${key} is nested: kept as its JSON text.`, value)
  }
  const count = entries.length
  entries = entries.slice(0, MAX_ATTRIBUTES)
  while (Buffer.byteLength(toJson(Object.fromEntries(entries))) > MAX_ATTRIBUTES_BYTES) entries.pop()
  if (entries.length < count)
    adjusted(`userInfo is too large: the last ${count - entries.length} of its keys were left out.`, value)
  return readAttributes(Object.fromEntries(entries), '', [])
}

function parseUserInfo(value: unknown): Record<string, unknown> | undefined {
  // Some drivers hand out JSON columns parsed; an empty column says nothing, which is no fault.
  const parsed = typeof value === 'string' ? parseJson(value.trim() === '' ? '{}' : value) : (value ?? {})
  const plain =
    typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed) && !(parsed instanceof Uint8Array)
  return plain ? (parsed as Record<string, unknown>) : undefined
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function isTrue(value: unknown): boolean {
  return toNumber(value) !== 0 || /^\s*true\s*$/i.test(toText(value))
}

/** A number, also where the column is text; 0 if it is none. */
function toNumber(value: unknown): number {
  const number = typeof value === 'string' || typeof value === 'number' ? Number(value) : 0
  return Number.isFinite(number) ? number : 0
}

function toText(value: unknown): string {
  if (typeof value === 'string') return value
  if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8')
  if (value === null || value === undefined) return ''
  return JSON.stringify(value)
}

/** Out of UNIX seconds; nonsense of the far future becomes the last time that can be written. */
function toTime(seconds: number): Date {
  return new Date(Math.min(Math.trunc(seconds * 1000), 253_402_300_799_999))
}
