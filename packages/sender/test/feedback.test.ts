import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { createSecureContext, TLSSocket } from 'node:tls'

import { encodeFeedback, type FeedbackTuple } from '@lhspn/apns-protocol'
import { createCertificates, type Script, startSimulator, type Simulator } from '@lhspn/apns-simulator'
import { afterAll, describe, expect, test, type TestContext } from 'vitest'

import { type FeedbackOptions, openCertificate, readFeedback } from '../src/index.ts'
import { expectNoLeftovers } from './delivery.ts'

afterAll(expectNoLeftovers)

const tuple = (number: number): FeedbackTuple => ({
  at: 1_700_000_000 + number,
  // Tokens of every length.
  token: 'ab'.repeat(1 + (number % 100)),
})
const tuples = (count: number): FeedbackTuple[] => Array.from({ length: count }, (_, number) => tuple(number))

async function openService(
  context: TestContext,
  script: Script,
): Promise<{ simulator: Simulator; options: FeedbackOptions }> {
  const simulator = await startSimulator({ script, certificates: await shared })
  context.onTestFinished(() => simulator.close())
  const credentials = openCertificate(Buffer.from(simulator.certificates.client))
  return { simulator, options: { feedback: simulator.feedback, credentials, ca: simulator.certificates.ca } }
}

const shared = createCertificates()

