import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, mkdir, rm, writeFile } from 'node:fs/promises'
import { constants, createSecureServer, type Http2Server, type ServerHttp2Stream } from 'node:http2'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'

import * as fc from 'fast-check'
import { afterAll, describe, expect, test, type TestContext } from 'vitest'

import { expectNoLeftovers, numbered, type Numbered, outcomesOf, tally } from './delivery.ts'
import { eventsOf, openProviderSender } from './provider-delivery.ts'
import { certificates } from './raw-http2-server.ts'

afterAll(expectNoLeftovers)

/** Debian's nghttp2-server brings it. */
const NGHTTPD = '/usr/sbin/nghttpd'
const RUNS = Number(process.env['LHSPN_LAW_RUNS'] ?? 12)
const COUNT = 120

/** With payloads of all sizes up to the largest. */
const NOTIFICATIONS: readonly Numbered[] = Array.from({ length: COUNT }, (_, number) => ({
  ...numbered(number),
  id: `00000000-0000-8000-8000-${number.toString(16).padStart(12, '0')}`,
  badge: number,
  content: { payload: { aps: { alert: 'ä'.repeat((number * 16) % 1990), badge: 0 } } },
}))

const EXPECTED = new Map(
  NOTIFICATIONS.map(({ token, id, badge, content: { payload } }) => [
    id,
    [`/3/device/${token}`, 'com.example.app', { aps: { ...payload.aps, badge } }],
  ]),
)

describe('node:http2 takes what we write, and we what it writes', () => {
  const { PADDING_STRATEGY_NONE, PADDING_STRATEGY_MAX } = constants
  const settings = fc.record(
    {
      headerTableSize: fc.constantFrom(0, 100, 4096, 65_536),
      // Node never opens the window of a stream on which nothing can come, so 0 is left to other tests.
      initialWindowSize: fc.constantFrom(64, 1000, 65_535, 2 ** 20),
      maxFrameSize: fc.constantFrom(16_384, 2 ** 24 - 1),
      maxConcurrentStreams: fc.constantFrom(1, 2, 100),
    },
    { requiredKeys: [] },
  )
  const plan = fc.record({
    settings,
    later: fc.array(settings, { maxLength: 3 }),
    padding: fc.constantFrom(PADDING_STRATEGY_NONE, PADDING_STRATEGY_MAX),
    table: fc.constantFrom(0, 50, 300, 4096),
    fields: fc.array(fc.tuple(fc.constantFrom('x-a', 'x-b', 'server', 'date'), fc.string({ maxLength: 30 })), {
      maxLength: 3,
    }),
    interim: fc.boolean(),
    trailers: fc.boolean(),
  })

  test('under any settings, tables, padding and answers', async (context) => {
    expect.hasAssertions()
    await fc.assert(
      fc.asyncProperty(plan, async ({ settings: first, later, padding, table, fields, interim, trailers }) => {
        const arrived = new Map<string, unknown>()
        const changes = [...later]
        const server = createSecureServer({
          ...(await certificates).server,
          settings: first,
          paddingStrategy: padding,
          maxDeflateDynamicTableSize: table,
        })
        server.on('stream', (stream, headers) => {
          stream.on('error', () => {})
          void text(stream).then((payload) => {
            arrived.set(String(headers['apns-id']), [headers[':path'], headers['apns-topic'], JSON.parse(payload)])
            const change = changes.shift()
            if (change !== undefined) stream.session?.settings(change)
            if (interim) stream.additionalHeaders({ ':status': 103, 'x-a': 'interim' })
            const number = arrived.size
            const status = number % 3 === 0 ? 410 : 200
            const all = Object.fromEntries(fields.map(([name, value]) => [name, printable(`${value}${number % 5}`)]))
            stream.respond({ ':status': status, 'apns-id': headers['apns-id'], ...all }, { waitForTrailers: trailers })
            stream.on('wantTrailers', () => stream.sendTrailers({ 'x-b': 'end' }))
            return stream.end(status === 200 ? undefined : '{"reason":"Unregistered","timestamp":1700000000000}')
          })
        })
        const address = await listen(context, server)
        const { sender } = await openProviderSender(context, address)
        expect(tally(await outcomesOf(sender.send([NOTIFICATIONS])))).toEqual({
          accepted: (COUNT * 2) / 3,
          'unregistered Unregistered': COUNT / 3,
        })
        expect(arrived).toEqual(EXPECTED)
        await sender.close()
        server.close()
      }),
      { numRuns: RUNS },
    )
  })

  test('and go on where it ends every connection after a few requests', async (context) => {
    const server = createSecureServer((await certificates).server)
    let requests = 0
    server.on('stream', (stream) => {
      stream.on('error', () => {})
      void text(stream).then(() => {
        stream.respond({ ':status': 200 }, { endStream: true })
        return ++requests % 20 === 0 ? stream.session?.close() : undefined
      })
    })
    const { sender, events } = await openProviderSender(context, await listen(context, server))
    expect(tally(await outcomesOf(sender.send([NOTIFICATIONS])))).toEqual({ accepted: COUNT })
    expect(eventsOf(events, 'goaway').length).toBeGreaterThan(3)
    await sender.close()
    server.close()
  })
})

