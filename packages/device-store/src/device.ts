import { setImmediate as nextTurn } from 'node:timers/promises'

import { type Fault, MAX_BADGE } from '@lhspn/apns-protocol'

import { type Attributes, type AttributeValue, faultOfKey, faultOfValue, readAttributes } from './attributes.ts'
import { readToken } from './audience.ts'
import { refuse } from './errors.ts'
import { escapePointer, type Fields, isLonger, isWellFormed, readObject, refuseUnknown } from './json.ts'

export type Environment = 'production' | 'sandbox'

/** A registered device, as the store keeps it. */
export interface Device {
  /** Topic (bundle id) of the app. */
  readonly app: string
  /** Lowercase hex. */
  readonly token: string
  readonly environment: Environment
  /** In lower case, such as `ios`. A device of a platform that is not Apple's is kept, and skipped by audiences. */
  readonly platform: string
  readonly osVersion: string
  /** 0 to 2^31 - 1. */
  readonly badge: number
  readonly attributes: Attributes
  /** Set when APNs rejected the token for good: audiences skip the device until it registers again. */
  readonly refused: { readonly reason: string; readonly at: Date; readonly push: string | null } | null
  readonly createdAt: Date
  /** Time of the last registration: nothing else moves it. */
  readonly updatedAt: Date
}

/** What an app tells when it starts. Absent fields stay as they are; for a new device they have the values named here. */
export interface Registration {
  readonly app: string
  readonly token: string
  /** production */
  readonly environment?: Environment | undefined
  /** ios */
  readonly platform?: string | undefined
  /** `''` */
  readonly osVersion?: string | undefined
  /** 0 */
  readonly badge?: number | undefined
  /** Replace those that are stored. */
  readonly attributes?: Attributes | undefined
  /** Of an import: the registration happened then. A time to come counts as now. */
  readonly updatedAt?: Date | undefined
  /** Of an import, for a new device: `updatedAt`, or now. */
  readonly createdAt?: Date | undefined
}

/** What may be changed about a device without a registration. */
export interface Changes {
  /** A merge patch: null removes a key. */
  readonly attributes?: Readonly<Record<string, AttributeValue | null>> | undefined
  /** Set, or counted up or down; it stays within 0 and 2^31 - 1. */
  readonly badge?: number | { readonly increment: number } | undefined
  /** Takes the mark away. */
  readonly refused?: null | undefined
  readonly environment?: Environment | undefined
  readonly platform?: string | undefined
  readonly osVersion?: string | undefined
}

/** Why a device is gone: APNs said that its token is dead, the feedback service did, or somebody asked for it. */
export type RemovalCause = 'unregistered' | 'feedback' | 'request'

/** What remains of a removed device. */
export interface Tombstone {
  readonly at: Date
  readonly cause: RemovalCause
  /** The push that found out. */
  readonly push: string | null
}

const MAX_TOPIC_LENGTH = 255
const MAX_PLATFORM_LENGTH = 16
const MAX_OS_VERSION_LENGTH = 32
const APPLE_PLATFORMS: ReadonlySet<string> = new Set(['ios', 'ipados', 'macos', 'tvos', 'visionos', 'watchos'])
/** End of the year 9999, the last that RFC 3339 can write. */
const LAST_TIME = 253_402_300_799_999
const TIME = /^\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$/

/** Registrations that are checked before the event loop has a turn: a few ms. */
const CHECKED_A_TURN = 500

const REGISTRATION_FIELDS = ['app', 'token', 'environment', 'platform', 'osVersion', 'badge', 'attributes']
/** What an export writes; the last two are read past. */
const IMPORT_FIELDS = [...REGISTRATION_FIELDS, 'updatedAt', 'createdAt', 'refused']
const CHANGE_FIELDS = ['attributes', 'badge', 'refused', 'environment', 'platform', 'osVersion']

/** Whether APNs serves this platform. */
export function isApplePlatform(platform: string): boolean {
  return APPLE_PLATFORMS.has(platform)
}

/**
 * A registration out of JSON. With `import`, fields that an export writes are taken as well: `updatedAt` (RFC 3339)
 * counts, `createdAt` and `refused` are read past.
 *
 * @throws DeviceStoreError `invalid-registration`
 */
export function parseRegistration(value: unknown, options: { readonly import?: boolean } = {}): Registration {
  const faults: Fault[] = []
  const object = readObject(value, '', faults) ?? {}
  refuseUnknown(object, options.import === true ? IMPORT_FIELDS : REGISTRATION_FIELDS, '', faults)
  const { createdAt: _, ...fields } = object
  const registration = readRegistration(fields, '', faults)
  refuse('invalid-registration', 'registration', faults)
  return registration
}

/** @throws DeviceStoreError `invalid-changes` */
export function parseChanges(value: unknown): Changes {
  const faults: Fault[] = []
  const object = readObject(value, '', faults) ?? {}
  refuseUnknown(object, CHANGE_FIELDS, '', faults)
  const changes = readChanges(object, faults)
  refuse('invalid-changes', 'change', faults)
  return changes
}

/** @throws DeviceStoreError `invalid-registration`, with pointers into the array */
export async function checkRegistrations(registrations: readonly Registration[]): Promise<readonly Registration[]> {
  const faults: Fault[] = []
  const checked: Registration[] = []
  for (const [index, each] of registrations.entries()) {
    if (index % CHECKED_A_TURN === CHECKED_A_TURN - 1) await nextTurn()
    checked.push(readRegistration(each as unknown as Fields, `/${index}`, faults))
  }
  refuse('invalid-registration', 'registration', faults)
  return checked
}

