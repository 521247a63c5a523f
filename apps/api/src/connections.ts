import type { Server } from 'node:http'
import type { Socket } from 'node:net'

/**
 * The connections of a server, so that it can end without waiting for those on which nothing is asked: Node counts one
 * that never sent a request as busy, and keeps one alive whose last answer is out.
 */
export class Connections {
  /** Requests under way, by connection. */
  readonly #requests = new Map<Socket, number>()
  #isDraining = false

  constructor(server: Server) {
    server.on('connection', (socket: Socket) => {
      this.#requests.set(socket, 0)
      socket.once('close', () => this.#requests.delete(socket))
    })
    // first of all, so that no answer is out before its request is counted
    server.prependListener('request', ({ socket }, response) => {
      this.#count(socket, 1)
      response.once('close', () => this.#count(socket, -1))
    })
  }

  /** Ends every connection on which nothing is under way, and the others when that has changed. */
  drain(): void {
    this.#isDraining = true
    for (const [socket, count] of this.#requests) if (count === 0) socket.destroySoon()
  }

  /** Cuts them all off. */
  destroy(): void {
    for (const socket of this.#requests.keys()) socket.destroy()
  }

  #count(socket: Socket, change: number): void {
    const count = this.#requests.get(socket)
    if (count === undefined) return
    this.#requests.set(socket, count + change)
    if (this.#isDraining && count + change === 0) socket.destroySoon()
  }
}
