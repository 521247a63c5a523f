import { readFile } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { text as readAll } from 'node:stream/consumers'

import type { Content, Interface } from '@lhspn/apns-protocol'
import type { Filter } from '@lhspn/device-store'
import { didYouMean } from '@lhspn/service'

import { type InputFault, refuseFaults } from '../errors.ts'
import { type FilterFlags, hasFilter, readFilterFlags } from '../filter-flags.ts'
import { readToken } from '../installation.ts'
import { type ContentFlags, readContent } from './content-flags.ts'

/** The flags of `send` as they were typed. */
export interface SendFlags extends ContentFlags, FilterFlags {
  readonly to?: readonly string[] | undefined
  readonly all?: true | undefined
  readonly maxAudience?: string | undefined
  readonly payload?: string | undefined
  readonly onUnconfirmed?: string | undefined
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
  readonly badge: 'increment' | undefined
  readonly recipients: Recipients
  /** With more devices nothing is sent. */
  readonly maxAudience: number | undefined
  /** How many tokens were typed more than once. */
  readonly duplicates: number
  readonly onUnconfirmed: 'report' | 'resend'
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
  if (flags.payload === '-' && 'stdin' in recipients) {
    faults.push({ flag: '--payload', detail: 'cannot come from stdin too: --to - reads tokens from it' })
    refuseFaults(faults, 'Nothing was sent')
  }
  const payloadText = await readPayload(flags.payload, stdin, faults)
  const { content, badge, ...checked } = readContent(text, flags, payloadText, now, over)
  const isPayloadMissing = flags.payload !== undefined && payloadText === undefined
  if (!isPayloadMissing) faults.push(...checked.faults)
  if (content === undefined || faults.length > 0) {
    refuseFaults(faults, 'Nothing was sent')
    throw new TypeError('a content without faults must be there')
  }
  const { warnings } = checked
  return { content, badge, recipients, maxAudience, duplicates, onUnconfirmed, warnings }
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
