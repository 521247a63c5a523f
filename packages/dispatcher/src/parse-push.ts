import {
  checkContent,
  type Fault,
  type Interface,
  isPushType,
  MAX_BADGE,
  type Payload,
  type Priority,
  PUSH_TYPES,
} from '@lhspn/apns-protocol'
import { type Audience, DeviceStoreError, parseAudience } from '@lhspn/device-store'

import { DispatcherError } from './errors.ts'
import { contentAt, type Environment, type Expiration, type PushRequest, type TokenStream } from './push.ts'

export interface ParsePushOptions {
  /** Topic to take where the request names none. */
  readonly app?: string | undefined
  /** UNIX ms */
  readonly now: number
  /** Over which interface the app is served; what it throws comes out. Without it, the provider API's rules hold. */
  readonly interfaceOf?: ((app: string, environment: Environment) => Interface) | undefined
}

type Fields = Readonly<Record<string, unknown>>

const FIELDS: readonly (keyof PushRequest)[] = [
  'app',
  'environment',
  'audience',
  'payload',
  'pushType',
  'priority',
  'expiration',
  'collapseId',
  'badge',
  'sendAt',
  'rate',
  'maxAudience',
  'onUnconfirmed',
]
const DAY_MS = 86_400_000
const DEFAULT_EXPIRATION: Expiration = { afterMs: DAY_MS }
const MAX_TOPIC_LENGTH = 255
/** Notifications a second that may be asked for. */
export const MAX_RATE = 1_000_000
const MAX_COUNT = 4_294_967_295
/** UNIX ms: APNs has 32 bits for seconds. */
const MAX_EXPIRY = 4_294_967_295_000
const UNIT_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: DAY_MS }
const TIME = /^(\d{4}-\d{2}-\d{2})[Tt ]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$/

/**
 * Reads a push out of JSON; its audience may also be a stream of tokens. `null` counts as left out.
 * @throws DispatcherError `invalid-push`, or `gateway-cannot` where only the gateway is in the way: with every fault
 */
export function parsePushRequest(value: unknown, { app, now, interfaceOf }: ParsePushOptions): PushRequest {
  const faults: Fault[] = []
  const fields = readObject(value, faults)
  if (fields === undefined) return refuse(faults)
  const request = new Reader(fields, now, faults).request(app)
  const isAddressed = !faults.some(({ pointer }) => pointer === '/app' || pointer === '/environment')
  const over = (isAddressed ? interfaceOf?.(request.app, request.environment) : undefined) ?? 'provider-api'
  const { errors } = checkPush(request, over, now)
  const isGatewayInTheWay =
    over === 'gateway' && faults.length === 0 && checkPush(request, 'provider-api', now).errors.length === 0
  faults.push(...errors.map(({ pointer, detail }) => ({ pointer, detail })))
  if (faults.length > 0) refuse(faults, isGatewayInTheWay)
  return request
}

/** Whether APNs will take the content of a push that begins now (UNIX ms). Pointers lead into the request. */
export function checkPush(request: Omit<PushRequest, 'audience'>, over: Interface, now: number) {
  return checkContent(contentAt(request, now), over, { badge: request.badge !== null })
}

/** A duration such as `90s`, `10m`, `24h`, `30d`, in ms. */
function parseDuration(text: string): number | undefined {
  const [, count = '', unit = ''] = /^(\d{1,9})([smhd])$/.exec(text) ?? []
  const unitMs = UNIT_MS[unit]
  return unitMs === undefined ? undefined : Number(count) * unitMs
}

class Reader {
  readonly #fields: Fields
  readonly #now: number
  readonly #faults: Fault[]

  constructor(fields: Fields, now: number, faults: Fault[]) {
    this.#fields = fields
    this.#now = now
    this.#faults = faults
  }

  request(defaultApp: string | undefined): PushRequest {
    const { pushType } = this.#fields
    const sendAt = this.#sendAt()
    const facts = PUSH_TYPES[isPushType(pushType) ? pushType : 'alert']
    return {
      app: this.#app(defaultApp),
      environment: this.#choice('environment', ['production', 'sandbox']) ?? 'production',
      audience: this.#audience(),
      // These are checked as a content, all together.
      payload: this.#fields['payload'] as Payload,
      pushType: (pushType ?? 'alert') as PushRequest['pushType'],
      priority: (this.#fields['priority'] ?? facts.defaultPriority) as Priority,
      collapseId: (this.#fields['collapseId'] ?? null) as string | null,
      expiration: this.#expiration(sendAt),
      badge: this.#badge(),
      sendAt,
      rate: this.#count('rate', MAX_RATE),
      maxAudience: this.#count('maxAudience', MAX_COUNT),
      onUnconfirmed: this.#choice('onUnconfirmed', ['report', 'resend']) ?? 'report',
    }
  }

  #app(byDefault: string | undefined): string {
    const app = this.#fields['app'] ?? byDefault
    if (typeof app === 'string' && app.length <= MAX_TOPIC_LENGTH && /^[!-~]+$/.test(app)) return app
    if (app === undefined) this.#fault('/app', 'Must be there: which app is meant is not clear without it.')
    else this.#fault('/app', `Must be the bundle id of an app: 1 to ${MAX_TOPIC_LENGTH} characters of ASCII.`)
    return ''
  }

  #audience(): Audience | TokenStream {
    const { audience } = this.#fields
    if (isTokenStream(audience)) return audience
    if (audience === undefined) {
      this.#fault('/audience', 'Must be there: {"tokens": […]}, {"all": true} or {"filter": …}.')
      return { tokens: [] }
    }
    try {
      const parsed = parseAudience(audience)
      return 'tokens' in parsed ? { tokens: [...new Set(parsed.tokens)] } : parsed
    } catch (error) {
      if ((error as DeviceStoreError).code !== 'invalid-audience') throw error
      for (const { pointer, detail } of (error as DeviceStoreError).faults) this.#fault(`/audience${pointer}`, detail)
      return { tokens: [] }
    }
  }

