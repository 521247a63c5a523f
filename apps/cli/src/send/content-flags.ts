import {
  checkContent,
  type Content,
  type Fault,
  type Interface,
  isPushType,
  type JsonValue,
  MAX_BADGE,
  PUSH_TYPES,
} from '@lhspn/apns-protocol'
import type { PushRequest } from '@lhspn/dispatcher'
import { didYouMean, parseDuration } from '@lhspn/service'

import type { InputFault } from '../errors.ts'
import { readPair } from '../pair.ts'
import { readTime } from './time.ts'

/** The flags of `send` that make up a content, as they were typed. */
export interface ContentFlags {
  readonly title?: string | undefined
  readonly subtitle?: string | undefined
  readonly sound?: string | undefined
  readonly badge?: string | undefined
  readonly threadId?: string | undefined
  readonly category?: string | undefined
  readonly data?: readonly string[] | undefined
  readonly background?: boolean | undefined
  readonly type?: string | undefined
  readonly priority?: string | undefined
  readonly expiration?: string | undefined
  readonly collapseId?: string | undefined
}

/** A content that APNs takes, or every reason why it does not. */
export interface ReadContent {
  readonly content: Content | undefined
  /** As it was meant: the content has the time that it comes to. */
  readonly expiration: PushRequest['expiration'] | undefined
  /** Whether each device's badge counts up by one; a number is in the payload. */
  readonly badge: 'increment' | undefined
  readonly faults: readonly InputFault[]
  readonly warnings: readonly InputFault[]
}

const INCREMENT = 'increment'

/**
 * Makes a content of flags, or of Apple's JSON and the flags about delivery, and checks it for an interface.
 * @param text the alert's body; undefined where none was typed
 * @param payloadText JSON that `--payload` brought; then no other flag may say what is shown
 * @param start UNIX milliseconds when the push begins: durations count from it
 */
export function readContent(
  text: string | undefined,
  flags: ContentFlags,
  payloadText: string | undefined,
  start: number,
  over: Interface,
): ReadContent {
  const faults: InputFault[] = []
  const payload = payloadText === undefined ? payloadOf(text, flags, faults) : parsePayload(payloadText, faults)
  if (payloadText !== undefined) refuseBeside(text, flags, faults)
  const pushType = readType(flags, faults)
  const priority = readPriority(flags.priority, faults)
  const expiration = readExpiration(flags.expiration ?? '24h', start, faults)
  const badge = flags.badge === INCREMENT ? INCREMENT : undefined
  // what was not understood is not judged a second time
  if (expiration === undefined || faults.length > 0)
    return { content: undefined, expiration, badge, faults, warnings: [] }
  const content = {
    payload,
    ...(pushType && { pushType }),
    ...(priority !== undefined && { priority }),
    expiration: Math.ceil(('at' in expiration ? expiration.at : start + expiration.afterMs) / 1000),
    ...(flags.collapseId !== undefined && { collapseId: flags.collapseId }),
  }
  const place = (fault: Fault): InputFault => placeInFlags(fault, payloadText !== undefined)
  const { errors, warnings } = checkContent(content, over, { badge: badge !== undefined })
  return {
    content: errors.length > 0 ? undefined : (content as Content),
    expiration,
    badge,
    faults: errors.map(place),
    warnings: warnings.map(place),
  }
}

function payloadOf(text: string | undefined, flags: ContentFlags, faults: InputFault[]): Record<string, JsonValue> {
  const { title, subtitle, sound, threadId, category, background } = flags
  const badge = readBadge(flags.badge, faults)
  const parts = { ...(title !== undefined && { title }), ...(subtitle !== undefined && { subtitle }) }
  const alert = Object.keys(parts).length === 0 ? text : { ...parts, ...(text !== undefined && { body: text }) }
  const aps = {
    ...(alert !== undefined && { alert }),
    ...(badge !== undefined && { badge }),
    ...(sound !== undefined && { sound }),
    ...(threadId !== undefined && { 'thread-id': threadId }),
    ...(category !== undefined && { category }),
    ...(background === true && { 'content-available': 1 }),
  }
  const data = readData(flags.data ?? [], faults)
  const isEmpty = Object.keys(aps).length === 0
  if (isEmpty && flags.badge !== INCREMENT && faults.length === 0 && !isDataEnough(flags)) {
    const detail = 'nothing to send: give a text, a flag such as --title or --badge, --background, or --payload'
    faults.push({ flag: 'TEXT', detail })
  }
  // some push types have nothing of Apple's in their payload
  return isEmpty && isDataEnough(flags) ? data : { aps, ...data }
}

/** What is not shown may be all the app's own. */
function isDataEnough({ type = 'alert', data = [] }: ContentFlags): boolean {
  return type !== 'alert' && data.length > 0
}

function parsePayload(text: string, faults: InputFault[]): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    faults.push({
      flag: '--payload',
      detail: `no valid JSON: ${error instanceof Error ? error.message : String(error)}`,
    })
    return undefined
  }
}

