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
  /** `path`: relative to the file that names it. `path-or-pem`: may hold the PEM text itself. `secret`: never shown, and refused in the file. */
  readonly holds?: 'path' | 'path-or-pem' | 'secret'
}

const LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const
const FORMATS = ['auto', 'json', 'text'] as const

/** How much is logged. */
export type LogLevel = (typeof LEVELS)[number]
/** `auto` is text on a terminal, else JSON. */
export type LogFormat = (typeof FORMATS)[number]

/** The keys outside of `[[apps]]`, by the name that stands in messages and in `lhspn config`. */
export const KEYS = {
  'sender.connections': whole(1, 64, 4),
  'sender.requestTimeout': duration('1s', '10m', '20s'),
  'sender.attempts': whole(1, 100, 5),
  'sender.connectionsPerSecond': whole(1, 1000, 4),
  'sender.quietTime': duration('100ms', '1m', '3s'),
  'sender.assumeAccepted': { due: 'true or false', schema: z.boolean(), fallback: false },
  'log.level': oneOf(LEVELS, 'info'),
  'log.format': oneOf(FORMATS, 'auto'),
} as const satisfies Record<string, Key<unknown>>

/** The keys of one `[[apps]]` block. */
export const APP_KEYS = {
  topic: {
    due: 'a topic (bundle id) such as com.example.app',
    schema: z.string().regex(/^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*$/),
  },
  certificate: certificate(),
  sandboxCertificate: certificate(),
  passphrase: { due: 'a passphrase', schema: z.string().min(1), holds: 'secret' },
  passphraseFile: { due: 'the path of a file that holds a passphrase', schema: z.string().min(1), holds: 'path' },
  gateway: address(),
  feedback: address(),
  sandboxGateway: address(),
  sandboxFeedback: address(),
  ca: { due: 'the path of a PEM file', schema: z.string().min(1), holds: 'path-or-pem' },
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

function oneOf<const Name extends string>(
  names: readonly [Name, ...Name[]],
  fallback: Name,
): Key<Name> & { readonly fallback: Name } {
  return { due: `one of ${names.join(', ')}`, schema: z.literal(names), fallback }
}

function certificate(): Key<string> {
  return { due: 'the path of a .pem or .p12 file', schema: z.string().min(1), holds: 'path-or-pem' }
}

/** Where a server listens: a host name, an IPv4 address or an IPv6 address in brackets; the port from 1 to 65535. */
function address(): Key<string> {
  const schema = z.string().regex(/^(\[[0-9A-Fa-f:.]+\]|[^\s:/@[\]]+):[1-9]\d{0,4}$/)
  return { due: 'HOST:PORT', schema: schema.refine((text) => Number(text.slice(text.lastIndexOf(':') + 1)) <= 65_535) }
}
