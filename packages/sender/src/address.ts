import { SenderError } from './errors.ts'

/** Where a server listens. */
export interface Address {
  readonly host: string
  readonly port: number
}

/**
 * Reads `host:port`; an IPv6 address stands in brackets.
 * @param what the option that the text came from, for the message
 * @throws SenderError `invalid-options`
 */
export function parseAddress(text: string, what: string): Address {
  const match = /^(?:\[([\da-fA-F:.]+)\]|([^\s:[\]]+)):(\d{1,5})$/.exec(text)
  const port = Number(match?.[3])
  const host = match?.[1] ?? match?.[2]
  if (host === undefined || !(port >= 1 && port <= 65_535)) {
    throw new SenderError('invalid-options', `${what} is no address: ${JSON.stringify(text)}`, 'Give it as host:port.')
  }
  return { host, port }
}
