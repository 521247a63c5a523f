import { randomUUID } from 'node:crypto'
import { constants, performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'

import { isProviderReason, parseRequest, PROVIDER_REASONS, renderErrorBody } from '@lhspn/apns-protocol'
import { encodeGoaway, FRAME_HEADER_BYTES } from '@lhspn/apns-protocol/http2'

import type { RequestEntry, WritableJournal } from '../journal.ts'
import type { Guest } from '../listener.ts'
import type { RuleList } from '../rule-list.ts'
import type { Environment } from '../signing-key.ts'
import type { Goaway, ProviderAction, ProviderAnswer, ProviderConnectionRule, ProviderRule } from './provider-script.ts'
import { ConnectionTokens, type ProviderTokenVerifier, type Refusal } from './provider-tokens.ts'
import { appOf, checkRequest, type WholeRequest } from './request-check.ts'
import { StreamWatch, type Tell } from './stream-watch.ts'
import { Wire } from './wire.ts'

/** What all connections of a provider API share. */
export interface ProviderApi {
  readonly journal: WritableJournal
  readonly verifier: ProviderTokenVerifier
  readonly environment: Environment
  /** Bundle ids that may be pushed to; undefined: any. */
  readonly apps: readonly string[] | undefined
  rules: RuleList<ProviderRule>
  maxConcurrentStreams: number
  /** Requests so far. */
  requests: number
}

interface Delayed {
  readonly timer: NodeJS.Timeout
  readonly write: () => void
}

/** One connection after its handshake: a session of node:http2, and what Apple does with its requests. */
export class ProviderConnection {
  readonly #guest: Guest
  readonly #number: number
  readonly #api: ProviderApi
  readonly #wire: Wire
  readonly #session: ServerHttp2Session
  readonly #tokens: ConnectionTokens
  readonly #certificateApp: string | undefined
  /** The client has shown who it is, and may open more than one stream. */
  #proven: boolean
  /** Requests on streams above are lost. */
  #lastStream = Infinity
  /** The highest stream whose request was decided about. */
  #lastDecided = 0
  /** Streams whose request is still arriving. */
  readonly #arriving = new Set<ServerHttp2Stream>()
  /** Streams whose answer is decided and not yet away; the delayed ones with what writes them. */
  readonly #answering = new Map<ServerHttp2Stream, Delayed | undefined>()
  /** What ends the connection, and when: asked whenever a stream has closed. */
  #ending: { readonly isReady: () => boolean; readonly end: () => void } | undefined

  constructor(guest: Guest, number: number, rule: ProviderConnectionRule | undefined, api: ProviderApi) {
    this.#guest = guest
    this.#number = number
    this.#api = api
    this.#tokens = new ConnectionTokens(api.verifier)
    this.#certificateApp = guest.trusted && guest.certificate !== undefined ? appOf(guest.certificate) : undefined
    this.#proven = guest.trusted
    const tell: Tell = (stream, violation, detail) => this.#violated(stream, violation, detail)
    this.#wire = new Wire(guest.tls, new StreamWatch(this.#proven ? Infinity : 1, tell))
    if (rule?.do === 'half-open') this.#wire.cut()
    if (rule?.do === 'close-at-once') this.#wire.close(NOTHING)
    this.#session = performServerHandshake(this.#wire, {
      settings: { ...SETTINGS, maxConcurrentStreams: this.#proven ? api.maxConcurrentStreams : 1 },
      ...LIMITS,
    })
    this.#session.on('stream', (stream: ServerHttp2Stream, _headers: object, _flags: number, fields: string[]) =>
      this.#receive(stream, fields),
    )
    this.#session.on('error', (error) => this.#broken(error))
    guest.raw.on('close', () => {
      for (const delayed of this.#answering.values()) clearTimeout(delayed?.timer)
      this.#session.destroy()
    })
  }

  /** Tells the client how many streams it may have open from now on. */
  announceLimit(): void {
    if (this.#proven && !this.#session.destroyed && !this.#wire.isCut) {
      this.#session.settings({ maxConcurrentStreams: this.#api.maxConcurrentStreams })
    }
  }

  #receive(stream: ServerHttp2Stream, flat: readonly string[]): void {
    const chunks: Uint8Array[] = []
    this.#arriving.add(stream)
    stream.on('close', () => this.#closed(stream))
    // a stream that the client resets is one of the things that happen here
    stream.on('error', () => {})
    stream.on('data', (chunk: Uint8Array) => chunks.push(chunk))
    stream.on('end', () => {
      this.#arriving.delete(stream)
      const fields = pairs(flat)
      this.#decide(stream, { fields, read: parseRequest(fields), payload: Buffer.concat(chunks) })
      this.#api.journal.changed()
    })
  }

  #decide(stream: ServerHttp2Stream, request: WholeRequest): void {
    const api = this.#api
    const id = streamId(stream)
    if (id > this.#lastStream) {
      this.#enter(id, request, 'discarded')
      return
    }
    const nth = ++api.requests
    const stranger = this.#authenticate(request)
    const refusal = stranger ?? checkRequest(request, { apps: api.apps, certificateApp: this.#certificateApp })
    if (refusal !== undefined) this.#violated(id, refusal.reason, refusal.detail)
    const rule = api.rules.first(request.read.token ?? '', false, { connection: this.#number, nth })
    const action = rule?.do ?? (refusal === undefined ? TAKEN : answerTo(refusal))
    const before = this.#lastDecided
    this.#lastDecided = Math.max(before, id)
    this.#act(stream, request, action, before)
    const isAnswered = typeof action === 'object' && 'status' in action && action.status !== FORBIDDEN
    if (!this.#proven && stranger === undefined && isAnswered) {
      this.#proven = true
      this.announceLimit()
    }
  }

  /** A certificate makes provider tokens needless; they are then not looked at. */
  #authenticate({ read }: WholeRequest): Refusal | undefined {
    const { certificate, trusted } = this.#guest
    if (certificate === undefined) return this.#tokens.check(read.authorization, Date.now())
    return trusted
      ? undefined
      : { reason: 'BadCertificate', detail: 'the certificate is expired, or of another authority' }
  }

  /** `before`: the highest stream that was decided about before this one. */
  #act(stream: ServerHttp2Stream, request: WholeRequest, action: ProviderAction, before: number): void {
    const id = streamId(stream)
    if (typeof action === 'object' && 'status' in action) {
      this.#answer(stream, request, action)
      return
    }
    if (typeof action === 'object' && 'goaway' in action) {
      if (action.goaway === 'this') this.#answer(stream, request, TAKEN)
      else this.#enter(id, request, 'discarded')
      this.#goAway(action, action.goaway === 'this' ? this.#lastDecided : Math.max(before, id - 2))
      return
    }
    this.#enter(id, request, 'discarded')
    if (typeof action === 'object') {
      stream.close(action.reset)
      return
    }
    switch (action) {
      case 'refuse-stream':
        stream.close(constants.NGHTTP2_REFUSED_STREAM)
        return
      case 'silent':
        return
      case 'silent-connection':
        this.#lastStream = 0
        this.#wire.deafen()
        this.#endWhen(
          () => this.#written(),
          () => this.#wire.cutWhenWritten(),
        )
        return
      case 'close':
        this.#lastStream = 0
        this.#endWhen(
          () => this.#written(),
          () => this.#wire.close(NOTHING),
        )
        return
      case 'reset':
        this.#lastStream = 0
        this.#wire.cut()
        this.#guest.raw.resetAndDestroy()
        return
      default:
        throw new TypeError(`no such action: ${JSON.stringify(action satisfies never)}`)
    }
  }

  #answer(stream: ServerHttp2Stream, request: WholeRequest, answer: ProviderAnswer): void {
    const { status, reason, delayMs = 0 } = answer
    const id = request.read.id ?? randomUUID()
    this.#enter(streamId(stream), request, status === OK ? 'accepted' : 'rejected', { status, id, reason })
    const write = () => {
      this.#answering.set(stream, undefined)
      this.#write(stream, answer, id)
    }
    if (delayMs === 0) write()
    else this.#answering.set(stream, { timer: setTimeout(write, delayMs), write })
  }

  #write(stream: ServerHttp2Stream, { status, reason, timestamp, retryAfter }: ProviderAnswer, id: string): void {
    const { journal, environment } = this.#api
    // the client may have reset it behind its request
    if (stream.closed) return
    const headers = {
      ':status': status,
      'apns-id': id,
      ...(environment === 'sandbox' ? { 'apns-unique-id': randomUUID() } : {}),
      ...(retryAfter === undefined ? {} : { 'retry-after': String(retryAfter) }),
    }
    if (status !== OK) journal.refused(reason ?? String(status))
    stream.respond(headers, { endStream: reason === undefined })
    if (reason !== undefined) stream.end(renderErrorBody(reason, timestamp))
    journal.changed()
  }

  /** Once all that was decided before is written, says GOAWAY; once the rest is that streams up to the last one are owed, closes. */
  #goAway({ goaway, reason, text, code = 0 }: Goaway, highest: number): void {
    // a later one never names a higher stream (RFC 9113, 6.8)
    const last = goaway === 'zero' ? 0 : Math.min(highest, this.#lastStream)
    this.#lastStream = last
    // node:http2 would answer a GOAWAY of the client's by one that names the highest stream that it has seen
    this.#session.goaway = () => undefined
    if (goaway === 'zero') {
      for (const delayed of this.#answering.values()) {
        clearTimeout(delayed?.timer)
        delayed?.write()
      }
    }
    const debug = reason === undefined ? Buffer.from(text ?? '') : renderErrorBody(reason)
    const frame = new Uint8Array(FRAME_HEADER_BYTES + GOAWAY_BYTES + debug.length)
    encodeGoaway(frame, 0, last, code, debug)
    this.#endWhen(
      () => this.#written(),
      () => {
        this.#wire.write(frame)
        this.#endWhen(
          () => this.#answering.size === 0 && [...this.#arriving].every((stream) => streamId(stream) > last),
          () => this.#wire.close(NOTHING),
        )
      },
    )
  }

  /** Whether every answer is away, but for those that are delayed. */
  #written(): boolean {
    return [...this.#answering.values()].every((delayed) => delayed !== undefined)
  }

  #endWhen(isReady: () => boolean, end: () => void): void {
    if (isReady()) end()
    else this.#ending = { isReady, end }
  }

  /** Whatever was to be written on it is written by now. */
  #closed(stream: ServerHttp2Stream): void {
    clearTimeout(this.#answering.get(stream)?.timer)
    this.#answering.delete(stream)
    this.#arriving.delete(stream)
    if (this.#ending?.isReady() !== true) return
    const { end } = this.#ending
    this.#ending = undefined
    end()
  }

  /** The session ended itself: the client broke the rules of HTTP/2, or says that we did. */
  #broken(error: Error): void {
    this.#violated(0, 'ProtocolError', error.message)
    this.#api.journal.changed()
  }

  #violated(stream: number, rule: string, detail: string): void {
    this.#api.journal.violated({ connection: this.#number, stream, rule, detail })
  }

  #enter(
    stream: number,
    { fields, read, payload }: WholeRequest,
    verdict: RequestEntry['verdict'],
    answer: Pick<RequestEntry, 'status' | 'id' | 'reason'> = NO_ANSWER,
  ): void {
    const token = read.token ?? ''
    const connection = this.#number
    this.#api.journal.addRequest(token, verdict, () => ({
      connection,
      stream,
      token,
      headers: joined(fields),
      payload,
      verdict,
      ...answer,
    }))
  }
}