/** @throws DeviceStoreError `invalid-changes` */
export function checkChanges(changes: Changes): Changes {
  const faults: Fault[] = []
  const checked = readChanges(changes as unknown as Fields, faults)
  refuse('invalid-changes', 'change', faults)
  return checked
}

function readRegistration(object: Fields, pointer: string, faults: Fault[]): Registration {
  const { attributes, updatedAt, createdAt } = object
  return {
    app: readApp(object['app'], `${pointer}/app`, faults),
    token: readToken(object['token'], `${pointer}/token`, faults),
    ...readTraits(object, pointer, faults),
    badge: readBadge(object['badge'], `${pointer}/badge`, faults),
    attributes: attributes === undefined ? undefined : readAttributes(attributes, `${pointer}/attributes`, faults),
    updatedAt: updatedAt === undefined ? undefined : readTime(updatedAt, `${pointer}/updatedAt`, faults),
    createdAt: createdAt === undefined ? undefined : readTime(createdAt, `${pointer}/createdAt`, faults),
  }
}

function readChanges(object: Fields, faults: Fault[]): Changes {
  const { attributes, badge, refused } = object
  if (refused !== undefined && refused !== null)
    faults.push({ pointer: '/refused', detail: 'Must be null: only APNs refuses.' })
  return {
    ...readTraits(object, '', faults),
    attributes: attributes === undefined ? undefined : readPatch(attributes, faults),
    badge:
      typeof badge === 'object' && badge !== null
        ? readIncrement(badge as Fields, faults)
        : readBadge(badge, '/badge', faults),
    refused: refused === undefined ? undefined : null,
  }
}

function readTraits(object: Fields, pointer: string, faults: Fault[]) {
  const { environment, platform, osVersion } = object
  if (environment !== undefined && environment !== 'production' && environment !== 'sandbox')
    faults.push({ pointer: `${pointer}/environment`, detail: 'Must be production or sandbox.' })
  if (platform !== undefined && !isPlatform(platform))
    faults.push({
      pointer: `${pointer}/platform`,
      detail: `Must be the name of a platform, such as ios: 1 to ${MAX_PLATFORM_LENGTH} letters, digits, . _ or -.`,
    })
  if (osVersion !== undefined && !isOsVersion(osVersion))
    faults.push({
      pointer: `${pointer}/osVersion`,
      detail: `Must be text of at most ${MAX_OS_VERSION_LENGTH} characters, without control characters.`,
    })
  return {
    environment: environment as Environment | undefined,
    platform: typeof platform === 'string' ? platform.toLowerCase() : undefined,
    osVersion: osVersion as string | undefined,
  }
}

/** The topic of an app: its bundle id, or that with a suffix of Apple's. */
function readApp(app: unknown, pointer: string, faults: Fault[]): string {
  if (typeof app === 'string' && app.length <= MAX_TOPIC_LENGTH && /^[!-~]+$/.test(app)) return app
  faults.push({ pointer, detail: `Must be the bundle id of an app: 1 to ${MAX_TOPIC_LENGTH} characters of ASCII.` })
  return ''
}

function isPlatform(platform: unknown): platform is string {
  return (
    typeof platform === 'string' &&
    platform.length <= MAX_PLATFORM_LENGTH &&
    /^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(platform)
  )
}

export function isOsVersion(osVersion: unknown): osVersion is string {
  return (
    typeof osVersion === 'string' &&
    !isLonger(osVersion, MAX_OS_VERSION_LENGTH) &&
    !/\p{Cc}/u.test(osVersion) &&
    isWellFormed(osVersion)
  )
}

function readBadge(badge: unknown, pointer: string, faults: Fault[]): number | undefined {
  if (badge === undefined) return undefined
  if (Number.isInteger(badge) && (badge as number) >= 0 && (badge as number) <= MAX_BADGE) return (badge as number) + 0
  faults.push({ pointer, detail: `Must be a whole number from 0 to ${MAX_BADGE}.` })
  return undefined
}

function readIncrement(object: Fields, faults: Fault[]): { increment: number } | undefined {
  refuseUnknown(object, ['increment'], '/badge', faults)
  const { increment } = object
  if (Number.isInteger(increment) && Math.abs(increment as number) <= MAX_BADGE)
    return { increment: increment as number }
  faults.push({ pointer: '/badge/increment', detail: `Must be a whole number from -${MAX_BADGE} to ${MAX_BADGE}.` })
  return undefined
}

function readPatch(value: unknown, faults: Fault[]): Record<string, AttributeValue | null> {
  const patch = readObject(value, '/attributes', faults) ?? {}
  const entries = Object.entries(patch)
  for (const [key, content] of entries.slice(0, 100)) {
    const detail = faultOfKey(key) ?? (content === null ? undefined : faultOfValue(content))
    if (detail !== undefined) faults.push({ pointer: `/attributes/${escapePointer(key)}`, detail })
  }
  if (entries.length > 100) faults.push({ pointer: '/attributes', detail: 'Must not change more than 100 attributes.' })
  return Object.fromEntries(entries) as Record<string, AttributeValue | null>
}

function readTime(value: unknown, pointer: string, faults: Fault[]): Date | undefined {
  const time =
    value instanceof Date ? value : new Date(typeof value === 'string' && TIME.test(value) ? value : Number.NaN)
  if (time.getTime() >= 0 && time.getTime() <= LAST_TIME) return time
  faults.push({ pointer, detail: 'Must be a time such as 2026-01-31T12:00:00Z (RFC 3339), from 1970 on.' })
  return undefined
}
