import { once } from 'node:events'
import { connect } from 'node:tls'

import {
  CONNECTION_PREFACE,
  encodeFrameHeader,
  encodeRstStream,
  encodeSettings,
  FLAG,
  FRAME,
  renderHeaderBlock,
} from '@lhspn/apns-protocol/http2'
import * as fc from 'fast-check'
import { expect, test } from 'vitest'

import type { Simulator } from '../src/index.ts'
import { TOKEN } from './provider-client.ts'
import { connectTo, start, told } from './provider-stage.ts'

test('a client that does not speak HTTP/2 is let go', async () => {
  const simulator = await start()
  const [host, port] = simulator.provider.split(':')
  const socket = connect({ host, port: Number(port), ca: simulator.certificates.ca })
  socket.on('error', () => {})
  await once(socket, 'close')
  await simulator.journal.waitFor(({ closed }) => closed === 1)
  expect(simulator.journal.requests()).toEqual([])
})

test('a client that breaks the rules of HTTP/2 is told of', async () => {
  const simulator = await start()
  const [host, port] = simulator.provider.split(':')
  const socket = connect({ host, port: Number(port), ca: simulator.certificates.ca, ALPNProtocols: ['h2'] })
  socket.on('error', () => {})
  socket.end('GET / HTTP/1.1\r\n\r\n')
  socket.resume()
  await simulator.journal.waitFor(({ closed }) => closed === 1)
  expect(simulator.journal.violations()[0]).toMatchObject({ connection: 1, stream: 0, rule: 'ProtocolError' })
})

/** Bytes as a client of frames sends them, once the handshake is done. */
async function converse(simulator: Simulator, ...chunks: readonly Uint8Array[]): Promise<void> {
  const [host, port] = simulator.provider.split(':')
  const { ca, client: cert } = simulator.certificates
  const socket = connect({ host, port: Number(port), ca, cert, key: cert, ALPNProtocols: ['h2'] })
  socket.on('error', () => {})
  socket.resume()
  await once(socket, 'secureConnect')
  for (const chunk of chunks) socket.write(chunk)
  socket.end()
  await once(socket, 'close')
}

test('a request that its client resets at once was taken all the same', async () => {
  const simulator = await start()
  const head = renderHeaderBlock([
    [':method', 'POST'],
    [':path', `/3/device/${TOKEN}`],
  ])
  const frames = new Uint8Array(512)
  frames.set(CONNECTION_PREFACE)
  let at = encodeSettings(frames, CONNECTION_PREFACE.length, [])
  at = encodeFrameHeader(frames, at, head.length, FRAME.HEADERS, FLAG.END_HEADERS, 1)
  frames.set(head, at)
  at = encodeFrameHeader(frames, at + head.length, 2, FRAME.DATA, FLAG.END_STREAM, 1)
  frames.set(Buffer.from('{}'), at)
  at = encodeRstStream(frames, at + 2, 1, 8)
  await converse(simulator, frames.subarray(0, at))
  await simulator.journal.waitFor(({ closed }) => closed === 1)
  expect(told(await connectTo(simulator).send())).toBe(200)
})

test('any bytes end their own connection at most', async () => {
  const simulator = await start({}, { journal: 'counts' })
  const frame = fc
    .tuple(fc.uint8Array({ maxLength: 40 }), fc.nat(10), fc.nat(255), fc.nat(8))
    .map(([body, type, flags, stream]) => {
      const bytes = new Uint8Array(9 + body.length)
      bytes.set(body, encodeFrameHeader(bytes, 0, body.length, type, flags, stream))
      return bytes
    })
  const chunks = fc.array(fc.oneof(frame, fc.uint8Array({ maxLength: 40 })), { maxLength: 12 })
  const beginning = fc.constantFrom(CONNECTION_PREFACE, Uint8Array.of(...CONNECTION_PREFACE, 0, 0, 0, 4, 0, 0, 0, 0, 0))
  await fc.assert(
    fc.asyncProperty(beginning, chunks, (first, rest) => converse(simulator, first, ...rest)),
    { numRuns: 100 },
  )
  expect(told(await connectTo(simulator).send())).toBe(200)
  expect(simulator.journal.accepted).toBeGreaterThan(0)
})
