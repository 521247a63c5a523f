import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import { type AddressInfo, connect, type Server, type Socket } from 'node:net'

import type { TestContext } from 'vitest'

import { Signal } from '../src/signal.ts'

export interface ProxyLog {
  readonly port: number
  /** Fires when a tunnel has ended. */
  readonly left: Signal
  readonly asked: { readonly target: string | undefined; readonly headers: IncomingHttpHeaders }[]
}

/** A proxy that opens every tunnel, and ends its side when the server ends the other. */
export async function openProxy(context: TestContext): Promise<ProxyLog> {
  const asked: ProxyLog['asked'] = []
  const left = new Signal()
  const proxy = createServer().on('connect', ({ url, headers }, client: Socket) => {
    asked.push({ target: url, headers })
    const server = connect(Number(url?.split(':').at(-1)), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\nVia: 1.1 test\r\n\r\n')
      client.pipe(server).pipe(client)
    })
    server.on('error', () => {})
    server.on('close', () => client.destroySoon())
    client.on('close', () => {
      server.destroy()
      left.fire()
    })
  })
  return { port: await listen(context, proxy), left, asked }
}

/** Resolves with the port; the server and all its sockets end with the test. */
export async function listen(context: TestContext, server: Server): Promise<number> {
  server.on('connection', (socket: Socket) => {
    socket.on('error', () => {})
    context.onTestFinished(() => void socket.destroy())
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  context.onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}