describe('nghttpd takes what we write, and we what it writes', () => {
  const OPTIONS: readonly { readonly how: string; readonly options: readonly string[] }[] = [
    { how: 'as it comes', options: [] },
    { how: 'one stream at a time', options: ['-m', '1'] },
    { how: 'with padding', options: ['-b', '255'] },
    { how: 'with the smallest windows', options: ['-w', '1', '-W', '16'] },
    { how: 'with a table of no bytes, both ways', options: ['-c', '0', '--encoder-header-table-size=0'] },
    { how: 'with tiny tables', options: ['-c', '64', '--encoder-header-table-size=100'] },
    { how: 'with answers before the requests are whole', options: ['--early-response', '-w', '4'] },
    { how: 'with trailers', options: ['--trailer', 'x-checksum: 1', '-b', '10'] },
  ]
  test.for(OPTIONS)('$how', async ({ options }, context) => {
    const known = NOTIFICATIONS.filter(({ number }) => number % 2 === 0)
    const address = await openNghttpd(context, known, options)
    const { sender } = await openProviderSender(context, address, { connections: 2 })
    const outcomes = await outcomesOf(sender.send([NOTIFICATIONS]))
    // It has files for every other token, and takes requests for those.
    expect(tally(outcomes)).toEqual({ accepted: COUNT / 2, 'rejected Unexplained': COUNT / 2 })
    for (const { kind, status, notification } of outcomes)
      expect([notification.number, kind, status]).toEqual(
        notification.number % 2 === 0
          ? [notification.number, 'accepted', undefined]
          : [notification.number, 'rejected', 404],
      )
    await sender.close()
  })
})

async function text(stream: ServerHttp2Stream): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of stream) parts.push(part as Buffer)
  await setImmediate()
  return Buffer.concat(parts).toString()
}

function printable(value: string): string {
  return value.replaceAll(/[^!-~]/g, '~')
}

async function listen(context: TestContext, server: Http2Server): Promise<string> {
  server.on('sessionError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  context.onTestFinished(() => void server.close())
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** The server of nghttp2, with a file for each token that it is to take. Ended with the test. */
async function openNghttpd(
  context: TestContext,
  taken: readonly Numbered[],
  options: readonly string[],
): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'nghttpd-'))
  context.onTestFinished(() => rm(folder, { recursive: true }))
  const { server } = await certificates
  const devices = join(folder, '3', 'device')
  await mkdir(devices, { recursive: true })
  await writeFile(join(folder, 'key.pem'), server.key, { mode: 0o600 })
  await writeFile(join(folder, 'cert.pem'), server.cert)
  for (const { token } of taken) await writeFile(join(devices, token), 'x'.repeat(30))
  const files = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  for (;;) {
    const port = await freePort()
    const child = spawn(NGHTTPD, ['-a', '127.0.0.1', '-d', folder, ...options, String(port), ...files], {
      stdio: 'ignore',
    })
    // Rejects where there is none.
    await once(child, 'spawn')
    const ended = once(child, 'exit')
    context.onTestFinished(async () => {
      child.kill('SIGKILL')
      await ended
    })
    // Another process may have taken the port meanwhile: then it ends at once.
    while (child.exitCode === null && child.signalCode === null) {
      if (await answers(port)) return `127.0.0.1:${port}`
      await setImmediate()
    }
  }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
