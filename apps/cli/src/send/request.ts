import { readFile } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import { text as readAll } from 'node:stream/consumers'

import { type Content, parseDeviceToken } from '@lhspn/apns-protocol'
import { didYouMean, type Environment } from '@lhspn/service'

import { type InputFault, refuseFaults } from '../errors.ts'
import { readEnvironment } from '../installation.ts'
import { type ContentFlags, readContent } from './content-flags.ts'

/** The flags of `send` as they were typed. */
export interface SendFlags extends ContentFlags {
  readonly to?: readonly string[] | undefined
  readonly payload?: string | undefined
  readonly onUnconfirmed?: string | undefined
  readonly app?: string | undefined
  readonly environment?: string | undefined
}

/** What is to be sent, to whom, and how; nothing in it is in doubt any more. */
export interface SendRequest {
  readonly content: Content
  /** As lowercase hex, each once; or `stdin`, one a line. */
  readonly tokens: readonly string[] | 'stdin'
  /** How many tokens were typed more than once. */
  readonly duplicates: number
  readonly environment: Environment
  readonly onUnconfirmed: 'report' | 'resend'
  readonly warnings: readonly InputFault[]
}

/**
 * Reads everything that was typed. Nothing is read of a token stream, but a payload from stdin is.
 * @param now UNIX milliseconds
 * @throws CommandError `invalid-input` with every fault at once
 */
export async function readSendRequest(
  text: string | undefined,
  flags: SendFlags,
  stdin: Readable,
  now: number,
): Promise<SendRequest> {
  const faults: InputFault[] = []
  const { tokens, duplicates } = readTokens(flags.to ?? [], faults)
  const environment = readEnvironment(flags.environment, faults)
  const onUnconfirmed = readPolicy(flags.onUnconfirmed, faults)
  if (flags.payload === '-' && tokens === 'stdin') {
    faults.push({ flag: '--payload', detail: 'cannot come from stdin too: --to - reads tokens from it' })
    refuseFaults(faults, 'Nothing was sent')
  }
  const payloadText = await readPayload(flags.payload, stdin, faults)
  const { content, ...checked } = readContent(text, flags, payloadText, now)
  const isPayloadMissing = flags.payload !== undefined && payloadText === undefined
  if (!isPayloadMissing) faults.push(...checked.faults)
  if (content === undefined || faults.length > 0) {
    refuseFaults(faults, 'Nothing was sent')
    throw new TypeError('a content without faults must be there')
  }
  return { content, tokens, duplicates, environment, onUnconfirmed, warnings: checked.warnings }
}

function readTokens(
  typed: readonly string[],
  faults: InputFault[],
): { readonly tokens: SendRequest['tokens']; readonly duplicates: number } {
  if (typed.length === 0)
    faults.push({ flag: '--to', detail: 'missing: give device tokens, or - to read them from stdin' })
  if (typed.length === 1 && typed[0] === '-') return { tokens: 'stdin', duplicates: 0 }
  const tokens = new Set<string>()
  for (const word of typed) {
    try {
      if (word === '-')
        faults.push({ flag: '--to', detail: 'reads tokens from stdin (-) or takes them here, not both' })
      else tokens.add(parseDeviceToken(word))
    } catch (error) {
      faults.push({ flag: '--to', detail: error instanceof Error ? error.message : String(error) })
    }
  }
  return { tokens: [...tokens], duplicates: typed.length - tokens.size }
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
