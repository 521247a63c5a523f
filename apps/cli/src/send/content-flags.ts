import { type Fault, isPushType, type JsonValue, MAX_BADGE, PUSH_TYPES } from '@lhspn/apns-protocol'
import { didYouMean } from '@lhspn/service'

import type { InputFault } from '../errors.ts'
import { readPair } from '../pair.ts'

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

/** Members of a push as its JSON would have them, whatever was typed: the dispatcher's parser is their judge. */
export type PushMembers = Readonly<Record<string, unknown>>

const INCREMENT = 'increment'

/**
 * Makes a content of flags, or of Apple's JSON and the flags about delivery.
 * @param text the alert's body; undefined where none was typed
 * @param payloadText JSON that `--payload` brought; then no other flag may say what is shown
 * @param faults gets what no JSON could tell; the payload is of no use then
 */
export function readContent(
  text: string | undefined,
  flags: ContentFlags,
  payloadText: string | undefined,
  faults: InputFault[],
): PushMembers {
  if (payloadText !== undefined) refuseBeside(text, flags, faults)
  return {
    payload: payloadText === undefined ? payloadOf(text, flags, faults) : parsePayload(payloadText, faults),
    pushType: typeOf(flags, faults),
    priority: toNumber(flags.priority),
    expiration: flags.expiration,
    collapseId: flags.collapseId,
    // a number is in the payload
    badge: flags.badge === INCREMENT ? INCREMENT : undefined,
  }
}

/** Digits as the number that they are; any other text stays, to be refused. */
export function toNumber(text: string | undefined): number | string | undefined {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : text
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
  if (/^\d{1,10}$/.test(text) && Number(text) <= MAX_BADGE) return Number(text)
  const detail = `must be a whole number from 0 to ${MAX_BADGE}, or increment, not "${text}"`
  faults.push({ flag: '--badge', detail })
  return undefined
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

function typeOf({ type, background }: ContentFlags, faults: InputFault[]): string | undefined {
  if (background !== true || type === undefined) return type ?? (background === true ? 'background' : undefined)
  if (type !== 'background')
    faults.push({ flag: '--type', detail: `must be background beside --background, not ${type}` })
  return 'background'
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
  '/sendAt': '--at',
  '/rate': '--rate',
  '/maxAudience': '--max-audience',
  '/onUnconfirmed': '--on-unconfirmed',
}

interface Told {
  readonly type?: string | undefined
  /** The file that brought the payload. */
  readonly payload?: string | undefined
}

/** Where in what was typed a fault of the push is. */
export function placeInFlags({ pointer, detail }: Fault, { type, payload }: Told): InputFault {
  const flag = FLAGS[pointer]
  if (flag === '--type') return { flag, detail: `${detail}${suggestType(type)}` }
  if (flag?.startsWith('--') === true && !pointer.startsWith('/payload')) return { flag, detail }
  if (payload !== undefined) return { flag: '--payload', pointer: pointer.replace(/^\/payload/, ''), detail }
  if (flag !== undefined) return { flag, detail }
  if (/^\/payload\/(?!aps)/.test(pointer)) return { flag: '--data', pointer: pointer.replace(/^\/payload/, ''), detail }
  return { pointer, detail }
}

function suggestType(type: string | undefined): string {
  return type === undefined || isPushType(type) ? '' : didYouMean(type, Object.keys(PUSH_TYPES))
}
