import { isIP } from 'node:net'

import { z } from 'zod'

import { parseDuration } from './duration.ts'

/**
 * Every key of the configuration, once: what is due (for messages), how it is read, and its value when nobody gives
 * one. A further key is a line here and a line in the README.
 */
export interface Key<Value> {
  /** What the value must be, ready to follow "must be". */
  readonly due: string
  readonly schema: z.ZodType<Value>
  /** As it would stand in the file. */
  readonly fallback?: string | number | boolean
  /**
   * `path`: relative to the file that names it. `path-or-pem`: may hold the PEM text itself. `database`: a URL whose file
   * is such a path, or that may hold a password. `proxy`, `queue`: a URL that may hold a user and a password. `secret`:
   * never shown. `list`: a variable has its items with commas.
   */
  readonly holds?: 'path' | 'path-or-pem' | 'database' | 'proxy' | 'queue' | 'secret' | 'list'
  /** Only the environment may give it, so that the file can be shown to anyone. */
  readonly keptOut?: true
}

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const
const FORMATS = ['auto', 'json', 'text'] as const
const MIGRATES = ['start', 'manual'] as const
const MAX_RATE_WINDOW_MS = 3_600_000
const MIN_ADMIN_KEY_LENGTH = 32

/** How much is logged. */
export type LogLevel = (typeof LEVELS)[number]
/** `auto` is text on a terminal, else JSON. */
export type LogFormat = (typeof FORMATS)[number]

/** `start` brings the schema up to date when a program starts; `manual` refuses to start on an old one. */
export type MigrateMode = (typeof MIGRATES)[number]
/** So many requests in so many milliseconds. */
export interface RateLimit {
  readonly quota: number
  readonly windowMs: number
}

/** The keys outside of `[[apps]]`, by the name that stands in messages and in `lhspn config`. */
export const KEYS = {
  'database.url': {
    due: 'sqlite:FILE or mysql://USER@HOST/NAME',
    schema: z.string().regex(/^(sqlite:.+|mysql:\/\/.+)$/s),
    fallback: 'sqlite:lhspn.db',
    holds: 'database',
  },
  'database.password': { due: 'the password of the database user', schema: z.string().min(1), holds: 'secret' },
  'database.migrate': oneOf(MIGRATES, 'start'),
  'queue.url': {
    due: 'redis://HOST:PORT, rediss://HOST:PORT, or empty for the queue in the database',
    schema: z.string().refine(isQueue),
    holds: 'queue',
  },
  'server.listen': listen('127.0.0.1:8080'),
  'server.basePath': {
    due: 'a path that begins with /, such as /push',
    schema: z
      .string()
      .regex(/^(\/|(\/[\w.~-]+)+\/?)$/)
      .transform((path) => path.replace(/\/$/, '')),
    fallback: '/',
  },
  'server.trustProxy': {
    due: 'a list of addresses or networks, such as ["10.0.0.0/8"]',
    schema: z.array(z.string().refine(isNetwork)),
    holds: 'list',
  },
  'server.drainTimeout': duration('0s', '10m', '25s'),
  'ops.listen': listen('127.0.0.1:9464'),
  'legacy.enabled': yesOrNo(false),
  'legacy.app': topic(),
  'sender.connections': whole(1, 64, 4),
  'sender.requestTimeout': duration('1s', '10m', '20s'),
  'sender.attempts': whole(1, 100, 5),
  'sender.connectionsPerSecond': whole(1, 1000, 4),
  'sender.quietTime': duration('100ms', '1m', '3s'),
  'sender.assumeAccepted': yesOrNo(false),
  'sender.proxy': {
    due: 'http://HOST:PORT or http://USER:PASSWORD@HOST:PORT, special characters percent-encoded',
    schema: z.string().refine(isProxy),
    holds: 'proxy',
  },
  'dispatcher.chunkSize': whole(100, 50_000, 5000),
  'dispatcher.concurrency': whole(1, 64, 2),
  'dispatcher.lease': duration('2s', '10m', '15s'),
  'dispatcher.mismatchShare': {
    due: 'a share above 0, up to 1 (off)',
    schema: z.number().gt(0).max(1),
    fallback: 0.05,
  },
  'dispatcher.retention': duration('1d', '3650d', '30d'),
  'feedback.every': duration('1m', '24d', '24h'),
  'rateLimit.register': rate('600/1m'),
  'rateLimit.api': rate('600/1m'),
  'log.level': oneOf(LEVELS, 'info'),
  'log.format': oneOf(FORMATS, 'auto'),
  adminKey: {
    due: `text of ${MIN_ADMIN_KEY_LENGTH} printable characters or more, without spaces`,
    schema: z
      .string()
      .regex(/^[!-~]+$/)
      .min(MIN_ADMIN_KEY_LENGTH),
    holds: 'secret',
    keptOut: true,
  },
} as const satisfies Record<string, Key<unknown>>