/** What was seen of Apple's. */
const SETTINGS = { headerTableSize: 4096, initialWindowSize: 65_535, maxFrameSize: 16_384, maxHeaderListSize: 8000 }
/** Where Node gives up on a connection. A script may ask for more than the defaults bear. */
const LIMITS = {
  /** MB: enough for thousands of streams with the largest payload; the default would refuse some of a thousand. */
  maxSessionMemory: 256,
  /** Refused streams count as such: a limit that falls may refuse all that is on its way. The default is 1,000. */
  maxSessionInvalidFrames: 0xffff_ffff,
  /** A limit may change faster than the client acknowledges it. The default is 10. */
  maxOutstandingSettings: 0xffff_ffff,
}
/** Last stream and error code, before the debug data. */
const GOAWAY_BYTES = 8
const OK = 200
const FORBIDDEN = 403
const TAKEN: ProviderAnswer = { status: OK }
const NO_ANSWER = { status: undefined, id: undefined, reason: undefined }
const NOTHING = new Uint8Array(0)

function answerTo({ reason }: Refusal): ProviderAnswer {
  return { status: isProviderReason(reason) ? PROVIDER_REASONS[reason].status : 400, reason }
}

function streamId({ id }: ServerHttp2Stream): number {
  return id ?? 0
}

function pairs(flat: readonly string[]): (readonly [string, string])[] {
  const fields: (readonly [string, string])[] = []
  for (let index = 0; index + 1 < flat.length; index += 2) fields.push([flat[index] ?? '', flat[index + 1] ?? ''])
  return fields
}

function joined(fields: WholeRequest['fields']): Record<string, string> {
  const headers: Record<string, string> = {}
  for (const [name, value] of fields) {
    const earlier = headers[name]
    headers[name] = earlier === undefined ? value : `${earlier}, ${value}`
  }
  return headers
}
