import { once } from 'node:events'
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'

import { createCertificates, startSimulator } from '@lhspn/apns-simulator'
import { afterAll, describe, expect, test, type TestContext } from 'vitest'

import { openCertificate, Sender } from '../src/index.ts'
import {
  contradictions,
  deliverAll,
  type Delivery,
  expectNoLeftovers,
  numbered,
  openDelivery,
  range,
  tally,
} from './delivery.ts'

afterAll(expectNoLeftovers)

/** A TCP server that is no gateway. */
async function openImpostor(context: TestContext, greet: (socket: Socket) => void): Promise<string> {
  const server = createServer((socket) => {
    socket.on('error', () => {})
    socket.resume()
    greet(socket)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  context.onTestFinished(() => void server.close())
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** An address where nobody listens. */
async function closedPort(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  return `127.0.0.1:${port}`
}

describe.concurrent('a gateway that cannot be reached', () => {
  test.for<{ rule: string; gateway: (context: TestContext) => Promise<string> }>([
    { rule: 'nobody listens', gateway: closedPort },
    { rule: 'it never says a word', gateway: (context) => openImpostor(context, () => {}) },
  ])('$rule: after ten connections all leaves unsent, in bounded time', async ({ gateway }, context) => {
    let failures = 0
    const { simulator, sender } = await openDelivery(context, {
      sender: {
        gateway: await gateway(context),
        requestTimeoutMs: 100,
        onEvent: ({ kind }) => (failures += kind === 'disconnected' ? 1 : 0),
      },
    })
    const sent = range(0, 5)
    const { outcomes, error } = await deliverAll(sender, sent)
    expect(error).toMatchObject({ code: 'unreachable' })
    await sender.close()
    expect(tally(outcomes)).toEqual({ 'unsent Unreachable': 5 })
    expect(failures).toBe(10)
    expect(simulator.journal.connections).toBe(0)
  })

  test.for<{ rule: string; greet: (socket: Socket) => void }>([
    { rule: 'it does not speak TLS', greet: (socket) => void socket.end('220 ready\r\n') },
    { rule: 'it resets', greet: (socket) => void socket.resetAndDestroy() },
    { rule: 'it closes at once', greet: (socket) => void socket.end() },
  ])('$rule: that is no fault of the credentials, and it is tried again', async ({ greet }, context) => {
    const gateway = await openImpostor(context, greet)
    const codes: (string | undefined)[] = []
    const { sender } = await openDelivery(context, {
      sender: {
        gateway,
        onEvent: (event) => {
          if (event.kind === 'disconnected') codes.push(event.error?.code)
          if (codes.length === 3) void sender.close()
        },
      },
    })
    expect(await sender.sendOne(numbered(0))).toMatchObject({ kind: 'unsent', reason: 'Draining' })
    expect(codes.slice(0, 3)).toEqual(['unreachable', 'unreachable', 'unreachable'])
  })

  test('the sender is closed before anything is reached: at once', async (context) => {
    const gateway = await openImpostor(context, () => {})
    const { sender } = await openDelivery(context, { sender: { gateway } })
    const start = performance.now()
    const outcome = sender.sendOne(numbered(0))
    const aborting = new AbortController()
    const aborted = sender.sendOne(numbered(1), { signal: aborting.signal })
    await new Promise((resolve) => setImmediate(resolve))
    aborting.abort()
    expect(await aborted).toMatchObject({ kind: 'unsent', reason: 'Aborted' })
    await sender.close()
    expect(await outcome).toMatchObject({ kind: 'unsent', reason: 'Draining' })
    // Nothing waited for the time-out of 20 s.
    expect(performance.now() - start).toBeLessThan(10_000)
  })

  test('a few resets on the way do no harm', async (context) => {
    const { simulator, sender } = await openDelivery(context, {
      script: {
        connections: [
          { nth: { from: 1, to: 3 }, do: 'refuse' },
          { nth: 5, do: 'refuse' },
        ],
      },
    })
    const sent = range(0, 5)
    const { outcomes, error } = await deliverAll(sender, sent)
    expect(error).toBeUndefined()
    expect(tally(outcomes)).toEqual({ accepted: 5 })
    expect(contradictions(simulator.journal, sent, outcomes)).toEqual([])
    expect(simulator.journal.connections).toBe(6)
  })

  test('one that comes back is used again by the same sender', async (context) => {
    const first = await startSimulator()
    const gatewayPort = Number(first.gateway.split(':')[1])
    await first.close()
    const sender = new Sender({
      gateway: first.gateway,
      ca: first.certificates.ca,
      credentials: openCertificate(Buffer.from(first.certificates.client)),
    })
    context.onTestFinished(() => sender.close())
    const outcome = sender.sendOne(numbered(0))
    const second = await startSimulator({ gatewayPort })
    context.onTestFinished(() => second.close())
    expect(await outcome).toMatchObject({ kind: 'accepted', attempts: 1 })
  })
})

describe.concurrent('a fault of the credentials or of trust stops the sender for good', () => {
  interface Case {
    readonly rule: string
    readonly code: string
    readonly open: (context: TestContext) => Promise<Delivery>
  }
  test.for<Case>([
    {
      rule: 'a TLS alert',
      code: 'credentials-refused',
      open: (context) => openDelivery(context, { script: { connections: [{ nth: { from: 1 }, do: 'tls-alert' }] } }),
    },
    {
      rule: 'closed at once, and again with nothing written',
      code: 'credentials-refused',
      open: (context) =>
        openDelivery(context, { script: { connections: [{ nth: { from: 1 }, do: 'close-at-once' }] } }),
    },
    {
      rule: 'a certificate that the gateway does not trust',
      code: 'credentials-refused',
      open: async (context) => {
        const { client } = await createCertificates()
        return openDelivery(context, { sender: { credentials: openCertificate(Buffer.from(client)) } })
      },
    },
    {
      rule: 'a gateway that we do not trust',
      code: 'untrusted-server',
      open: async (context) => openDelivery(context, { sender: { ca: (await createCertificates()).ca } }),
    },
    ...[3, 6].map((status) => ({
      rule: `status ${status}`,
      code: 'credentials-refused',
      open: (context: TestContext) =>
        openDelivery(context, { script: { rules: [{ when: { token: numbered(0).token }, do: { status } }] } }),
    })),
  ])('$rule', async ({ code, open }, context) => {
    const { simulator, sender } = await open(context)
    const sent = range(0, 5)
    const { outcomes, error } = await deliverAll(sender, sent)
    expect(error).toMatchObject({ name: 'SenderError', code })
    expect(error?.remedy).not.toBe('')
    expect(tally(outcomes)).toEqual({ 'unsent Stopped': 5 })
    expect(contradictions(simulator.journal, sent, outcomes)).toEqual([])
    await expect(sender.sendOne(numbered(9))).rejects.toBe(error)
    await expect(sender.send([sent]).next()).rejects.toBe(error)
    await sender.close()
    expect(simulator.journal.connections).toBeLessThanOrEqual(2)
  })

  test('what was written on other connections is settled first', async (context) => {
    const { simulator, sender } = await openDelivery(context, {
      script: { rules: [{ when: { token: numbered(39_999).token }, do: { status: 3 } }] },
    })
    const sent = range(0, 40_000)
    const { outcomes, error } = await deliverAll(sender, sent)
    expect(error?.code).toBe('credentials-refused')
    expect(contradictions(simulator.journal, sent, outcomes)).toEqual([])
    expect(tally(outcomes)).toEqual({ accepted: 39_999, 'unsent Stopped': 1 })
    expect(outcomes.find(({ kind }) => kind === 'unsent')?.status).toBe(3)
  })
})

test.concurrent('a trickle, three a second for five seconds: few connections, and each outcome within 5 s', async (context) => {
  const { simulator, sender } = await openDelivery(context)
  const waits: number[] = []
  const outcomes = []
  for (let number = 0; number < 15; number++) {
    const sentAt = performance.now()
    outcomes.push(
      sender.sendOne(numbered(number)).then((outcome) => {
        waits.push(performance.now() - sentAt)
        return outcome
      }),
    )
    await setTimeout(333)
  }
  expect(tally(await Promise.all(outcomes))).toEqual({ accepted: 15 })
  expect(Math.max(...waits)).toBeLessThan(5000)
  expect(simulator.journal.connections).toBeLessThanOrEqual(6)
})
