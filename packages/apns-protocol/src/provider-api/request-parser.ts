/** Requests of the provider API, header fields → values, for whoever plays Apple. What is sent is in request.ts. */
import { MAX_COLLAPSE_ID_BYTES } from '../content.ts'
import { MAX_TOKEN_BYTES } from '../device-token.ts'
import { isPushType, type Priority, type PushType } from '../push-type.ts'
import { fromUtf8 } from '../utf8.ts'
import type { ProviderReason } from './reason.ts'

/** A request as far as its header fields tell. What did not come, or came wrongly, is undefined. */
export interface ReceivedRequest {
  /** Lowercase hex, 1–100 bytes. */
  readonly token: string | undefined
  readonly id: string | undefined
  /** With the suffix of the push type. */
  readonly topic: string | undefined
  readonly pushType: PushType | undefined
  readonly priority: Priority | undefined
  /** UNIX seconds, 0 = now or never. */
  readonly expiration: number | undefined
  readonly collapseId: string | undefined
  /** What stands behind `bearer`, a provider token or not; empty for another scheme. */
  readonly authorization: string | undefined
  /**
   * The first thing wrong with the request itself, in the order of the checks below; Apple's own order is not known.
   * Credentials, the right to the topic and the payload are not judged here, nor is a topic that did not come.
   */
  readonly fault: ProviderReason | undefined
}

const DEVICE_PATH = '/3/device'

/**
 * Reads the header fields of a request.
 *
 * @param headers names in lower case, pseudo-header fields among them, each as often as it came; values with a character
 *   per byte (as node:http2 gives them in its raw headers)
 */
export function parseRequest(headers: Iterable<readonly [name: string, value: string]>): ReceivedRequest {
  const fields = new Map<string, string>()
  let isRepeated = false
  for (const [name, value] of headers) {
    isRepeated ||= fields.has(name) && isRead(name)
    if (!fields.has(name)) fields.set(name, value)
  }
  const faults: ProviderReason[] = []
  /** Reads a field that may be left out; `read` answers undefined for what is wrong. */
  const optional = <T>(name: string, reason: ProviderReason, read: (value: string) => T | undefined): T | undefined => {
    const value = fields.get(name)
    const result = value === undefined ? undefined : read(value)
    if (value !== undefined && result === undefined) faults.push(reason)
    return result
  }
  if (fields.get(':method') !== 'POST') faults.push('MethodNotAllowed')
  const path = fields.get(':path') ?? ''
  const isDevicePath = path === DEVICE_PATH || path.startsWith(`${DEVICE_PATH}/`)
  if (!isDevicePath) faults.push('BadPath')
  if (isRepeated) faults.push('DuplicateHeaders')
  const given = isDevicePath ? path.slice(DEVICE_PATH.length + 1) : ''
  const token = readToken(given)
  if (isDevicePath && token === undefined) faults.push(given === '' ? 'MissingDeviceToken' : 'BadDeviceToken')
  const id = optional('apns-id', 'BadMessageId', readId)
  const expiration = optional('apns-expiration', 'BadExpirationDate', readExpiration)
  const priority = optional('apns-priority', 'BadPriority', readPriority)
  const pushType = optional('apns-push-type', 'InvalidPushType', (value) => (isPushType(value) ? value : undefined))
  if (pushType === 'background' && priority !== undefined && priority !== 5) faults.push('BadPriority')
  const collapseId = optional('apns-collapse-id', 'BadCollapseId', readCollapseId)
  const topic = optional('apns-topic', 'BadTopic', (value) => (/^[\w.-]+$/.test(value) ? value : undefined))
  const authorization = readBearer(fields.get('authorization'))
  return { token, id, topic, pushType, priority, expiration, collapseId, authorization, fault: faults[0] }
}

function isRead(name: string): boolean {
  return name.startsWith(':') || name.startsWith('apns-') || name === 'authorization'
}

function readBearer(text: string | undefined): string | undefined {
  return text === undefined ? undefined : (/^bearer +(.*)$/is.exec(text)?.[1] ?? '')
}

function readToken(text: string): string | undefined {
  const isToken = text.length <= MAX_TOKEN_BYTES * 2 && /^(?:[0-9a-f]{2})+$/i.test(text)
  return isToken ? text.toLowerCase() : undefined
}

function readId(text: string): string | undefined {
  return /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(text) ? text : undefined
}

function readExpiration(text: string): number | undefined {
  return /^\d{1,15}$/.test(text) ? Number(text) : undefined
}

function readPriority(text: string): Priority | undefined {
  if (text === '10') return 10
  if (text === '5') return 5
  return text === '1' ? 1 : undefined
}

function readCollapseId(text: string): string | undefined {
  if (text.length === 0 || text.length > MAX_COLLAPSE_ID_BYTES) return undefined
  return fromUtf8(Uint8Array.from(text, (character) => character.charCodeAt(0)))
}
