/**
 * What the provider API says in bytes beside the status (Apple, Handling notification responses from APNs). An answer
 * of 200 has no body; all others have {"reason":…}, with 410 also "timestamp", milliseconds since 1970. The debug data
 * of a GOAWAY are the same JSON, or plain text, or nothing. What is read here is a stranger's, so it is read leniently
 * and never throws: a body that is not understood only means that nobody knows the reason.
 */
import { isJsonObject } from '../json.ts'
import { fromUtf8, toUtf8 } from '../utf8.ts'

/** What the body of an answer that is not 200 may say. */
export interface ErrorBody {
  /** Letters only, at most 64; one that Apple documents or not. */
  readonly reason?: string
  /** With 410: UNIX milliseconds at which APNs found that the device token is dead for the topic. */
  readonly timestamp?: number
}

/** Far above what Apple sends (its longest body has 70 bytes); what is longer is not parsed. */
export const MAX_ERROR_BODY_BYTES = 1024

const MAX_REASON_CHARACTERS = 64
const MAX_GOAWAY_TEXT_CHARACTERS = 100
/** The last one that a Date can hold. */
const MAX_UNIX_MS = 8_640_000_000_000_000

/** The body from `start` up to `end`, as far as it is understood. */
export function parseErrorBody(bytes: Uint8Array, start: number, end: number): ErrorBody {
  if (end - start > MAX_ERROR_BODY_BYTES) return {}
  return readBody(fromUtf8(bytes.subarray(start, end)))
}

/**
 * The debug data of a GOAWAY from `start` up to `end`: the reason in them, or their text, printable ASCII cut to 100
 * characters. Undefined when they say nothing.
 */
export function parseGoawayReason(bytes: Uint8Array, start: number, end: number): string | undefined {
  const text = fromUtf8(bytes.subarray(start, Math.min(end, start + MAX_ERROR_BODY_BYTES)))
  const { reason } = readBody(text)
  if (reason !== undefined) return reason
  const told = text
    .replaceAll(/[^ -~]+/g, ' ')
    .trim()
    .slice(0, MAX_GOAWAY_TEXT_CHARACTERS)
  return told === '' ? undefined : told
}

/** The body of a refusal, for whoever plays Apple. `timestamp`: UNIX milliseconds. */
export function renderErrorBody(reason: string, timestamp?: number): Uint8Array {
  return toUtf8(JSON.stringify({ reason, timestamp }))
}

function readBody(text: string): ErrorBody {
  let body: unknown
  try {
    body = JSON.parse(text)
  } catch {
    return {}
  }
  if (!isJsonObject(body)) return {}
  const reason = readReason(body['reason'])
  const timestamp = body['timestamp']
  return { ...(reason !== undefined && { reason }), ...(isUnixMs(timestamp) && { timestamp }) }
}

/** Apple's page on channels prints "Service Unavailable" with a space. */
function readReason(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.length > MAX_REASON_CHARACTERS) return undefined
  const reason = value.replaceAll(' ', '')
  return /^[A-Za-z]+$/.test(reason) ? reason : undefined
}

function isUnixMs(value: unknown): value is number {
  return Number.isInteger(value) && Number(value) >= 0 && Number(value) <= MAX_UNIX_MS
}
