/** What Apple asks of each key in `aps`, and of `aps` per push type. The keys' meaning stands at `Aps` in payload.ts. */
import { escapePointer, isJsonObject, type JsonObject } from './json.ts'
import { MAX_BADGE } from './payload.ts'
import type { PushType } from './push-type.ts'

/** Where checks put what they find; pointers are whole. */
export interface Findings {
  error(pointer: string, detail: string): void
  warn(pointer: string, detail: string): void
}

/** Answers what was due, or undefined if the value will do. */
type Check = (value: unknown, pushType: PushType) => string | undefined

interface ApsKey {
  readonly check: Check
  /** Push types in which the key does something. */
  readonly in: readonly PushType[]
  /** The one event of a Live Activity at which it does something; absent where that is any. */
  readonly at?: 'start' | 'end'
}

const text: Check = (value) => (typeof value === 'string' ? undefined : 'Must be a string.')
const textOrNull: Check = (value) => (value === null ? undefined : text(value, 'alert') && 'Must be a string or null.')
const texts: Check = (value) =>
  Array.isArray(value) && value.every((item) => typeof item === 'string') ? undefined : 'Must be an array of strings.'
const object: Check = (value) => (isJsonObject(value) ? undefined : 'Must be an object.')
const one: Check = (value) => (value === 1 ? undefined : 'Must be the number 1, or be left out.')
const seconds: Check = (value) =>
  isWhole(value) && value >= 0 ? undefined : 'Must be a time in UNIX seconds, a whole number.'

const APS_KEYS: { readonly [key: string]: ApsKey } = {
  alert: { check: alertShape, in: ['alert', 'liveactivity'] },
  badge: { check: badgeNumber, in: ['alert'] },
  sound: { check: soundShape, in: ['alert'] },
  'thread-id': { check: text, in: ['alert'] },
  category: { check: text, in: ['alert'] },
  'content-available': { check: one, in: ['alert', 'background'] },
  'mutable-content': { check: one, in: ['alert'] },
  'target-content-id': { check: text, in: ['alert'] },
  'interruption-level': { check: oneOf('passive', 'active', 'time-sensitive', 'critical'), in: ['alert'] },
  'relevance-score': { check: relevance, in: ['alert', 'liveactivity'] },
  'filter-criteria': { check: text, in: ['alert'] },
  'content-changed': { check: (value) => (value === true ? undefined : 'Must be true.'), in: ['widgets', 'controls'] },
  timestamp: { check: seconds, in: ['liveactivity'] },
  event: { check: oneOf('start', 'update', 'end'), in: ['liveactivity'] },
  'content-state': { check: object, in: ['liveactivity'] },
  'stale-date': { check: seconds, in: ['liveactivity'] },
  'dismissal-date': { check: seconds, in: ['liveactivity'], at: 'end' },
  'attributes-type': { check: text, in: ['liveactivity'], at: 'start' },
  attributes: { check: object, in: ['liveactivity'], at: 'start' },
  'input-push-token': { check: one, in: ['liveactivity'], at: 'start' },
  'input-push-channel': { check: base64, in: ['liveactivity'], at: 'start' },
  'url-args': { check: texts, in: ['alert'] },
}

const ALERT_KEYS: { readonly [key: string]: Check } = {
  title: textOrNull,
  subtitle: text,
  body: text,
  'title-loc-key': textOrNull,
  'title-loc-args': texts,
  'subtitle-loc-key': text,
  'subtitle-loc-args': texts,
  'loc-key': textOrNull,
  'loc-args': texts,
  'launch-image': text,
  'action-loc-key': textOrNull,
  action: text,
  'summary-arg': text,
  'summary-arg-count': (value) => (isWhole(value) && value >= 0 ? undefined : 'Must be a whole number, 0 or more.'),
}

/** A Live Activity's alert has texts that the app translates, and the sound inside (ActivityKit). */
const ACTIVITY_ALERT_KEYS: { readonly [key: string]: Check } = {
  ...ALERT_KEYS,
  title: localizedText,
  body: localizedText,
  sound: text,
}

/** Year 5138; what lies behind it was measured in milliseconds. */
const LATEST_SECONDS = 99_999_999_999

const SHOWN = ['alert', 'badge', 'sound'] as const

/** Checks the keys of an `aps` object one by one. */
export function checkApsKeys(aps: JsonObject, pointer: string, pushType: PushType, findings: Findings): void {
  for (const key of Object.keys(aps)) {
    const at = `${pointer}/${escapePointer(key)}`
    const known = Object.hasOwn(APS_KEYS, key) ? APS_KEYS[key] : undefined
    if (known === undefined) {
      findings.warn(at, 'Is no key of Apple’s, and ignored here. Keys of your own stand beside "aps".')
      continue
    }
    const detail = known.check(aps[key], pushType)
    if (detail !== undefined) findings.error(at, detail)
    else if (!known.in.includes(pushType) && !isShownInBackground(key, pushType))
      findings.warn(at, `Does nothing in a push of type ${pushType}.`)
    else if (known.at !== undefined && hasOtherEvent(aps, known.at))
      findings.warn(at, `Does something only where "event" is ${known.at}.`)
    else if (key === 'alert' && isJsonObject(aps[key])) checkAlert(aps[key], at, pushType, findings)
    if (known.check === seconds && Number(aps[key]) > LATEST_SECONDS)
      findings.warn(at, 'Looks like milliseconds; Apple reads seconds.')
  }
}

