import type http from 'node:http'
import { createRequire } from 'node:module'
import type { Socket } from 'node:net'

import { type Address, formatAddress } from './address.ts'
import { fromSocketError, refusedByProxy, SenderError } from './errors.ts'

// An import would bring all that this module has a getter for, fetch and WebSocket among them: 10 MB, proxy or not.
const loadHttp = (): typeof http => createRequire(import.meta.url)('node:http') as typeof http

/** An HTTP proxy, by which a connection is made with CONNECT. */
export interface HttpProxy extends Address {
  /** The value of `Proxy-Authorization`. Secret. */
  readonly authorization: string | undefined
}

/**
 * Reads `http://host:port`, or `http://user:password@host:port` with what is no letter or digit percent-encoded. The
 * port is 80 if it is left out.
 * @throws SenderError `invalid-options`, which does not repeat the text: there may be a password in it
 */
export function parseProxy(text: string): HttpProxy {
  const url = readUrl(text)
  const user = decode(url.username)
  if (url.protocol !== 'http:' || url.hostname === '') throw invalid('is no address that begins with http://')
  if (url.pathname !== '/' || url.search !== '' || url.hash !== '')
    throw invalid('has something behind its host and port')
  if (user.includes(':')) throw invalid('has a colon in its user name')
  const port = url.port === '' ? 80 : Number(url.port)
  if (port === 0) throw invalid('has no port')
  const credentials = Buffer.from(`${user}:${decode(url.password)}`)
  return {
    host: url.hostname.replace(/^\[(.*)\]$/, '$1'),
    port,
    authorization: credentials.length > 1 ? `Basic ${credentials.toString('base64')}` : undefined,
  }
}

/** What becomes of the request for a tunnel: one of these, once. */
interface TunnelListener {
  /** Bytes written on the socket reach the server. */
  opened(socket: Socket): void
  failed(error: SenderError): void
}

/** Asks the proxy for a tunnel to `to`. The function that it answers gives the request up; one of the two is still called. */
export function openTunnel(proxy: HttpProxy, to: Address, listener: TunnelListener): () => void {
  const { host, port, authorization } = proxy
  const target = formatAddress(to)
  const asked = loadHttp().request({
    host,
    port,
    method: 'CONNECT',
    path: target,
    headers: { host: target, ...(authorization !== undefined && { 'proxy-authorization': authorization }) },
    agent: false,
  })
  asked.once('connect', ({ statusCode = 0 }, socket: Socket, head) => {
    if (statusCode >= 200 && statusCode < 300) {
      if (head.length > 0) socket.unshift(head)
      listener.opened(socket)
      return
    }
    socket.destroy()
    listener.failed(refusedByProxy(formatAddress(proxy), target, statusCode))
  })
  asked.once('error', (error) => listener.failed(fromSocketError(error, `the proxy ${formatAddress(proxy)}`)))
  asked.end()
  return () => asked.destroy()
}

function readUrl(text: string): URL {
  try {
    return new URL(text)
  } catch {
    throw invalid('is no address that begins with http://')
  }
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    throw invalid('has a user or password with a percent sign that encodes nothing')
  }
}

function invalid(what: string): SenderError {
  return new SenderError(
    'invalid-options',
    `proxy ${what}`,
    'Give it as http://host:port or http://user:password@host:port, special characters percent-encoded.',
  )
}
