import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'

import { getRequestListener, RequestError } from '@hono/node-server'
import type { Service } from '@lhspn/service'
import { ulid } from 'ulid'

import { createApp } from './app.ts'
import { Connections } from './connections.ts'
import { createOps } from './ops.ts'
import { ApiError, problemOf } from './problem.ts'

/** For a request's head. Bodies have their own watch. */
const HEAD_TIMEOUT_MS = 30_000
/** Longer than proxies keep theirs: they close first, so that no request meets a closed connection. */
const KEEP_ALIVE_MS = 75_000

/** The API and the health listener at work. */
export interface ApiServer {
  /** `http://host:port`, without the base path. */
  readonly url: string
  readonly opsUrl: string
  /**
   * Ends in order: `/readyz` says so at once, no new request is taken, those under way have `server.drainTimeout`, then
   * they are cut off. The service is left open.
   */
  close(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

/**
 * Listens at `server.listen` and `ops.listen` for an open service.
 * @throws ApiError `unavailable` where an address cannot be listened at
 */
export async function startServer(service: Service): Promise<ApiServer> {
  const { config, log } = service
  let closing: Promise<void> | undefined
  const ending = new AbortController()
  const answerOps = getRequestListener(createOps(service, () => closing !== undefined).fetch)
  const ops = createServer((incoming, outgoing) => void answerOps(incoming, outgoing))
  const api = createServer(apiListener(service, ending.signal))
  const connections = { api: new Connections(api), ops: new Connections(ops) }
  for (const server of [api, ops]) watch(server, config.server.basePath)
  await listen(api, config.server.listen)
  try {
    await listen(ops, config.ops.listen)
  } catch (error) {
    api.close()
    throw error
  }

  async function end(): Promise<void> {
    ending.abort()
    const timer = setTimeout(() => {
      log.warn('requests are cut off: they took longer than server.drainTimeout')
      connections.api.destroy()
    }, config.server.drainTimeoutMs)
    await closed(api, connections.api)
    clearTimeout(timer)
    await closed(ops, connections.ops)
  }

  const server: ApiServer = {
    url: urlOf(api),
    opsUrl: urlOf(ops),
    close: () => (closing ??= end()),
    [Symbol.asyncDispose]: () => server.close(),
  }
  log.info({ url: server.url, ops: server.opsUrl }, 'listening')
  return server
}

async function closed(server: Server, connections: Connections): Promise<void> {
  const isClosed = once(server, 'close')
  server.close()
  connections.drain()
  await isClosed
}

function apiListener(
  service: Service,
  ending: AbortSignal,
): (incoming: IncomingMessage, outgoing: ServerResponse) => void {
  const { fetch } = createApp(service, ending)
  const { basePath } = service.config.server
  const answer = getRequestListener(fetch, {
    errorHandler: (error) => {
      const isRefused = error instanceof RequestError
      if (!isRefused) service.log.error({ err: error }, 'request failed')
      const what = isRefused ? new ApiError('invalid-request', `The request is refused: ${error.message}.`) : error
      const problem = problemOf(what, `req_${ulid()}`, basePath)
      const headers = { 'content-type': 'application/problem+json', 'x-request-id': problem.instance }
      return new Response(JSON.stringify(problem), { status: problem.status, headers })
    },
  })
  return (incoming, outgoing) => {
    // nobody reads such a body, and a connection that waits for its end could be held for ever
    const hasBody = incoming.headers['content-length'] !== undefined || 'transfer-encoding' in incoming.headers
    if (hasBody && (incoming.method === 'GET' || incoming.method === 'HEAD')) outgoing.setHeader('connection', 'close')
    void answer(incoming, outgoing)
  }
}

function watch(server: Server, basePath: string): void {
  server.headersTimeout = HEAD_TIMEOUT_MS
  server.requestTimeout = 0 // imports take as long as they take
  server.keepAliveTimeout = KEEP_ALIVE_MS
  server.on('clientError', (error: Error & { code?: string }, socket: Socket) => {
    if (error.code === 'ECONNRESET' || !socket.writable) {
      socket.destroy()
      return
    }
    const detail = CLIENT_FAULTS[error.code ?? ''] ?? 'The request is no HTTP.'
    const problem = JSON.stringify(problemOf(new ApiError('invalid-request', detail), `req_${ulid()}`, basePath))
    socket.end(
      `HTTP/1.1 400 Bad Request\r\nContent-Type: application/problem+json\r\nContent-Length: ${Buffer.byteLength(problem)}\r\nConnection: close\r\n\r\n${problem}`,
    )
  })
}

const CLIENT_FAULTS: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: 'The head of the request is too large.',
  ERR_HTTP_REQUEST_TIMEOUT: 'The head of the request did not come in time.',
}

async function listen(server: Server, address: string): Promise<void> {
  const at = address.lastIndexOf(':')
  const host = address.slice(0, at).replace(/^\[|\]$/g, '')
  server.listen(Number(address.slice(at + 1)), host)
  try {
    await once(server, 'listening')
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new ApiError('unavailable', `Cannot listen at ${address}: ${why}`, {
      remedy: 'Choose another address: server.listen and ops.listen.',
      cause: error,
    })
  }
}

function urlOf(server: Server): string {
  const { address, family, port } = server.address() as AddressInfo
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`
}
