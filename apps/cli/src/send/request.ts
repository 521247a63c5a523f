import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { text as readAll } from 'node:stream/consumers'

import { type Content, type Interface, PUSH_TYPES } from '@lhspn/apns-protocol'
import type { Filter } from '@lhspn/device-store'
import { IDEMPOTENCY_KEY, type PushRequest } from '@lhspn/dispatcher'
import { didYouMean, parseDuration } from '@lhspn/service'

import { type InputFault, refuseFaults } from '../errors.ts'
import { type FilterFlags, hasFilter, readFilterFlags } from '../filter-flags.ts'
import { readToken, type Scope } from '../installation.ts'
import { type ContentFlags, readContent } from './content-flags.ts'
import { readTime } from './time.ts'

/** The flags of `send` as they were typed. */
export interface SendFlags extends ContentFlags, FilterFlags {
  readonly to?: readonly string[] | undefined
  readonly all?: true | undefined
  readonly maxAudience?: string | undefined
  readonly payload?: string | undefined
  readonly at?: string | undefined
  readonly rate?: string | undefined
  readonly onUnconfirmed?: string | undefined
  readonly idempotencyKey?: string | undefined
  readonly detach?: true | undefined
  readonly app?: string | undefined
  readonly environment?: string | undefined
  readonly dryRun?: true | undefined
}

/** Whom: device tokens as lowercase hex, each once; one a line from stdin; or devices of the registry. */
type Recipients =
  | { readonly tokens: readonly string[] }
  | { readonly stdin: true }
  | { readonly all: true }
  | { readonly filter: Filter }

/** What is to be sent, to whom, and how; nothing in it is in doubt any more. */
export interface SendRequest {
  readonly content: Content
  readonly expiration: PushRequest['expiration']
  readonly badge: 'increment' | undefined
  readonly recipients: Recipients
  /** With more devices nothing is sent. */
  readonly maxAudience: number | undefined
  /** How many tokens were typed more than once. */
  readonly duplicates: number
  /** UNIX milliseconds; undefined: at once. */
  readonly sendAt: number | undefined
  /** Notifications a second; undefined: as fast as it goes. */
  readonly rate: number | undefined
  readonly onUnconfirmed: 'report' | 'resend'
  /** One is made where none was given: a submission whose answer is lost is then stored once all the same. */
  readonly idempotencyKey: string
  /** Whether it is only stored, and left to others. */
  readonly detach: boolean
  readonly warnings: readonly InputFault[]
}

/** What decides how flags are to be read. */
export interface Circumstances {
  /** What the content must be fit for. */
  readonly interface: Interface
  readonly stdin: Readable
  /** UNIX milliseconds. */
  readonly now: number
  /** Whether somebody can be asked to confirm a count; without, a limit is due. */
  readonly mayAsk: boolean
}

/**
 * Reads everything that was typed, but app and environment. Nothing is read of a token stream, but a payload from stdin is.
 * @param faults what is known to be wrong already
 * @throws CommandError `invalid-input` with every fault at once
 */
export async function readSendRequest(
  text: string | undefined,
  flags: SendFlags,
  { interface: over, stdin, now, mayAsk }: Circumstances,
  faults: InputFault[] = [],
): Promise<SendRequest> {
  const { recipients, duplicates } = readRecipients(flags, faults)
  const maxAudience = readMaxAudience(flags, recipients, mayAsk, faults)
  const onUnconfirmed = readPolicy(flags.onUnconfirmed, faults)
  const sendAt = readSendAt(flags.at, now, faults)
  const rate = readRate(flags.rate, faults)
  const idempotencyKey = readIdempotencyKey(flags.idempotencyKey, faults)
  if (flags.payload === '-' && 'stdin' in recipients) {
    faults.push({ flag: '--payload', detail: 'cannot come from stdin too: --to - reads tokens from it' })
    refuseFaults(faults, 'Nothing was sent')
  }
  const payloadText = await readPayload(flags.payload, stdin, faults)
  const { content, expiration, badge, ...checked } = readContent(text, flags, payloadText, sendAt ?? now, over)
  const isPayloadMissing = flags.payload !== undefined && payloadText === undefined
  if (!isPayloadMissing) faults.push(...checked.faults)
  if (content === undefined || expiration === undefined || faults.length > 0) {
    refuseFaults(faults, 'Nothing was sent')
    throw new TypeError('a content without faults must be there')
  }
  const { warnings } = checked
  const how = { sendAt, rate, onUnconfirmed, idempotencyKey, detach: flags.detach === true }
  return { content, expiration, badge, recipients, maxAudience, duplicates, ...how, warnings }
}

