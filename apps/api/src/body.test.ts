import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { type AddressInfo, connect } from 'node:net'

import { expect, onTestFinished, test } from 'vitest'

import { decodeText, readBody, streamBody } from './body.ts'

const SOON_MS = 1
const IN_TIME_MS = 60_000

/** A request whose body is `sent`, and then goes on if `length` says so. */
async function receive(sent: string, length: number = sent.length): Promise<IncomingMessage> {
  const server = createServer()
  onTestFinished(() => server.closeAllConnections())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  socket.write(`POST / HTTP/1.1\r\nhost: x\r\ncontent-length: ${length}\r\n\r\n${sent}`)
  const [incoming] = (await once(server, 'request')) as [IncomingMessage]
  server.close()
  return incoming
}

async function all(chunks: AsyncIterable<Buffer>): Promise<string> {
  const parts: Buffer[] = []
  for await (const chunk of chunks) parts.push(chunk)
  return Buffer.concat(parts).toString()
}

test.for([
  ['whole', async (incoming: IncomingMessage, ms: number) => (await readBody(incoming, ms)).toString()],
  ['piece by piece', (incoming: IncomingMessage, ms: number) => all(streamBody(incoming, ms))],
] as const)('a body that is read %s comes as it was sent, or in time, or not at all', async ([, read]) => {
  expect(await read(await receive('hello'), IN_TIME_MS)).toBe('hello')
  expect(await read(await receive(''), IN_TIME_MS)).toBe('')
  const slow = await receive('hello', 6)
  await expect(read(slow, SOON_MS)).rejects.toMatchObject({ kind: 'invalid-request', headers: { connection: 'close' } })
  expect(slow.destroyed).toBe(false) // an answer can still be sent
  const cut = await receive('hello', 6)
  const reading = read(cut, IN_TIME_MS).catch((error: unknown) => error)
  cut.socket.destroy()
  expect(await reading).toMatchObject({ kind: 'invalid-request', message: 'The body was cut off.' })
})

test('bytes that are no UTF-8 are no text', () => {
  expect(decodeText(Buffer.from('é😀'))).toBe('é😀')
  for (const bytes of [[0xff], [0xc3, 0x28], [0xed, 0xa0, 0x80]]) {
    expect(() => decodeText(Uint8Array.from(bytes))).toThrow(expect.objectContaining({ kind: 'invalid-request' }))
  }
})
