/** What all notifications of a push share, and whether an interface of Apple's will take it. */
import { checkApsAsWhole, checkApsKeys, type Findings } from './aps.ts'
import type { Fault } from './errors.ts'
import { MAX_GATEWAY_PAYLOAD_BYTES } from './gateway/command.ts'
import { escapePointer, findJsonFaults, isJsonObject, isWellFormed, type JsonObject } from './json.ts'
import { MAX_BADGE_DIGITS, type Payload, renderChecked } from './payload.ts'
import { isPushType, type Priority, PUSH_TYPES, type PushType } from './push-type.ts'
import { toUtf8 } from './utf8.ts'

/** The binary gateway, or HTTP/2. */
export type Interface = 'gateway' | 'provider-api'

/** What all notifications of a push share. */
export interface Content {
  readonly payload: Payload
  /** `alert` when absent. */
  readonly pushType?: PushType
  /** When absent, the push type's own: 10, for background 5. */
  readonly priority?: Priority
  /** UNIX seconds, u32. 0 = now or never; absent = left to APNs. */
  readonly expiration?: number
  /** 1–64 bytes of UTF-8: notifications with the same one replace each other on the device. */
  readonly collapseId?: string
}

/** An error in a content, and of which kind. */
export interface ContentFault extends Fault {
  /** `invalid`: no interface takes it. `gateway-cannot`: only the gateway does not. `too-large`: the payload's size. */
  readonly kind: 'invalid' | 'gateway-cannot' | 'too-large'
}

export interface ContentCheck {
  /** Each of them makes APNs refuse the notification or drop it. */
  readonly errors: readonly ContentFault[]
  /** Doubts: it will be taken, but perhaps not do what was meant. */
  readonly warnings: readonly Fault[]
}

export interface ContentCheckOptions {
  /** Whether notifications bring badges of their own: ten digits of `aps.badge` are then counted. Default false. */
  readonly badge?: boolean
}

const MAX_U32 = 4_294_967_295
/** Apple, Sending notification requests to APNs. */
export const MAX_COLLAPSE_ID_BYTES = 64
/** What Apple asks for as the expiration where a notification that comes late means nothing (PushKit, Push to Talk). */
const SOONEST: { readonly [type in PushType]?: string } = { voip: '0 or a few seconds from now', pushtotalk: '0' }
const KEYS = ['payload', 'pushType', 'priority', 'expiration', 'collapseId']

/**
 * Checks a content, whatever it is, for one of the interfaces. Pointers lead into the content, such as
 * `/payload/aps/badge`. Never throws; the time it takes is bound by the size of the payload's strings and keys.
 */
export function checkContent(
  content: unknown,
  over: Interface,
  { badge = false }: ContentCheckOptions = {},
): ContentCheck {
  const found = new Found()
  try {
    checkMembers(content, over, badge, found)
  } catch {
    // A getter or a proxy of the caller's: none of our own checks throws.
    found.error('', 'Must be plain JSON; reading it failed.')
  }
  return { errors: found.errors, warnings: found.warnings }
}

class Found implements Findings {
  readonly errors: ContentFault[] = []
  readonly warnings: Fault[] = []

  error(pointer: string, detail: string, kind: ContentFault['kind'] = 'invalid'): void {
    this.errors.push({ pointer, detail, kind })
  }

  warn(pointer: string, detail: string): void {
    this.warnings.push({ pointer, detail })
  }
}

function checkMembers(content: unknown, over: Interface, badge: boolean, found: Found): void {
  if (!isJsonObject(content)) return found.error('', 'Must be an object with a payload.')
  for (const key of Object.keys(content))
    if (!KEYS.includes(key)) found.warn(`/${escapePointer(key)}`, `Is ignored. The keys are ${KEYS.join(', ')}.`)
  const pushType = checkPushType(content['pushType'], over, found)
  checkPriority(content['priority'], pushType, over, found)
  checkExpiration(content['expiration'], pushType, found)
  checkCollapseId(content['collapseId'], over, found)
  if (badge && pushType === 'background')
    found.error('/pushType', 'Must not be background where notifications bring a badge.')
  else if (badge && pushType !== 'alert') found.warn('/pushType', `A badge does nothing in a push of type ${pushType}.`)
  checkPayload(content['payload'], pushType, over, badge, found)
  checkGatewayPriority(content, pushType, over, badge, found)
}

/** Answers the push type to check the rest by. */
function checkPushType(value: unknown, over: Interface, found: Found): PushType {
  if (value === undefined) return 'alert'
  if (!isPushType(value)) {
    found.error('/pushType', `Must be one of ${Object.keys(PUSH_TYPES).join(', ')}.`)
    return 'alert'
  }
  if (over === 'gateway' && !PUSH_TYPES[value].gateway)
    found.error('/pushType', 'Must be alert or background: the gateway carries no other.', 'gateway-cannot')
  return value
}

