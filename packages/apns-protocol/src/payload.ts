import { ProtocolError } from './errors.ts'
import { findJsonFaults, isJsonObject, type JsonObject, type JsonValue } from './json.ts'
import { toUtf8 } from './utf8.ts'

/** Largest badge that is sent: ten digits, and what a 32-bit signed integer holds. */
export const MAX_BADGE = 2_147_483_647
/** Digits of the largest badge: what a badge that is not known yet adds to a payload at most. */
export const MAX_BADGE_DIGITS = 10

/** The JSON that APNs receives: Apple's `aps` and, beside it, any keys of the app's own. */
export interface Payload {
  readonly aps?: Aps
  readonly [key: string]: JsonValue | Aps
}

/** Apple's own keys (Apple, Generating a remote notification; Payload Key Reference; ActivityKit; WidgetKit). */
export interface Aps {
  /** A string is the body. */
  readonly alert?: string | AlertDictionary
  /** A whole number; 0 removes the badge, absent leaves it as it is. */
  readonly badge?: number
  /** A file of the app or `default`; the dictionary is for critical alerts. */
  readonly sound?: string | CriticalSound
  readonly 'thread-id'?: string
  readonly category?: string
  /** Wakes the app in the background. */
  readonly 'content-available'?: 1
  /** Passes the notification through the app's service extension. */
  readonly 'mutable-content'?: 1
  readonly 'target-content-id'?: string
  readonly 'interruption-level'?: 'passive' | 'active' | 'time-sensitive' | 'critical'
  /** 0 to 1; any number for a Live Activity. */
  readonly 'relevance-score'?: number
  readonly 'filter-criteria'?: string
  /** Widgets and controls: reload. */
  readonly 'content-changed'?: true
  /** Live Activity: UNIX seconds of sending. */
  readonly timestamp?: number
  readonly event?: 'start' | 'update' | 'end'
  readonly 'content-state'?: { readonly [key: string]: JsonValue }
  /** Live Activity: UNIX seconds. */
  readonly 'stale-date'?: number
  /** Live Activity: UNIX seconds. */
  readonly 'dismissal-date'?: number
  readonly 'attributes-type'?: string
  readonly attributes?: { readonly [key: string]: JsonValue }
  readonly 'input-push-token'?: 1
  /** Base64 id of a broadcast channel. */
  readonly 'input-push-channel'?: string
  /** Safari website pushes. */
  readonly 'url-args'?: readonly string[]
}

/** What an alert shows. The keys with `loc` name entries of the app's Localizable.strings; their arguments fill `%@`. */
export interface AlertDictionary {
  readonly title?: string | LocalizedText | null
  readonly subtitle?: string
  readonly body?: string | LocalizedText
  readonly 'title-loc-key'?: string | null
  readonly 'title-loc-args'?: readonly string[]
  readonly 'subtitle-loc-key'?: string
  readonly 'subtitle-loc-args'?: readonly string[]
  readonly 'loc-key'?: string | null
  readonly 'loc-args'?: readonly string[]
  readonly 'launch-image'?: string
  /** Before iOS 8: title of the right button; `null` means a single button that dismisses; absent, the default ones. */
  readonly 'action-loc-key'?: string | null
  /** Safari website pushes: label of the button. */
  readonly action?: string
  readonly 'summary-arg'?: string
  readonly 'summary-arg-count'?: number
  /** Live Activity alone: there the sound stands inside the alert. */
  readonly sound?: string
}

/** Text of a Live Activity's alert that the app translates. */
export interface LocalizedText {
  readonly 'loc-key': string
  readonly 'loc-args'?: readonly string[]
}

/** Sound of a critical alert; `volume` 0 to 1. */
export interface CriticalSound {
  readonly critical?: 0 | 1
  readonly name: string
  readonly volume?: number
}

/** Parts of an alert for {@link makeAlert}. Empty strings and arrays, and null, count as not given. */
export interface AlertParts {
  readonly body?: string | null | undefined
  readonly actionLocKey?: string | null | undefined
  readonly locKey?: string | null | undefined
  readonly locArgs?: readonly string[] | null | undefined
  readonly launchImage?: string | null | undefined
}

/**
 * The alert of LHSPNservice's `makeAlert`, value for value: the body alone when there is no action key, loc key and no
 * loc args (a launch image by itself is ignored); else a dictionary, without the body where a loc key replaces it, and
 * with `action-loc-key: null` (a single button) where no action key is given.
 */
export function makeAlert({ body, actionLocKey, locKey, locArgs, launchImage }: AlertParts): string | AlertDictionary {
  if (!actionLocKey && !locKey && !locArgs?.length) return body ?? ''
  return {
    'action-loc-key': actionLocKey || null,
    ...(locKey ? { 'loc-key': locKey } : {}),
    ...(locArgs?.length ? { 'loc-args': locArgs } : {}),
    ...(launchImage ? { 'launch-image': launchImage } : {}),
    ...(body && !locKey ? { body } : {}),
  }
}

/** A payload as UTF-8 JSON, ready to be written any number of times. */
export interface PayloadBytes {
  /** The payload as it is. */
  readonly plain: Uint8Array
  /** With the decimal digits of a badge and then `afterBadge` behind it: the payload with that `aps.badge`. */
  readonly beforeBadge: Uint8Array
  readonly afterBadge: Uint8Array
}

const BEFORE_BADGE = toUtf8('{"aps":{"badge":')

/**
 * Renders a payload once for all notifications that share it. Sizes are not judged here: see `checkContent`.
 *
 * @throws ProtocolError `invalid-payload`: no JSON object, an `aps` that is no object, or a value inside that JSON
 *   cannot carry. The message names the first one by its JSON pointer.
 */
export function renderPayload(payload: Payload): PayloadBytes {
  if (!isJsonObject(payload)) throw refusal('the payload is no JSON object')
  const fault = findJsonFaults(payload, '')[0]
  if (fault !== undefined)
    throw refusal(`the payload cannot be written as JSON, at "${fault.pointer}": ${fault.detail}`)
  const { aps } = payload
  if (aps !== undefined && !isJsonObject(aps)) throw refusal('"aps" in the payload is no JSON object')
  return renderChecked(payload, aps)
}

/** The same for a payload that is known to be JSON, and its `aps`. */
export function renderChecked(payload: JsonObject, aps: JsonObject | undefined): PayloadBytes {
  const { aps: _aps, ...custom } = payload
  const { badge: _badge, ...others } = aps ?? {}
  return {
    plain: toUtf8(JSON.stringify(payload)),
    beforeBadge: BEFORE_BADGE,
    afterBadge: toUtf8(`${membersAfter(others)}}${membersAfter(custom)}}`),
  }
}

/** The members of an object as they follow another one: `,"a":1`. */
function membersAfter(object: object): string {
  const text = JSON.stringify(object)
  return text === '{}' ? '' : `,${text.slice(1, -1)}`
}

function refusal(message: string): ProtocolError {
  return new ProtocolError('invalid-payload', message, 'Give Apple’s JSON: an object with "aps" and plain values.')
}