/** Flags that say what is shown, and so cannot stand beside a whole payload. */
function refuseBeside(text: string | undefined, flags: ContentFlags, faults: InputFault[]): void {
  const given: readonly (readonly [string, unknown])[] = [
    ['TEXT', text],
    ['--title', flags.title],
    ['--subtitle', flags.subtitle],
    ['--sound', flags.sound],
    ['--badge', flags.badge === INCREMENT ? undefined : flags.badge],
    ['--thread-id', flags.threadId],
    ['--category', flags.category],
    ['--data', flags.data?.[0]],
    ['--background', flags.background],
  ]
  for (const [flag, value] of given) {
    if (value !== undefined) faults.push({ flag, detail: 'cannot stand beside --payload, which brings everything' })
  }
}

function readBadge(text: string | undefined, faults: InputFault[]): number | undefined {
  if (text === undefined || text === INCREMENT) return undefined
  const badge = parseBadge(text)
  if (badge === undefined) {
    faults.push({
      flag: '--badge',
      detail: `must be a whole number from 0 to ${MAX_BADGE}, or increment, not "${text}"`,
    })
  }
  return badge
}

function parseBadge(text: string): number | undefined {
  return /^\d{1,10}$/.test(text) && Number(text) <= MAX_BADGE ? Number(text) : undefined
}

function readData(pairs: readonly string[], faults: InputFault[]): Record<string, JsonValue> {
  const data: Record<string, JsonValue> = {}
  for (const text of pairs) {
    const [key, value] = readPair('--data', text, faults) ?? []
    if (key === undefined || value === undefined) continue
    if (key === 'aps')
      faults.push({ flag: '--data', detail: 'cannot be aps: that is Apple’s; use --payload for the whole' })
    else if (Object.hasOwn(data, key)) faults.push({ flag: '--data', detail: `gives ${key} twice` })
    else define(data, key, value)
  }
  return data
}

/** As JSON.parse does it: a key such as `__proto__` is one like any other. */
function define(data: Record<string, JsonValue>, key: string, value: JsonValue): void {
  Object.defineProperty(data, key, { value, enumerable: true, configurable: true, writable: true })
}

function readType({ type, background }: ContentFlags, faults: InputFault[]): Content['pushType'] {
  if (type === undefined) return background === true ? 'background' : undefined
  if (background === true && type !== 'background') {
    faults.push({ flag: '--type', detail: `must be background beside --background, not ${type}` })
  } else if (isPushType(type)) {
    return type
  } else {
    const names = Object.keys(PUSH_TYPES)
    faults.push({
      flag: '--type',
      detail: `must be one of ${names.join(', ')}, not "${type}"${didYouMean(type, names)}`,
    })
  }
  return undefined
}

function readPriority(text: string | undefined, faults: InputFault[]): Content['priority'] {
  if (text === undefined) return undefined
  if (text === '10') return 10
  if (text === '5') return 5
  if (text === '1') return 1
  faults.push({ flag: '--priority', detail: `must be 10, 5 or 1, not "${text}"` })
  return undefined
}

/** `24h` from the start, `0`, or a time. */
function readExpiration(text: string, start: number, faults: InputFault[]): ReadContent['expiration'] {
  if (text === '0') return { at: 0 }
  const afterMs = parseDuration(text)
  const at = afterMs === undefined ? readTime(text) : start + afterMs
  if (at === undefined) {
    const detail = `must be a duration such as 24h, 0, or a time such as 2030-01-31T12:00:00Z, not "${text}"`
    faults.push({ flag: '--expiration', detail })
  } else if (at <= start) {
    faults.push({ flag: '--expiration', detail: `${text} is over; give 0 for "now or never"` })
  } else if (at / 1000 > 0xff_ff_ff_ff) {
    faults.push({ flag: '--expiration', detail: `${text} is beyond 2106, the last year that APNs can express` })
  } else return afterMs === undefined ? { at } : { afterMs }
  return undefined
}

const FLAGS: Readonly<Record<string, string>> = {
  '/payload/aps/alert': 'TEXT',
  '/payload/aps/alert/body': 'TEXT',
  '/payload/aps/alert/title': '--title',
  '/payload/aps/alert/subtitle': '--subtitle',
  '/payload/aps/badge': '--badge',
  '/payload/aps/sound': '--sound',
  '/payload/aps/thread-id': '--thread-id',
  '/payload/aps/category': '--category',
  '/payload/aps/content-available': '--background',
  '/pushType': '--type',
  '/priority': '--priority',
  '/expiration': '--expiration',
  '/collapseId': '--collapse-id',
}

/** Where in what was typed a fault of the content is. */
function placeInFlags({ pointer, detail }: Fault, isPayloadGiven: boolean): InputFault {
  const flag = FLAGS[pointer]
  if (flag?.startsWith('--') === true && !pointer.startsWith('/payload')) return { flag, detail }
  if (isPayloadGiven) return { flag: '--payload', pointer: pointer.replace(/^\/payload/, ''), detail }
  if (flag !== undefined) return { flag, detail }
  if (/^\/payload\/(?!aps)/.test(pointer)) return { flag: '--data', pointer: pointer.replace(/^\/payload/, ''), detail }
  return { pointer, detail }
}