/** A feedback service that does as the test says once a client is there. */
async function openOwnService(
  context: TestContext,
  serve: (tls: TLSSocket, raw: Socket) => void,
): Promise<FeedbackOptions> {
  const { server: identity, ca, client } = await shared
  const secureContext = createSecureContext(identity)
  const server = createServer((raw) => {
    const tls = new TLSSocket(raw, { isServer: true, secureContext })
    raw.on('error', () => {})
    tls.on('error', () => {})
    context.onTestFinished(() => void raw.destroy())
    tls.once('secure', () => serve(tls, raw))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  context.onTestFinished(() => void server.close())
  const feedback = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return { feedback, credentials: openCertificate(Buffer.from(client)), ca }
}

/** What came, and what was thrown after it. */
async function readAll(
  options: FeedbackOptions,
  each: (read: FeedbackTuple[]) => unknown = () => {},
): Promise<{ read: FeedbackTuple[]; error: unknown }> {
  const read: FeedbackTuple[] = []
  try {
    for await (const one of readFeedback(options)) {
      read.push(one)
      await each(read)
    }
  } catch (error) {
    return { read, error }
  }
  return { read, error: undefined }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

describe.concurrent('the feedback service is read to its end', () => {
  test.for([0, 1, 3, 5000])(
    '%i tuples, tokens of all lengths, in order; a second time nothing',
    async (count, context) => {
      const { simulator, options } = await openService(context, { feedback: tuples(count) })
      expect(await readAll(options)).toEqual({ read: tuples(count), error: undefined })
      expect(await readAll(options)).toEqual({ read: [], error: undefined })
      expect(simulator.journal.feedbackReads).toBe(2)
    },
  )

  test('cut at any byte: whole tuples first, then feedback-cut', async (context) => {
    const list = tuples(3)
    const ends = [1, 2, 3].map((count) => encodeFeedback(list.slice(0, count)).length)
    const { simulator, options } = await openService(context, {})
    for (let cut = 0; cut <= (ends[2] as number); cut++) {
      simulator.script({ feedback: list, feedbackCutAt: cut })
      const { read, error } = await readAll(options)
      const whole = ends.filter((end) => end <= cut).length
      expect(read).toEqual(list.slice(0, whole))
      const isCut = cut !== 0 && !ends.includes(cut)
      expect(error).toEqual(isCut ? expect.objectContaining({ name: 'SenderError', code: 'feedback-cut' }) : undefined)
    }
  })

  test('what is no feedback ends it with feedback-cut, after what came before', async (context) => {
    const garbage = Buffer.concat([encodeFeedback(tuples(2)), Buffer.alloc(20, 0xff)])
    const options = await openOwnService(context, (socket) => void socket.end(garbage))
    expect(await readAll(options)).toEqual({
      read: tuples(2),
      error: expect.objectContaining({ code: 'feedback-cut' }),
    })
  })

  test('a caller who sleeps has only a part of a long list in memory, and gets all of it in the end', async (context) => {
    const count = 150_000
    const list = encodeFeedback(Array.from({ length: count }, (_, at) => ({ at, token: 'ab'.repeat(100) })))
    const service: Socket[] = []
    const options = await openOwnService(context, (tls, raw) => {
      service.push(tls, raw)
      tls.end(list)
    })
    let next = 0
    for await (const { at } of readFeedback(options)) {
      expect(at).toBe(next++)
      if (next !== 1) continue
      for (let turns = 0; turns < 1000; turns++) await turn()
      // More than the kernel holds stayed where it was.
      expect(service.some(({ writableLength }) => writableLength > 0)).toBe(true)
    }
    expect(next).toBe(count)
  })

  test('a reset loses nothing of what had come', async (context) => {
    let served: Socket | undefined
    const options = await openOwnService(context, (tls, raw) => {
      served = raw
      tls.write(encodeFeedback(tuples(500)))
    })
    const { read, error } = await readAll(options, async ({ length }) => {
      if (length === 1) served?.resetAndDestroy()
      if (length % 100 === 1) for (let turns = 0; turns < 50; turns++) await turn()
    })
    expect(read).toEqual(tuples(500))
    expect(error).toMatchObject({ code: 'unreachable' })
  })
})

describe.concurrent('the feedback service cannot be read', () => {
  test('its TLS alert is a fault of the credentials', async (context) => {
    const { simulator, options } = await openService(context, {
      connections: [{ nth: { from: 1 }, do: 'tls-alert' }],
    })
    const { error } = await readAll({ ...options, feedback: simulator.gateway })
    expect(error).toMatchObject({ name: 'SenderError', code: 'credentials-refused' })
  })

  test('it is not trusted', async (context) => {
    const { simulator, options } = await openService(context, { feedback: tuples(1) })
    const { ca } = await createCertificates()
    expect((await readAll({ ...options, ca })).error).toMatchObject({ code: 'untrusted-server' })
    expect(simulator.journal.feedbackReads).toBe(0)
  })

  test('nobody listens', async (context) => {
    const { simulator, options } = await openService(context, {})
    await simulator.close()
    expect((await readAll(options)).error).toMatchObject({ code: 'unreachable' })
  })

  test('it is aborted: before, while it waits, and between two tuples, with the reason of the signal', async (context) => {
    const options = await openOwnService(context, (socket) => void socket.write(encodeFeedback(tuples(2))))
    const reason = 'stopped by hand'
    expect(await readAll({ ...options, signal: AbortSignal.abort(reason) })).toEqual({ read: [], error: reason })
    const waiting = new AbortController()
    const whileWaiting = readAll({ ...options, signal: waiting.signal }, ({ length }) => {
      if (length === 2) setImmediate(() => waiting.abort(reason))
    })
    expect(await whileWaiting).toEqual({ read: tuples(2), error: reason })
    const between = new AbortController()
    const afterOne = readAll({ ...options, signal: between.signal }, () => between.abort(reason))
    expect(await afterOne).toEqual({ read: tuples(1), error: reason })
  })

  test('the caller leaves: the connection is closed', async (context) => {
    let closed: Promise<unknown> | undefined
    const options = await openOwnService(context, (socket) => {
      closed = once(socket, 'close')
      socket.resume()
      socket.write(encodeFeedback(tuples(2)))
    })
    for await (const one of readFeedback(options)) if (one.at > 0) break
    await expect(closed).resolves.toBeDefined()
  })

  test.for<[string, Partial<FeedbackOptions>, string]>([
    ['no address', { feedback: 'localhost' }, 'invalid-options'],
    ['a time-out of 0', { timeoutMs: 0 }, 'invalid-options'],
    ['a time-out that is no number', { timeoutMs: NaN }, 'invalid-options'],
    [
      'no certificate',
      { credentials: { certificate: 'nonsense', key: 'nonsense', topics: [], expiresAt: new Date() } },
      'invalid-credentials',
    ],
  ])('%s', async ([, wrong, code], context) => {
    const { options } = await openService(context, {})
    expect((await readAll({ ...options, ...wrong })).error).toMatchObject({ name: 'SenderError', code })
  })
})

// By themselves: beside others, the service may really be silent for a while.

test('it is silent for too long, before the handshake and after it', async (context) => {
  const mute = createServer((socket) => void socket.resume()).listen(0, '127.0.0.1')
  await once(mute, 'listening')
  context.onTestFinished(() => void mute.close())
  const { options } = await openService(context, {})
  const feedback = `127.0.0.1:${(mute.address() as AddressInfo).port}`
  expect((await readAll({ ...options, feedback, timeoutMs: 100 })).error).toMatchObject({ code: 'unreachable' })
  const silent = await openOwnService(context, (socket) => void socket.write(encodeFeedback(tuples(2))))
  expect(await readAll({ ...silent, timeoutMs: 300 })).toEqual({
    read: tuples(2),
    error: expect.objectContaining({ code: 'unreachable' }),
  })
})

test('a caller who takes its time loses nothing, and is not the service being silent', async (context) => {
  const { options } = await openService(context, { feedback: tuples(4000) })
  const until = { time: 0 }
  const { read, error } = await readAll({ ...options, timeoutMs: 500 }, async ({ length }) => {
    if (length % 2000 !== 1) return
    until.time = performance.now() + 700
    while (performance.now() < until.time) await turn()
  })
  expect(error).toBeUndefined()
  expect(read).toEqual(tuples(4000))
})

test('it is not the service that was silent when this process was held up', async (context) => {
  const service: TLSSocket[] = []
  const options = await openOwnService(context, (tls) => {
    service.push(tls)
    tls.write(encodeFeedback(tuples(1)))
  })
  const { read, error } = await readAll({ ...options, timeoutMs: 300 }, ({ length }) => {
    // Once the reader waits, the rest is written, and then nobody gets to read it for longer than the time-out.
    if (length !== 1) return
    setImmediate(() => {
      service[0]?.end(encodeFeedback(tuples(1)))
      holdUp(600)
    })
  })
  expect(error).toBeUndefined()
  expect(read).toHaveLength(2)
})

function holdUp(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}