/** The keys of one `[[apps]]` block. */
export const APP_KEYS = {
  topic: topic(),
  teamId: id('a team id'),
  key: signingKey(),
  keyId: id('a key id'),
  sandboxKey: signingKey(),
  sandboxKeyId: id('a key id'),
  certificate: certificate(),
  sandboxCertificate: certificate(),
  passphrase: { due: 'a passphrase', schema: z.string().min(1), holds: 'secret', keptOut: true },
  passphraseFile: { due: 'the path of a file that holds a passphrase', schema: z.string().min(1), holds: 'path' },
  provider: provider(),
  sandboxProvider: provider(),
  gateway: address(),
  feedback: address(),
  sandboxGateway: address(),
  sandboxFeedback: address(),
  ca: { due: 'the path of a PEM file', schema: z.string().min(1), holds: 'path-or-pem' },
  trustedAttributes: {
    due: 'a list of keys of attributes, such as ["userId"]',
    schema: z.array(z.string().min(1).max(64)).max(50),
    holds: 'list',
  },
} as const satisfies Record<string, Key<unknown>>

/** Name of a key outside of `[[apps]]`. */
export type ConfigKey = keyof typeof KEYS
/** Name of a key inside an `[[apps]]` block. */
export type AppKey = keyof typeof APP_KEYS
/** The value of a key as the program uses it; durations are milliseconds. */
export type ValueOf<Entry> = Entry extends Key<infer Value> ? Value : never

/** Whether there is such a key outside of `[[apps]]`. */
export function isConfigKey(key: string): key is ConfigKey {
  return Object.hasOwn(KEYS, key)
}

/** Whether there is such a key in an `[[apps]]` block. */
export function isAppKey(key: string): key is AppKey {
  return Object.hasOwn(APP_KEYS, key)
}

/** The environment name of a key: `sender.requestTimeout` is `LHSPN_SENDER_REQUEST_TIMEOUT`. */
export function environmentName(key: string): string {
  return `LHSPN_${key
    .replaceAll('.', '_')
    .replaceAll(/[A-Z]/g, (capital) => `_${capital}`)
    .toUpperCase()}`
}

function whole(min: number, max: number, fallback: number): Key<number> & { readonly fallback: number } {
  return { due: `a whole number from ${min} to ${max}`, schema: z.int().min(min).max(max), fallback }
}

function duration(min: string, max: string, fallback: string): Key<number> & { readonly fallback: string } {
  const bounds = [parseDuration(min) ?? 0, parseDuration(max) ?? Infinity] as const
  const schema = z.string().transform((text, context) => {
    const ms = parseDuration(text)
    if (ms !== undefined && ms >= bounds[0] && ms <= bounds[1]) return ms
    context.addIssue({ code: 'custom', message: 'no duration, or out of bounds' })
    return z.NEVER
  })
  return { due: `a duration from ${min} to ${max}, such as "${fallback}"`, schema, fallback }
}

