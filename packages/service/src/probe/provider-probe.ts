import { sign } from 'node:crypto'
import { connect, type ClientHttp2Session, type IncomingHttpHeaders, type IncomingHttpStatusHeader } from 'node:http2'

import {
  joinProviderToken,
  MAX_ERROR_BODY_BYTES,
  parseErrorBody,
  parseGoawayReason,
  signingInput,
} from '@lhspn/apns-protocol'
import type { Credentials, SigningKey } from '@lhspn/sender'

import {
  type Connected,
  reach,
  type Reached,
  type ReachOptions,
  type Refused,
  refusalOf,
  type Unreached,
} from './reach.ts'

export interface ProviderProbeOptions extends Omit<ReachOptions, 'certificate' | 'protocol'> {
  readonly topic: string
  readonly credentials: Credentials
  /** Where the server listens too: tried where it cannot be reached at the first. */
  readonly substitutePort?: number | undefined
}

/** How far it came. */
export type ProviderProbe =
  | (Unreached & { /** The substitute port, if that one can be reached. */ readonly openPort?: number })
  | Refused
  | Answered
  /** It ended the connection instead of an answer; with a reason, if it gave one. */
  | { readonly kind: 'closed'; readonly reason: string | undefined; readonly over: Connected }
  /** No answer came in time. */
  | { readonly kind: 'silent'; readonly over: Connected }

interface Answered {
  readonly kind: 'answered'
  readonly status: number
  readonly reason: string | undefined
  readonly ms: number
  /** By how much the server's clock is before ours (behind: negative), as far as that is certain; undefined if it does not tell. */
  readonly clockAheadMs: number | undefined
  readonly over: Connected
}

/** 32 bytes, as tokens have them, but no device has this one: they are random. */
const NOBODY = '00'.repeat(32)
/** Nobody would see it, even if it arrived. */
const SILENT_PAYLOAD = '{"aps":{"content-available":1}}'
const SECOND_MS = 1000

/** Sends one notification to a device token that cannot exist, over a connection of its own. */
export async function probeProvider(options: ProviderProbeOptions): Promise<ProviderProbe> {
  const { credentials } = options
  const certificate = 'keyId' in credentials ? undefined : credentials
  const reached = await reach({ ...options, certificate, protocol: 'h2' })
  if (reached.kind === 'unreachable') return { ...reached, ...(await trySubstitute(options)) }
  if (reached.kind !== 'reached') return reached
  const session = connect(authorityOf(options), {
    createConnection: () => reached.socket,
    peerMaxConcurrentStreams: 1,
    settings: { enablePush: false },
  })
  try {
    return await ask(session, reached, options)
  } finally {
    session.destroy()
    reached.socket.destroy()
  }
}

async function trySubstitute(options: ProviderProbeOptions): Promise<{ readonly openPort?: number }> {
  const { substitutePort: port } = options
  if (port === undefined) return {}
  const reached = await reach({ ...options, port, protocol: 'h2' })
  if (reached.kind !== 'reached') return {}
  reached.socket.destroy()
  return { openPort: port }
}

/** With the brackets of IPv6; the port is left out where it is that of HTTPS. */
function authorityOf({ host, port }: ProviderProbeOptions): string {
  return new URL(`https://${host.includes(':') ? `[${host}]` : host}:${port}`).origin
}

async function ask(
  session: ClientHttp2Session,
  { socket, over }: Reached,
  options: ProviderProbeOptions,
): Promise<ProviderProbe> {
  const { timeoutMs, signal } = options
  const startedAt = Date.now()
  let reason: string | undefined
  let timer: NodeJS.Timeout | undefined
  let stop: (() => void) | undefined
  try {
    return await new Promise<ProviderProbe>((resolve, reject) => {
      stop = () => reject(signal?.reason as Error)
      signal?.addEventListener('abort', stop)
      timer = setTimeout(() => resolve({ kind: 'silent', over }), timeoutMs)
      session.on('goaway', (_code, _last, data) => {
        if (data !== undefined) reason ??= parseGoawayReason(data, 0, data.byteLength)
      })
      socket.on('error', (error) => resolve(refusalOf(error, over) ?? { kind: 'closed', reason, over }))
      session.on('error', () => undefined)
      session.on('close', () => resolve({ kind: 'closed', reason, over }))
      const request = session.request(headersOf(options))
      request.on('error', () => undefined)
      // the socket may have more to say about it, in this turn
      request.on('close', () => setImmediate(() => resolve({ kind: 'closed', reason, over })))
      request.on('response', (headers) => {
        const endedAt = Date.now()
        let body = Buffer.alloc(0)
        request.on('data', (chunk: Buffer) => {
          if (body.length <= MAX_ERROR_BODY_BYTES) body = Buffer.concat([body, chunk])
        })
        request.on('end', () => resolve(read(headers, body, startedAt, endedAt, over)))
      })
      request.end(SILENT_PAYLOAD)
    })
  } finally {
    clearTimeout(timer)
    if (stop !== undefined) signal?.removeEventListener('abort', stop)
  }
}

function headersOf({ topic, credentials }: ProviderProbeOptions): Record<string, string> {
  return {
    ':method': 'POST',
    ':path': `/3/device/${NOBODY}`,
    'apns-topic': topic,
    'apns-push-type': 'background',
    'apns-priority': '5',
    'apns-expiration': '0',
    ...('keyId' in credentials && { authorization: `bearer ${providerTokenOf(credentials)}` }),
  }
}

function providerTokenOf({ keyId, teamId, key }: SigningKey): string {
  const input = signingInput({ keyId, teamId, issuedAt: Math.floor(Date.now() / SECOND_MS) })
  return joinProviderToken(input, sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }))
}

function read(
  headers: IncomingHttpHeaders & IncomingHttpStatusHeader,
  body: Buffer,
  startedAt: number,
  endedAt: number,
  over: Connected,
): Answered {
  const { reason } = parseErrorBody(body, 0, body.length)
  const date = Date.parse(headers.date ?? '')
  return {
    kind: 'answered',
    status: headers[':status'] ?? 0,
    reason,
    ms: endedAt - startedAt,
    clockAheadMs: Number.isNaN(date) ? undefined : aheadOf(date, startedAt, endedAt),
    over,
  }
}

/** The server wrote its date, a whole second, some time between the two: what both allow is no difference. */
function aheadOf(date: number, startedAt: number, endedAt: number): number {
  return Math.max(0, date - endedAt) + Math.min(0, date + SECOND_MS - startedAt)
}
