import { shortenDeviceToken } from '@lhspn/apns-protocol'
import { destination, type DestinationStream, type Logger, pino, stdSerializers } from 'pino'
import { prettyFactory } from 'pino-pretty'

import type { LogFormat, LogLevel } from './keys.ts'

export type { Logger } from 'pino'

/** How and where to log. */
export interface LoggerOptions {
  readonly level: LogLevel
  readonly format: LogFormat
  /** Whether stderr is a terminal: what `auto` goes by, and whether text has colours. */
  readonly isTerminal: boolean
  /** Instead of stderr. */
  readonly stream?: DestinationStream
}

const SECRETS = ['passphrase', 'password', 'key', 'authorization', 'credentials', 'privateKey']

/**
 * Makes a logger: one JSON object a line, or text, on stderr. Lines are written at once, so that the last one before a
 * crash is there. Secrets are redacted by their field's name, device tokens in `token` shortened, at the top and one
 * level below; keep both out of `msg`.
 */
export function createLogger({ level, format, isTerminal, stream }: LoggerOptions): Logger {
  const isText = format === 'text' || (format === 'auto' && isTerminal)
  const raw = stream ?? destination({ dest: 2, sync: true })
  const out = isText ? textStream(raw, isTerminal) : raw
  return pino(
    {
      level,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }), log: shortenTokens },
      serializers: { err: stdSerializers.err },
      redact: { paths: SECRETS.flatMap((name) => [name, `*.${name}`]), censor: '[redacted]' },
    },
    out,
  )
}

/** Formats in this thread: a worker would lose the last lines of a crash. */
function textStream(raw: DestinationStream, colorize: boolean): DestinationStream {
  const format = prettyFactory({ colorize, ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss.l' })
  return {
    write(line) {
      raw.write(format(line))
    },
  }
}

function shortenTokens(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => {
      if (name === 'token' && typeof value === 'string') return [name, shortenDeviceToken(value)]
      const isPlain = typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
      return isPlain && 'token' in value && typeof value.token === 'string'
        ? [name, { ...value, token: shortenDeviceToken(value.token) }]
        : [name, value]
    }),
  )
}
