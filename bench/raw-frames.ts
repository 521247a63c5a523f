// A gateway that is as cheap as Node allows, so that the client is what is measured: it walks over frames without
// decoding them, and ends connections at a token that is rejected (status 8) or empty (status 2).
import type { AddressInfo } from 'node:net'
import { createServer, type TLSSocket } from 'node:tls'

import type { Certificates } from '@lhspn/apns-simulator'

/** What becomes of the frames. */
export interface FrameHandler {
  /** A notification, whose token is `bytes` from `token` to `tokenEnd`. False: the token is rejected. */
  take(bytes: Buffer, token: number, tokenEnd: number, frameBytes: number): boolean
  barrier?(): void
  /** One that arrived behind the answer that ended its connection. */
  discard?(): void
  connect?(): void
  /** Some frames have come. */
  read?(): void
}

const HEADER_BYTES = 5
const IDENTIFIER_ITEM = 3
const ITEM_BYTES = 3
const NOTHING = Buffer.alloc(0)

/** Resolves with the port. */
export async function serveFrames(
  { ca, server }: Pick<Certificates, 'ca' | 'server'>,
  handler: FrameHandler,
): Promise<number> {
  const options = { ...server, ca, requestCert: true, rejectUnauthorized: true }
  const listener = createServer(options, (socket) => serve(socket, handler))
  await new Promise<void>((resolve) => {
    listener.listen(0, '127.0.0.1', resolve)
  })
  return (listener.address() as AddressInfo).port
}

function serve(socket: TLSSocket, handler: FrameHandler): void {
  handler.connect?.()
  let rest: Buffer = NOTHING
  let over = false
  socket.setNoDelay(true)
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk: Buffer) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    let start = 0
    while (bytes.length - start >= HEADER_BYTES) {
      const end = start + HEADER_BYTES + bytes.readUInt32BE(start + 1)
      if (end > bytes.length) break
      if (over) handler.discard?.()
      else over = take(socket, handler, bytes, start, end)
      start = end
    }
    rest = start === bytes.length ? NOTHING : bytes.subarray(start)
    handler.read?.()
  })
}

/** Takes the frame from `start` to `end`; true when it ends the connection. */
function take(socket: TLSSocket, handler: FrameHandler, bytes: Buffer, start: number, end: number): boolean {
  // We write the identifier's item before the token's, apn behind the payload's.
  const first = start + HEADER_BYTES
  const item = bytes[first] === IDENTIFIER_ITEM ? first + ITEM_BYTES + 4 : first
  const token = item + ITEM_BYTES
  const tokenEnd = token + bytes.readUInt16BE(item + 1)
  const empty = token === tokenEnd
  if (empty) handler.barrier?.()
  else if (handler.take(bytes, token, tokenEnd, end - start)) return false
  const response = Buffer.from([8, empty ? 2 : 8, 0, 0, 0, 0])
  response.writeUInt32BE(identifierOf(bytes, first, end), 2)
  socket.end(response)
  return true
}

function identifierOf(bytes: Buffer, first: number, end: number): number {
  for (let item = first; item < end; item += ITEM_BYTES + bytes.readUInt16BE(item + 1)) {
    if (bytes[item] === IDENTIFIER_ITEM) return bytes.readUInt32BE(item + ITEM_BYTES)
  }
  return 0
}