/** Checks what the push type needs in `aps`. `badge`: each notification will bring a badge of its own. */
export function checkApsAsWhole(
  aps: JsonObject,
  pointer: string,
  type: PushType,
  badge: boolean,
  found: Findings,
): void {
  const has = (key: string): boolean => Object.hasOwn(aps, key)
  const need = (key: string, detail: string): void => {
    if (!has(key)) found.error(`${pointer}/${key}`, detail)
  }
  switch (type) {
    case 'alert':
      if (!badge && !SHOWN.some(has)) found.warn(pointer, 'Shows nothing: has neither alert, badge nor sound.')
      return
    case 'background':
      need('content-available', 'Must be 1 in a push of type background.')
      for (const key of SHOWN)
        if (has(key)) found.error(`${pointer}/${key}`, 'Must be left out of a push of type background.')
      return
    case 'liveactivity':
      checkLiveActivity(aps, pointer, need, found)
      return
    case 'widgets':
    case 'controls':
      need('content-changed', `Must be true in a push of type ${type}.`)
      return
    case 'voip':
    case 'complication':
    case 'fileprovider':
    case 'mdm':
    case 'location':
    case 'pushtotalk':
      return
    default:
      throw new TypeError(`no such push type: ${String(type satisfies never)}`)
  }
}

function checkLiveActivity(
  aps: JsonObject,
  pointer: string,
  need: (key: string, detail: string) => void,
  findings: Findings,
): void {
  need('timestamp', 'Must be the time of sending, in UNIX seconds.')
  need('event', 'Must be start, update or end.')
  const event = aps['event']
  const hasState = Object.hasOwn(aps, 'content-state')
  if (event === 'end' && !hasState) findings.warn(`${pointer}/content-state`, 'Apple asks for the final state.')
  else if (!hasState) need('content-state', 'Must be the state of the activity.')
  if (event !== 'start') return
  need('attributes-type', 'Must name the type of the attributes when an activity starts.')
  need('attributes', 'Must be there when an activity starts.')
  if (!Object.hasOwn(aps, 'alert'))
    findings.warn(`${pointer}/alert`, 'Apple asks for an alert when an activity starts.')
}

function checkAlert(alert: JsonObject, pointer: string, pushType: PushType, findings: Findings): void {
  const keys = pushType === 'liveactivity' ? ACTIVITY_ALERT_KEYS : ALERT_KEYS
  for (const key of Object.keys(alert)) {
    const at = `${pointer}/${escapePointer(key)}`
    const check = Object.hasOwn(keys, key) ? keys[key] : undefined
    if (check === undefined) findings.warn(at, 'Is no key of Apple’s in an alert, and ignored.')
    else {
      const detail = check(alert[key], pushType)
      if (detail !== undefined) findings.error(at, detail)
    }
  }
  if (!['title', 'subtitle', 'body', 'title-loc-key', 'subtitle-loc-key', 'loc-key'].some((key) => alert[key]))
    findings.warn(pointer, 'Shows nothing: has neither title, subtitle, body nor a loc key.')
  for (const prefix of ['', 'title-', 'subtitle-'])
    if (Object.hasOwn(alert, `${prefix}loc-args`) && !alert[`${prefix}loc-key`])
      findings.warn(`${pointer}/${prefix}loc-args`, `Does nothing without ${prefix}loc-key.`)
}

/** These are errors there, said once by the check of the whole. */
function isShownInBackground(key: string, pushType: PushType): boolean {
  return pushType === 'background' && SHOWN.some((shown) => shown === key)
}

/** An event that is none is told by its own check. */
function hasOtherEvent(aps: JsonObject, event: string): boolean {
  const given = aps['event']
  return given !== event && (given === 'start' || given === 'update' || given === 'end')
}

function alertShape(value: unknown): string | undefined {
  return typeof value === 'string' || isJsonObject(value) ? undefined : 'Must be a string or an object.'
}

function badgeNumber(value: unknown): string | undefined {
  if (!isWhole(value)) return 'Must be a whole number.'
  if (value < 0) return 'Must be 0 or more.'
  return value > MAX_BADGE ? `Must be ${MAX_BADGE} or less.` : undefined
}

function soundShape(value: unknown): string | undefined {
  if (typeof value === 'string') return undefined
  if (!isJsonObject(value)) return 'Must be a string, or an object with name, critical and volume.'
  const { critical, name, volume } = value
  if (typeof name !== 'string') return 'Must have a "name" that is a string.'
  if (critical !== undefined && critical !== 0 && critical !== 1) return 'Must have 0 or 1 as "critical".'
  if (volume !== undefined && !isBetween0And1(volume)) return 'Must have a number from 0 to 1 as "volume".'
  return undefined
}

function relevance(value: unknown, pushType: PushType): string | undefined {
  if (pushType === 'liveactivity') return typeof value === 'number' ? undefined : 'Must be a number.'
  return isBetween0And1(value) ? undefined : 'Must be a number from 0 to 1.'
}

function localizedText(value: unknown): string | undefined {
  if (typeof value === 'string') return undefined
  const isText = isJsonObject(value) && typeof value['loc-key'] === 'string'
  if (!isText) return 'Must be a string, or an object with loc-key and loc-args.'
  const args = value['loc-args']
  return args === undefined || texts(args, 'liveactivity') === undefined
    ? undefined
    : 'Must have strings as "loc-args".'
}

function base64(value: unknown): string | undefined {
  return typeof value === 'string' && /^[A-Za-z0-9+/_-]+={0,2}$/.test(value)
    ? undefined
    : 'Must be the id of a channel, in base64.'
}

function oneOf(...names: string[]): Check {
  return (value) => (names.some((name) => name === value) ? undefined : `Must be one of ${names.join(', ')}.`)
}

function isBetween0And1(value: unknown): boolean {
  return typeof value === 'number' && value >= 0 && value <= 1
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value)
}
