import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

import type { Devices } from './registry-devices.ts'
import { buildOf, inParallel, numbersOf, type SaveJob, startClocks } from './registry-job.ts'

/**
 * Registers over HTTP/1.1 with keep-alive, a device a request, one request at a time on each connection. On bare sockets,
 * with the requests made before: what the client costs comes off the same cores.
 */
export async function registerOverHttp(
  devices: Devices,
  job: SaveJob,
  { url, key }: { readonly url: string; readonly key: string },
): Promise<{
  readonly seconds: number
  readonly created: number
  readonly known: number
  readonly refused: readonly string[]
}> {
  const { host, hostname, port } = new URL(url)
  const requests = numbersOf(devices, job).map((number) => {
    const { app: _, token, ...body } = devices.registration(number, buildOf(job))
    const json = JSON.stringify(body)
    const head = [
      `PUT /v1/devices/${token} HTTP/1.1`,
      `Host: ${host}`,
      `Authorization: Bearer ${key}`,
      'Content-Type: application/json',
      `Content-Length: ${Buffer.byteLength(json)}`,
    ]
    return Buffer.from(`${head.join('\r\n')}\r\n\r\n${json}`)
  })
  const clients = Array.from({ length: job.callers }, () => new Client(hostname, Number(port)))
  await Promise.all(clients.map((client) => client.open()))
  const counts = { created: 0, known: 0 }
  const refused: string[] = []
  const clocks = startClocks()
  await inParallel(requests.length, job.callers, async (at, caller) => {
    const answer = await (clients[caller] as Client).ask(requests[at] as Buffer)
    if (answer.startsWith('HTTP/1.1 201 ')) counts.created++
    else if (answer.startsWith('HTTP/1.1 200 ')) counts.known++
    else refused.push(answer)
  })
  const { seconds } = clocks()
  for (const client of clients) client.close()
  return { seconds, ...counts, refused }
}

/** A connection that is asked one request at a time. */
class Client {
  readonly #socket: Socket
  #received = ''
  #settle: { readonly resolve: (answer: string) => void; readonly reject: (error: Error) => void } | undefined

  constructor(host: string, port: number) {
    this.#socket = connect({ host, port, noDelay: true })
    this.#socket.setEncoding('latin1')
    this.#socket.on('data', (text: string) => this.#receive(text))
    this.#socket.on('error', (error) => this.#settle?.reject(error))
    this.#socket.on('close', () => this.#settle?.reject(new Error('The API closed a connection')))
  }

  async open(): Promise<void> {
    if (this.#socket.connecting) await once(this.#socket, 'connect')
  }

  ask(request: Buffer): Promise<string> {
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
      this.#socket.write(request)
    })
  }

  close(): void {
    this.#settle = undefined
    this.#socket.end()
  }

  #receive(text: string): void {
    this.#received += text
    const end = this.#received.indexOf('\r\n\r\n')
    if (end === -1) return
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(this.#received)?.[1] ?? Number.NaN)
    if (Number.isNaN(length)) throw new Error(`An answer tells no length: ${this.#received}`)
    if (this.#received.length < end + 4 + length) return
    const answer = this.#received
    this.#received = ''
    this.#settle?.resolve(answer)
  }
}