/** What the dispatcher is asked to store; it is checked already. */
export function pushRequestOf(
  { content, expiration, badge, maxAudience, sendAt, rate, onUnconfirmed }: SendRequest,
  { app, environment }: Scope,
  audience: PushRequest['audience'],
): PushRequest {
  const { payload, pushType = 'alert', priority, collapseId } = content
  return {
    app: app.topic,
    environment,
    audience,
    payload,
    pushType,
    priority: priority ?? PUSH_TYPES[pushType].defaultPriority,
    expiration,
    collapseId: collapseId ?? null,
    badge: badge ?? null,
    sendAt: sendAt ?? null,
    rate: rate ?? null,
    maxAudience: maxAudience ?? null,
    onUnconfirmed,
  }
}

const NOBODY: Recipients = { tokens: [] }

function readRecipients(
  flags: SendFlags,
  faults: InputFault[],
): { readonly recipients: Recipients; readonly duplicates: number } {
  const given = [flags.to !== undefined, flags.all === true, hasFilter(flags)].filter(Boolean)
  if (given.length !== 1) {
    const what = given.length === 0 ? 'missing' : 'cannot stand beside --all or a filter'
    const detail = `${what}: give device tokens, or - to read them from stdin, or --all, or a filter such as --where`
    faults.push({ flag: '--to', detail })
  }
  if (flags.to !== undefined) return readTokens(flags.to, faults)
  const filter = readFilterFlags(flags, faults)
  const recipients: Recipients = flags.all === true ? { all: true } : filter === undefined ? NOBODY : { filter }
  return { recipients, duplicates: 0 }
}

function readTokens(
  typed: readonly string[],
  faults: InputFault[],
): { readonly recipients: Recipients; readonly duplicates: number } {
  if (typed.length === 1 && typed[0] === '-') return { recipients: { stdin: true }, duplicates: 0 }
  const tokens = new Set<string>()
  for (const word of typed) {
    if (word === '-') faults.push({ flag: '--to', detail: 'reads tokens from stdin (-) or takes them here, not both' })
    else tokens.add(readToken('--to', word, faults))
  }
  return { recipients: { tokens: [...tokens] }, duplicates: typed.length - tokens.size }
}

/** A stream has no count before it is over; an audience that nobody confirms must have a limit. */
function readMaxAudience(
  { maxAudience: text, to, dryRun }: SendFlags,
  recipients: Recipients,
  mayAsk: boolean,
  faults: InputFault[],
): number | undefined {
  const flag = '--max-audience'
  if (text === undefined) {
    const isDue = to === undefined && dryRun !== true && !mayAsk
    if (isDue) faults.push({ flag, detail: 'missing: without a terminal to confirm the count on, give the limit' })
    return undefined
  }
  if ('stdin' in recipients) faults.push({ flag, detail: 'cannot stand beside --to -: a stream is not counted before' })
  if (/^\d{1,12}$/.test(text)) return Number(text)
  faults.push({ flag, detail: `must be a whole number, not "${text}"` })
  return undefined
}

function readPolicy(text: string | undefined, faults: InputFault[]): SendRequest['onUnconfirmed'] {
  if (text === undefined || text === 'report') return 'report'
  if (text === 'resend') return 'resend'
  const detail = `must be report or resend, not "${text}"${didYouMean(text, ['report', 'resend'])}`
  faults.push({ flag: '--on-unconfirmed', detail })
  return 'report'
}

/** `+10m` from now, or a time. */
function readSendAt(text: string | undefined, now: number, faults: InputFault[]): number | undefined {
  if (text === undefined) return undefined
  const after = text.startsWith('+') ? parseDuration(text.slice(1)) : undefined
  const at = after === undefined ? readTime(text) : now + after
  if (at === undefined) {
    faults.push({ flag: '--at', detail: `must be +10m, or a time such as 2030-01-31T12:00:00Z, not "${text}"` })
  } else if (at < now) faults.push({ flag: '--at', detail: `${text} is over` })
  return at
}

const MAX_RATE = 1_000_000

function readRate(text: string | undefined, faults: InputFault[]): number | undefined {
  if (text === undefined) return undefined
  if (/^\d{1,7}$/.test(text) && Number(text) >= 1 && Number(text) <= MAX_RATE) return Number(text)
  faults.push({ flag: '--rate', detail: `must be a whole number from 1 to ${MAX_RATE}, not "${text}"` })
  return undefined
}

function readIdempotencyKey(text: string | undefined, faults: InputFault[]): string {
  if (text === undefined) return randomUUID()
  if (!IDEMPOTENCY_KEY.test(text))
    faults.push({ flag: '--idempotency-key', detail: 'must be 1 to 255 characters of ASCII, no spaces around them' })
  return text
}

async function readPayload(
  file: string | undefined,
  stdin: Readable,
  faults: InputFault[],
): Promise<string | undefined> {
  if (file === undefined) return undefined
  try {
    return file === '-' ? await readAll(stdin) : await readFile(file, 'utf8')
  } catch (error) {
    faults.push({
      flag: '--payload',
      detail: `cannot be read: ${error instanceof Error ? error.message : String(error)}`,
    })
    return undefined
  }
}
