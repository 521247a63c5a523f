import { once } from 'node:events'
import { connect, type TLSSocket } from 'node:tls'

import {
  CONNECTION_PREFACE,
  encodeFrameHeader,
  encodeRstStream,
  encodeSettings,
  encodeSettingsAck,
  FLAG,
  FRAME,
  HTTP2_ERROR,
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

/** A connection to send bytes on, behind the handshake of a client with a certificate. */
async function dial(simulator: Simulator): Promise<TLSSocket> {
  const [host, port] = simulator.provider.split(':')
  const { ca, client: cert } = simulator.certificates
  const socket = connect({ host, port: Number(port), ca, cert, key: cert, ALPNProtocols: ['h2'] })
  socket.on('error', () => {})
  socket.resume()
  await once(socket, 'secureConnect')
  return socket
}

/** Sends bytes, ends, and waits until the simulator has ended too. */
async function converse(simulator: Simulator, ...chunks: readonly Uint8Array[]): Promise<void> {
  const socket = await dial(simulator)
  for (const chunk of chunks) socket.write(chunk)
  socket.end()
  await once(socket, 'close')
}

type Frame = (into: Uint8Array, at: number) => number

/** Frames as one chunk. */
function joined(...frames: readonly Frame[]): Uint8Array {
  const bytes = new Uint8Array(512)
  let end = 0
  for (const write of frames) end = write(bytes, end)
  return bytes.subarray(0, end)
}

function frame(type: number, flags: number, stream: number, body: Uint8Array): Frame {
  return (into, at) => {
    const bodyAt = encodeFrameHeader(into, at, body.length, type, flags, stream)
    into.set(body, bodyAt)
    return bodyAt + body.length
  }
}

const BLOCK = renderHeaderBlock([
  [':method', 'POST'],
  [':scheme', 'https'],
  [':authority', 'api.push.apple.com'],
  [':path', `/3/device/${TOKEN}`],
])
const head = (stream: number) => frame(FRAME.HEADERS, FLAG.END_HEADERS, stream, BLOCK)
const payload = (stream: number) => frame(FRAME.DATA, FLAG.END_STREAM, stream, Buffer.from('{}'))
const hello: Frame = (into, at) => {
  into.set(CONNECTION_PREFACE, at)
  return encodeSettings(into, at + CONNECTION_PREFACE.length, [])
}

test('a request that its client resets with its last byte was taken all the same', async () => {
  const simulator = await start()
  const { journal } = simulator
  const socket = await dial(simulator)
  socket.write(joined(hello, head(1), head(3), payload(3)))
  await journal.waitFor(({ accepted }) => accepted === 1)
  socket.end(joined(payload(1), (into, at) => encodeRstStream(into, at, 1, HTTP2_ERROR.CANCEL)))
  await journal.waitFor(({ closed }) => closed === 1)
  expect(journal.requests()).toMatchObject([3, 1].map((stream) => ({ stream, verdict: 'accepted' })))
  expect(told(await connectTo(simulator).send())).toBe(200)
})

test('who opens a stream above a limit that it has acknowledged is told of, and let go', async () => {
  const simulator = await start({ rules: [{ when: {}, do: 'silent' }], maxConcurrentStreams: 2 })
  const socket = await dial(simulator)
  socket.write(joined(hello))
  // its SETTINGS came before its acknowledgement of ours
  await once(socket, 'data')
  socket.write(joined(encodeSettingsAck, head(1), head(3), head(5)))
  await once(socket, 'close')
  expect(simulator.journal.violations()[0]).toMatchObject({
    stream: 5,
    rule: 'TooManyStreams',
    detail: '2 were open, and 2 is the limit',
  })
})

test('any bytes end their own connection at most', async () => {
  const simulator = await start({}, { journal: 'counts' })
  const anyFrame = fc
    .tuple(fc.nat(10), fc.nat(255), fc.nat(8), fc.uint8Array({ maxLength: 40 }))
    .map((parts) => joined(frame(...parts)))
  const chunks = fc.array(fc.oneof(anyFrame, fc.uint8Array({ maxLength: 40 })), { maxLength: 12 })
  const beginning = fc.constantFrom(CONNECTION_PREFACE, joined(hello))
  await fc.assert(
    fc.asyncProperty(beginning, chunks, (first, rest) => converse(simulator, first, ...rest)),
    { numRuns: 100 },
  )
  expect(told(await connectTo(simulator).send())).toBe(200)
  expect(simulator.journal.accepted).toBeGreaterThan(0)
})
