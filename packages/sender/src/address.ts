import { domainToASCII } from 'node:url'

import { SenderError } from './errors.ts'

/** Where a server listens. */
export interface Address {
  readonly host: string
  readonly port: number
}

/**
 * Reads `host:port`, or `host` alone where there is a default port; an IPv6 address stands in brackets.
 * @param what the option that the text came from, for the message
 * @throws SenderError `invalid-options`
 */
export function parseAddress(text: string, what: string, defaultPort?: number): Address {
  const match = /^(?:\[([\da-fA-F:.]+)\]|([^\s:[\]]+))(?::(\d{1,5}))?$/.exec(text)
  const port = match?.[3] === undefined ? defaultPort : Number(match[3])
  const host = match?.[1] ?? asciiOf(match?.[2] ?? '')
  if (host === '' || port === undefined || port < 1 || port > 65_535) {
    const form = defaultPort === undefined ? 'host:port' : 'host or host:port'
    throw new SenderError('invalid-options', `${what} is no address: ${JSON.stringify(text)}`, `Give it as ${form}.`)
  }
  return { host, port }
}

/** `host:port`, as `parseAddress` reads it. */
export function formatAddress({ host, port }: Address): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

/** International names as DNS, TLS and HTTP carry them; empty for what is no name. */
function asciiOf(host: string): string {
  return /^[!-~]+$/.test(host) ? host : domainToASCII(host)
}