function checkPriority(value: unknown, pushType: PushType, over: Interface, found: Found): void {
  if (value === undefined) return
  if (value !== 10 && value !== 5 && value !== 1) return found.error('/priority', 'Must be 10, 5 or 1.')
  const named: readonly Priority[] = PUSH_TYPES[pushType].priorities
  if (pushType === 'background' && value !== 5)
    found.error('/priority', 'Must be 5 in a push of type background, or be left out.')
  else if (over === 'gateway' && value === 1)
    found.error('/priority', 'Must be 10 or 5: the gateway knows no other.', 'gateway-cannot')
  else if (!named.includes(value))
    found.warn('/priority', `Apple names only ${named.join(' and ')} for a push of type ${pushType}.`)
}

function checkExpiration(value: unknown, pushType: PushType, found: Found): void {
  const soonest = SOONEST[pushType]
  if (value === undefined) {
    if (soonest !== undefined)
      found.warn(
        '/expiration',
        `Apple asks for ${soonest} in a push of type ${pushType}; absent, APNs may store it for days.`,
      )
    return
  }
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > MAX_U32)
    return found.error('/expiration', `Must be UNIX seconds, a whole number from 0 to ${MAX_U32}.`)
  if (value > 0 && value < 1_000_000_000)
    found.warn('/expiration', 'Is a time before 2001: UNIX seconds are meant, not a duration.')
  else if (value > 0 && soonest === '0') found.warn('/expiration', `Apple asks for 0 in a push of type ${pushType}.`)
}

function checkCollapseId(value: unknown, over: Interface, found: Found): void {
  if (value === undefined) return
  if (over === 'gateway') found.error('/collapseId', 'Must be left out: the gateway has none.', 'gateway-cannot')
  if (typeof value !== 'string') return found.error('/collapseId', 'Must be a string.')
  const size = value.length > MAX_COLLAPSE_ID_BYTES ? value.length : toUtf8(value).length
  if (size === 0 || size > MAX_COLLAPSE_ID_BYTES)
    found.error('/collapseId', `Must have 1 to ${MAX_COLLAPSE_ID_BYTES} bytes of UTF-8.`)
  else if (!isWellFormed(value) || /\p{Cc}/u.test(value))
    found.error('/collapseId', 'Must not hold control characters or half a surrogate pair.')
  else if (value.startsWith(' ') || value.endsWith(' '))
    found.error('/collapseId', 'Must not begin or end with a space: HTTP/2 has no such header.')
}

function checkPayload(payload: unknown, pushType: PushType, over: Interface, badge: boolean, found: Found): void {
  if (!isJsonObject(payload)) return found.error('/payload', 'Must be an object.')
  const faults = findJsonFaults(payload, '/payload')
  for (const { pointer, detail } of faults) found.error(pointer, detail)
  const hasAps = Object.hasOwn(payload, 'aps')
  const aps = hasAps ? payload['aps'] : {}
  if (!isJsonObject(aps)) return found.error('/payload/aps', 'Must be an object.')
  // What JSON cannot carry was told above; the checks of keys would only tell it again.
  if (faults.length > 0) return
  if (!hasAps && !badge && pushType === 'alert') found.error('/payload/aps', 'Must be there in a push of type alert.')
  else checkApsAsWhole(aps, '/payload/aps', pushType, badge, found)
  checkApsKeys(aps, '/payload/aps', pushType, found)
  checkCustomKeys(payload, pushType, found)
  checkSize(payload, aps, pushType, over, badge, found)
}

/** Keys beside `aps` that Apple's own receivers read. */
function checkCustomKeys(payload: JsonObject, pushType: PushType, found: Found): void {
  const wanted = pushType === 'mdm' ? ['mdm'] : pushType === 'fileprovider' ? ['container-identifier', 'domain'] : []
  for (const key of wanted)
    if (typeof payload[key] !== 'string')
      found.warn(`/payload/${key}`, `Apple’s samples of type ${pushType} have a string here.`)
}

function checkSize(
  payload: JsonObject,
  aps: JsonObject,
  pushType: PushType,
  over: Interface,
  badge: boolean,
  found: Found,
): void {
  const { plain, beforeBadge, afterBadge } = renderChecked(payload, aps)
  const size = badge ? beforeBadge.length + MAX_BADGE_DIGITS + afterBadge.length : plain.length
  const limit = over === 'gateway' ? MAX_GATEWAY_PAYLOAD_BYTES : PUSH_TYPES[pushType].payloadBytes
  if (size > limit)
    found.error(
      '/payload',
      `Must have at most ${limit} bytes as JSON, has ${size}${badge ? ' with a badge of 10 digits' : ''}.`,
      'too-large',
    )
}

/** Apple, Binary Provider API: priority 10 must show something; a payload with `content-available` alone needs 5. */
function checkGatewayPriority(
  content: JsonObject,
  pushType: PushType,
  over: Interface,
  badge: boolean,
  found: Found,
): void {
  if (over !== 'gateway' || pushType !== 'alert' || badge || content['priority'] === 5) return
  const payload = content['payload']
  const aps = isJsonObject(payload) ? payload['aps'] : undefined
  if (!isJsonObject(aps) || !Object.hasOwn(aps, 'content-available')) return
  if (!['alert', 'badge', 'sound'].some((key) => Object.hasOwn(aps, key)))
    found.error('/priority', 'Must be 5 where the payload has neither alert, badge nor sound.')
}
