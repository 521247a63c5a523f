import { lookup } from 'node:dns/promises'
import { isIP, type Socket } from 'node:net'
import { connect, type TLSSocket } from 'node:tls'

import { openTunnel, parseProxy } from '@lhspn/sender'

/** Whom to reach, and how. */
export interface ReachOptions {
  readonly host: string
  readonly port: number
  /** PEM of the client certificate and of its key. */
  readonly certificate?: { readonly certificate: string; readonly key: string } | undefined
  /** PEM of the authority to trust instead of the system's. */
  readonly ca?: string | undefined
  /** What the server must agree to speak (ALPN). */
  readonly protocol?: 'h2' | undefined
  /** `http://…` */
  readonly proxy?: string | undefined
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

/** A connection, verified. Whoever asked for it destroys the socket. */
export interface Reached {
  readonly kind: 'reached'
  readonly socket: TLSSocket
  readonly over: Connected
}

/** By what a server was reached. */
export interface Connected {
  /** What the name stands for; undefined where a proxy knows it. */
  readonly ip: string | undefined
  /** `TLSv1.3` */
  readonly protocol: string
}

/** What stood in the way. */
export interface Unreached {
  readonly kind: 'unknown-host' | 'unreachable' | 'no-tls' | 'untrusted' | 'no-http2'
  readonly detail: string
  /** Where there is a better one than for its kind. */
  readonly remedy?: string
}

/** The client certificate, or that there is none, was refused by a TLS alert. */
export interface Refused {
  readonly kind: 'refused'
  readonly detail: string
  readonly over: Connected
}

/** What keeps a question from being asked. */
class Obstacle extends Error {
  readonly result: Unreached | Refused

  constructor(result: Unreached | Refused) {
    super(result.detail)
    this.result = result
  }
}

/**
 * Opens a TLS connection and says how far it came. The certificate of the server is verified, and what is wrong with it
 * told.
 */
export async function reach(options: ReachOptions): Promise<Reached | Unreached | Refused> {
  const { host, port, proxy, timeoutMs, signal } = options
  signal?.throwIfAborted()
  const late = new AbortController()
  const timer = setTimeout(() => late.abort(), timeoutMs)
  const ending = signal === undefined ? late.signal : AbortSignal.any([signal, late.signal])
  try {
    const ip = proxy === undefined ? await resolve(host, timeoutMs, ending) : undefined
    signal?.throwIfAborted()
    const tunnel = proxy === undefined ? undefined : await tunnelThrough(proxy, host, port, ending)
    return await handshake(options, ip, tunnel, ending)
  } catch (error) {
    signal?.throwIfAborted()
    if (!(error instanceof Obstacle)) throw error
    return error.result
  } finally {
    clearTimeout(timer)
  }
}

/** A look-up cannot be broken off: what it says too late is nobody's business any more. */
async function resolve(host: string, timeoutMs: number, ending: AbortSignal): Promise<string> {
  const late = new Promise<never>((_, reject) => {
    ending.addEventListener('abort', () => {
      const detail = `DNS did not answer for ${host} within ${timeoutMs / 1000} s`
      reject(new Obstacle({ kind: 'unknown-host', detail }))
    })
  })
  try {
    return (await Promise.race([lookup(host), late])).address
  } catch (error) {
    if (error instanceof Obstacle) throw error
    throw new Obstacle({ kind: 'unknown-host', detail: `${host} is not known to DNS (${codeOf(error)})` })
  }
}

function tunnelThrough(proxy: string, host: string, port: number, ending: AbortSignal): Promise<Socket> {
  return new Promise((opened, reject) => {
    const giveUp = openTunnel(
      parseProxy(proxy),
      { host, port },
      {
        opened,
        failed: ({ message, remedy }) => reject(new Obstacle({ kind: 'unreachable', detail: message, remedy })),
      },
    )
    ending.addEventListener('abort', () => {
      giveUp()
      reject(new Obstacle({ kind: 'unreachable', detail: 'The proxy did not answer in time' }))
    })
  })
}

async function handshake(
  { host, port, certificate, ca, protocol, timeoutMs }: ReachOptions,
  ip: string | undefined,
  tunnel: Socket | undefined,
  ending: AbortSignal,
): Promise<Reached> {
  const address = `${host}:${port}`
  // verified by hand, so that what is wrong with the certificate can be told
  const socket = connect({
    host,
    port,
    ...(tunnel !== undefined && { socket: tunnel }),
    ...(certificate !== undefined && { cert: certificate.certificate, key: certificate.key }),
    ...(ca !== undefined && { ca }),
    ...(isIP(host) === 0 && { servername: host }),
    ...(protocol !== undefined && { ALPNProtocols: [protocol] }),
    rejectUnauthorized: false,
  })
  // whatever comes after the last question must not end the program
  socket.on('error', () => undefined)
  let stage: 'tcp' | 'tls' = tunnel === undefined ? 'tcp' : 'tls'
  try {
    return await new Promise<Reached>((done, reject) => {
      const fail = (result: Unreached | Refused): void => reject(new Obstacle(result))
      ending.addEventListener('abort', () => {
        const kind = stage === 'tcp' ? 'unreachable' : 'no-tls'
        fail({ kind, detail: `${address} did not answer within ${timeoutMs / 1000} s` })
      })
      socket.on('connect', () => (stage = 'tls'))
      socket.on('error', (error) => fail(explain(error, address, stage, ip)))
      socket.on('close', () =>
        fail({ kind: 'no-tls', detail: `${address} closed the connection before TLS was there` }),
      )
      socket.on('secureConnect', () => {
        if (!socket.authorized) {
          fail({
            kind: 'untrusted',
            detail: `${address} showed a certificate that is not trusted (${whyUntrusted(socket)})`,
          })
        } else if (protocol !== undefined && socket.alpnProtocol !== protocol) {
          fail({ kind: 'no-http2', detail: `${address} does not agree on HTTP/2 (ALPN "h2")` })
        } else done({ kind: 'reached', socket, over: { ip, protocol: socket.getProtocol() ?? 'TLS' } })
      })
    })
  } catch (error) {
    socket.destroy()
    throw error
  }
}

function whyUntrusted({ authorizationError }: TLSSocket): string {
  const why = authorizationError as unknown as Error | string | undefined
  return why instanceof Error ? why.message : String(why)
}

function explain(error: Error, address: string, stage: 'tcp' | 'tls', ip: string | undefined): Unreached | Refused {
  const code = codeOf(error)
  if (code.endsWith('ALERT_NO_APPLICATION_PROTOCOL')) {
    return { kind: 'no-http2', detail: `${address} does not agree on HTTP/2 (ALPN "h2")` }
  }
  return (
    refusalOf(error, { ip, protocol: 'TLS' }) ?? {
      kind: stage === 'tcp' ? 'unreachable' : 'no-tls',
      detail: `${address}: ${error.message || code}`,
    }
  )
}

/** A TLS alert says that the server does not take us; it may also come after the handshake. */
export function refusalOf(error: Error & { readonly reason?: string }, over: Connected): Refused | undefined {
  const code = codeOf(error)
  return /^ERR_SSL_.*ALERT/.test(code) ? { kind: 'refused', detail: error.reason ?? code, over } : undefined
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}

/** `host:port`, or `host` alone where there is a default port. The configuration has checked that it is one. */
export function addressOf(text: string, defaultPort = 0): { readonly host: string; readonly port: number } {
  const [, ip, name, port] = /^(?:\[(.+)\]|([^:]+))(?::(\d+))?$/.exec(text) ?? []
  return { host: ip ?? name ?? text, port: port === undefined ? defaultPort : Number(port) }
}