function yesOrNo(fallback: boolean): Key<boolean> & { readonly fallback: boolean } {
  return { due: 'true or false', schema: z.boolean(), fallback }
}

/** `600/1m`: so many in so long. */
function rate(fallback: string): Key<RateLimit> & { readonly fallback: string } {
  const schema = z.string().transform((text, context): RateLimit => {
    const [, quota = '', window = ''] = /^([1-9]\d{0,8})\/(\d+[smh])$/.exec(text) ?? []
    const windowMs = parseDuration(window)
    if (windowMs !== undefined && windowMs >= 1000 && windowMs <= MAX_RATE_WINDOW_MS) {
      return { quota: Number(quota), windowMs }
    }
    context.addIssue({ code: 'custom', message: 'no rate, or out of bounds' })
    return z.NEVER
  })
  return { due: `requests in a time from 1s to 1h, such as "${fallback}"`, schema, fallback }
}

function topic(): Key<string> {
  return {
    due: 'a topic (bundle id) such as com.example.app',
    schema: z
      .string()
      .regex(/^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$/)
      .max(255),
  }
}

function oneOf<const Name extends string>(
  names: readonly [Name, ...Name[]],
  fallback: Name,
): Key<Name> & { readonly fallback: Name } {
  return { due: `one of ${names.join(', ')}`, schema: z.literal(names), fallback }
}

function certificate(): Key<string> {
  return { due: 'the path of a .pem or .p12 file', schema: z.string().min(1), holds: 'path-or-pem' }
}

function signingKey(): Key<string> {
  return { due: 'the path of a .p8 file', schema: z.string().min(1), holds: 'path-or-pem' }
}

/** As Apple gives them to teams and keys. */
function id(what: string): Key<string> {
  return { due: `${what}, ten capital letters and digits`, schema: z.string().regex(/^[A-Z\d]{10}$/) }
}

/** Where we listen: as the address of a server; port 0 is any free one. */
function listen(fallback: string): Key<string> & { readonly fallback: string } {
  const { schema } = address()
  return {
    due: `HOST:PORT, such as ${fallback}`,
    schema: schema.or(z.string().regex(/^(\[[0-9A-Fa-f:.]+\]|[^\s:/@[\]]+):0$/)),
    fallback,
  }
}

/** An IP address, or a network as `10.0.0.0/8`. */
function isNetwork(text: string): boolean {
  const [host = '', bits, ...more] = text.split('/')
  const family = isIP(host)
  if (family === 0 || more.length > 0) return false
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 4 ? 32 : 128))
}

/** A provider API has a port of its own to fall back on. */
function provider(): Key<string> {
  const { schema } = address()
  return { due: 'HOST or HOST:PORT', schema: schema.or(z.string().regex(/^(\[[0-9A-Fa-f:.]+\]|[^\s:/@[\]]+)$/)) }
}

function isProxy(text: string): boolean {
  const url = URL.canParse(text) ? new URL(text) : undefined
  return url?.protocol === 'http:' && url.hostname !== '' && `${url.pathname}${url.search}${url.hash}` === '/'
}

/** Empty is the queue in the database: a variable that is set to nothing is no mistake. */
function isQueue(text: string): boolean {
  if (text === '') return true
  const url = URL.canParse(text) ? new URL(text) : undefined
  return (url?.protocol === 'redis:' || url?.protocol === 'rediss:') && url.hostname !== ''
}

/** Where a server listens: a host name, an IPv4 address or an IPv6 address in brackets; the port from 1 to 65535. */
function address(): Key<string> {
  const schema = z.string().regex(/^(\[[0-9A-Fa-f:.]+\]|[^\s:/@[\]]+):[1-9]\d{0,4}$/)
  return { due: 'HOST:PORT', schema: schema.refine((text) => Number(text.slice(text.lastIndexOf(':') + 1)) <= 65_535) }
}