  #sendAt(): number | null {
    const { sendAt } = this.#fields
    if (sendAt === undefined) return null
    const time = parseTime(sendAt)
    if (time === undefined) this.#fault('/sendAt', 'Must be a time such as 2026-01-31T12:00:00Z (RFC 3339).')
    else if (time < this.#now) this.#fault('/sendAt', 'Must not be in the past.')
    return time ?? null
  }

  #expiration(sendAt: number | null): Expiration {
    const { expiration } = this.#fields
    if (expiration === undefined) return DEFAULT_EXPIRATION
    if (expiration === 0 || expiration === '0') return { at: 0 }
    const start = sendAt ?? this.#now
    const afterMs = typeof expiration === 'string' ? parseDuration(expiration) : undefined
    const at = afterMs === undefined ? parseTime(expiration) : start + afterMs
    if (at === undefined)
      this.#fault('/expiration', 'Must be a duration such as 24h, 0 (now or never), or a time (RFC 3339).')
    else if (at <= start) this.#fault('/expiration', 'Must not be over before the push begins; 0 means now or never.')
    else if (at > MAX_EXPIRY)
      this.#fault('/expiration', 'Must not be beyond 2106, the last year that APNs can express.')
    else return afterMs === undefined ? { at } : { afterMs }
    return DEFAULT_EXPIRATION
  }

  #badge(): PushRequest['badge'] {
    const { badge } = this.#fields
    if (badge === undefined) return null
    if (badge === 'increment') return badge
    if (isWhole(badge, 0, MAX_BADGE)) return badge
    this.#fault('/badge', `Must be increment, or a whole number from 0 to ${MAX_BADGE}.`)
    return null
  }

  #count(name: 'rate' | 'maxAudience', most: number): number | null {
    const value = this.#fields[name]
    if (value === undefined) return null
    if (isWhole(value, 1, most)) return value
    this.#fault(`/${name}`, `Must be a whole number from 1 to ${most}.`)
    return null
  }

  #choice<T extends string>(name: keyof PushRequest, choices: readonly T[]): T | undefined {
    const value = this.#fields[name]
    if (value === undefined || choices.includes(value as T)) return value as T | undefined
    this.#fault(`/${name}`, `Must be ${choices.join(' or ')}.`)
    return undefined
  }

  #fault(pointer: string, detail: string): void {
    this.#faults.push({ pointer, detail })
  }
}

/** Its members but those that are null. */
function readObject(value: unknown, faults: Fault[]): Fields | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    faults.push({ pointer: '', detail: 'Must be an object.' })
    return undefined
  }
  for (const key of Object.keys(value)) {
    if ((FIELDS as readonly string[]).includes(key)) continue
    const pointer = `/${key.slice(0, 100).replaceAll('~', '~0').replaceAll('/', '~1')}`
    faults.push({ pointer, detail: `There is no such field; known are ${FIELDS.join(', ')}.` })
  }
  return Object.fromEntries(Object.entries(value).filter(([, content]) => content !== null))
}

/** Nothing in JSON is one. */
function isTokenStream(audience: unknown): audience is TokenStream {
  if (typeof audience !== 'object' || audience === null || !('stream' in audience)) return false
  const { stream } = audience
  return typeof stream === 'object' && stream !== null && Symbol.asyncIterator in stream
}

/** UNIX ms */
function parseTime(value: unknown): number | undefined {
  if (typeof value !== 'string') return undefined
  const [, day] = TIME.exec(value) ?? []
  if (day === undefined || !isDay(day)) return undefined
  const time = Date.parse(value)
  return time > 0 ? time : undefined
}

/** Whether the calendar has it: `Date.parse` takes 2027-02-30 for 2 March. */
function isDay(day: string): boolean {
  const start = Date.parse(`${day}T00:00:00Z`)
  return !Number.isNaN(start) && new Date(start).toISOString().startsWith(day)
}

function isWhole(value: unknown, least: number, most: number): value is number {
  return Number.isInteger(value) && (value as number) >= least && (value as number) <= most
}

function refuse(faults: readonly Fault[], isGatewayInTheWay = false): never {
  const [first] = faults
  const more = faults.length > 1 ? `, and ${faults.length - 1} more` : ''
  const what = `${first?.pointer === '' ? '' : `${first?.pointer}: `}${first?.detail}${more}`
  if (isGatewayInTheWay)
    throw new DispatcherError(
      'gateway-cannot',
      `The app is served by a binary gateway, which cannot carry this. ${what}`,
      'Leave it out, or serve the app over the provider API.',
      { faults },
    )
  throw new DispatcherError('invalid-push', `The push is not valid. ${what}`, 'Correct it.', { faults })
}
