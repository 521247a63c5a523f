import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { text as readAll } from 'node:stream/consumers'

import type { Fault, Interface } from '@lhspn/apns-protocol'
import type { Filter } from '@lhspn/device-store'
import { checkPush, DispatcherError, IDEMPOTENCY_KEY, parsePushRequest, type PushRequest } from '@lhspn/dispatcher'
import { type Environment, parseDuration } from '@lhspn/service'

import { type CommandError, inputError, type InputFault, refuseFaults } from '../errors.ts'
import { type FilterFlags, hasFilter, readFilterFlags } from '../filter-flags.ts'
import { readToken } from '../installation.ts'
import { type ContentFlags, placeInFlags, type PushMembers, readContent, toNumber } from './content-flags.ts'

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
  readonly push: Omit<PushRequest, 'audience'>
  readonly recipients: Recipients
  /** How many tokens were typed more than once. */
  readonly duplicates: number
  /** One is made where none was given: a submission whose answer is lost is then stored once all the same. */
  readonly idempotencyKey: string
  /** Whether it is only stored, and left to others. */
  readonly detach: boolean
  readonly warnings: readonly InputFault[]
  /** What is wrong by now, where the same may have been stored when it was not: a time that has passed. */
  readonly refusal?: CommandError
}

/** What decides how flags are to be read. */
export interface Circumstances {
  readonly app: string
  readonly environment: Environment
  /** What the content must be fit for. */
  readonly interface: Interface
  readonly stdin: Readable
  /** UNIX milliseconds. */
  readonly now: number
  /** Whether somebody can be asked to confirm a count; without, a limit is due. */
  readonly mayAsk: boolean
}

const NOTHING_SENT = 'Nothing was sent'

/**
 * Reads everything that was typed. Nothing is read of a token stream, but a payload from stdin is.
 * @param faults what is known to be wrong already
 * @throws CommandError `invalid-input` with every fault at once
 */
export async function readSendRequest(
  text: string | undefined,
  flags: SendFlags,
  circumstances: Circumstances,
  faults: InputFault[] = [],
): Promise<SendRequest> {
  const { app, environment, interface: over, stdin, now, mayAsk } = circumstances
  const { recipients, duplicates } = readRecipients(flags, faults)
  checkLimit(flags, recipients, mayAsk, faults)
  const idempotencyKey = readIdempotencyKey(flags.idempotencyKey, faults)
  if (flags.payload === '-' && 'stdin' in recipients) {
    faults.push({ flag: '--payload', detail: 'cannot come from stdin too: --to - reads tokens from it' })
    refuseFaults(faults, NOTHING_SENT)
  }
  const payloadText = await readPayload(flags.payload, stdin, faults)
  const contentFaults: InputFault[] = []
  const members = {
    app,
    environment,
    // whom it is for was read above
    audience: { all: true },
    ...readContent(text, flags, payloadText, contentFaults),
    sendAt: sendAtOf(flags.at, now),
    rate: toNumber(flags.rate),
    maxAudience: toNumber(flags.maxAudience),
    onUnconfirmed: flags.onUnconfirmed,
  }
  const place = (fault: Fault): InputFault => placeInFlags(fault, flags)
  // what was not understood is not judged a second time
  const isJudged = ({ pointer }: Fault): boolean => contentFaults.length === 0 || !pointer.startsWith('/payload')
  const judged = judge(members, over, now)
  const others = [...faults, ...contentFaults]
  const all = [...others, ...judged.faults.filter(isJudged).map(place)]
  // with a key it may have been stored when its time had not passed yet
  const isKeyed = flags.idempotencyKey !== undefined
  const { push } = judged.push === undefined && isKeyed ? judge(members, over, 0) : judged
  if (push === undefined || others.length > 0) throw inputError(all, NOTHING_SENT)
  return {
    push,
    recipients,
    duplicates,
    idempotencyKey,
    detach: flags.detach === true,
    warnings: checkPush(push, over, now).warnings.map(place),
    ...(all.length > 0 && { refusal: inputError(all, NOTHING_SENT) }),
  }
}

interface Judged {
  readonly push?: Omit<PushRequest, 'audience'>
  readonly faults: readonly Fault[]
}

/** A push, or everything that is wrong with it at this time (UNIX ms). */
function judge(members: PushMembers, over: Interface, now: number): Judged {
  try {
    const { audience: _, ...push } = parsePushRequest(members, { now, interfaceOf: () => over })
    return { push, faults: [] }
  } catch (error) {
    if (error instanceof DispatcherError) return { faults: error.faults }
    throw error
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
function checkLimit(
  { maxAudience, to, dryRun }: SendFlags,
  recipients: Recipients,
  mayAsk: boolean,
  faults: InputFault[],
): void {
  const flag = '--max-audience'
  if (maxAudience === undefined && to === undefined && dryRun !== true && !mayAsk)
    faults.push({ flag, detail: 'missing: without a terminal to confirm the count on, give the limit' })
  if (maxAudience !== undefined && 'stdin' in recipients)
    faults.push({ flag, detail: 'cannot stand beside --to -: a stream is not counted before' })
}

/** `+10m` counts from now; anything else must be a time. */
function sendAtOf(text: string | undefined, now: number): string | undefined {
  const after = text?.startsWith('+') === true ? parseDuration(text.slice(1)) : undefined
  return after === undefined ? text : new Date(now + after).toISOString()
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
  faults: readonly InputFault[],
): Promise<string | undefined> {
  if (file === undefined) return undefined
  try {
    return file === '-' ? await readAll(stdin) : await readFile(file, 'utf8')
  } catch (error) {
    const detail = `cannot be read: ${error instanceof Error ? error.message : String(error)}`
    refuseFaults([...faults, { flag: '--payload', detail }], NOTHING_SENT)
    throw error
  }
}
