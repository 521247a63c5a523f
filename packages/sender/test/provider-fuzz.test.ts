import { FrameDecoder, HpackDecoder, renderHeaderBlock } from '@lhspn/apns-protocol/http2'
import * as fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'

import type { Call, OnUnconfirmed } from '../src/call.ts'
import type { Outcome } from '../src/outcome.ts'
import type { Link } from '../src/provider-api/link.ts'
import { StreamEngine } from '../src/provider-api/stream-engine.ts'
import { expectNoLeftovers, type Numbered, outcomesOf, range, tally } from './delivery.ts'
import { GREETING, talk } from './malice.ts'
import { openProviderSender } from './provider-delivery.ts'
import { dataFrame, headersFrames } from './raw-frames.ts'
import { openRawServer } from './raw-http2-server.ts'

afterAll(expectNoLeftovers)

/** LHSPN_FUZZ_RUNS makes a longer run of it. */
const RUNS = Number(process.env['LHSPN_FUZZ_RUNS'] ?? 500)
const TIMEOUT_MS = 60_000 + 100 * RUNS
const NOTIFICATIONS = 40

const plan = fc.record({
  talks: fc.array(talk, { minLength: 1, maxLength: 6 }),
  onUnconfirmed: fc.constantFrom<OnUnconfirmed>('report', 'resend'),
})
type Plan = typeof plan extends fc.Arbitrary<infer T> ? T : never

/** What one connection has told and heard, read by decoders of its own. */
class Witness {
  readonly #fromServer = new FrameDecoder()
  readonly #serverHeaders = new HpackDecoder()
  readonly #fromEngine = new FrameDecoder({ role: 'server' })
  readonly #engineHeaders = new HpackDecoder()
  readonly tokens = new Map<number, string>()
  /** Streams on which a 200 came. */
  readonly taken = new Set<number>()
  readonly open = new Set<number>()
  #broken = false

  /** What the server sent; whatever is behind the first fault is not looked at by anyone. */
  told(chunk: Uint8Array): void {
    if (this.#broken) return
    const noted = (number: number, name: string, value: string): void => {
      if (name !== ':status') return
      if (value === '200') this.taken.add(number)
      if (!value.startsWith('1')) this.open.delete(number)
    }
    try {
      this.#fromServer.push(chunk, sink(this.#serverHeaders, noted))
    } catch {
      this.#broken = true
    }
  }

  /** What the engine wrote: it must be sound, whatever it was told. */
  heard(chunk: Uint8Array): void {
    const noted = (number: number, name: string, value: string): void => {
      if (name !== ':path') return
      this.tokens.set(number, value.replace('/3/device/', ''))
      this.open.add(number)
    }
    this.#fromEngine.push(
      chunk,
      sink(this.#engineHeaders, noted, (number) => this.open.delete(number)),
    )
  }
}

function sink(
  headers: HpackDecoder,
  field: (stream: number, name: string, value: string) => void,
  reset: (stream: number) => void = () => {},
): Parameters<FrameDecoder['push']>[1] {
  return {
    headers: (number, _end, block, start, end) =>
      headers.decode(block, start, end, {
        field: (name, value, from, to) => field(number, name, Buffer.from(value.subarray(from, to)).toString()),
      }),
    rstStream: reset,
    data: nothing,
    setting: nothing,
    settingsEnd: nothing,
    settingsAck: nothing,
    ping: nothing,
    goaway: nothing,
    windowUpdate: nothing,
    streamError: nothing,
  }
}

const nothing = (): void => {}

interface Run {
  readonly call: Call
  readonly outcomes: Outcome<Numbered>[]
  readonly witnesses: readonly Witness[]
  readonly now: number
}

/** An engine against servers that talk as planned, and say nothing after that. Its clock goes from one thing due to the next. */
function run({ talks, onUnconfirmed }: Plan): Run {
  const engine = new StreamEngine({
    topic: 'com.example.app',
    authority: 'apns.example',
    connections: 2,
    connectionsPerSecond: 4,
    attempts: 3,
    requestTimeoutMs: 20_000,
    random: () => 0.5,
  })
  const buffer = new Uint8Array(16 * 1024)
  const links = new Map<Link, Witness>()
  const witnesses: Witness[] = []
  const outcomes: Outcome<Numbered>[] = []
  let now = 0
  const call = engine.intake.openCall(onUnconfirmed, undefined)
  call.enqueue(range(0, NOTIFICATIONS))
  call.inputEnded = true

  const pump = (): Link[] => {
    engine.advance(now, 1_700_000_000_000 + now)
    for (let link = engine.nextToWrite(now); link !== undefined; link = engine.nextToWrite(now)) {
      const length = engine.write(link, buffer, now)
      links.get(link)?.heard(buffer.slice(0, length))
    }
    const opened = [...engine.outbox.takeOpenings()]
    for (const link of engine.outbox.takeClosings()) links.delete(link)
    engine.outbox.takeEvents()
    outcomes.push(...(call.takeOutcomes() as Outcome<Numbered>[]))
    return opened
  }
  const serve = (link: Link): void => {
    const witness = new Witness()
    witnesses.push(witness)
    links.set(link, witness)
    engine.opened(link, now)
    const { greeting, items, chunk, closes } = talks[witnesses.length - 1] ?? SILENT
    const tell = (told: Uint8Array): void => {
      for (let at = 0; at < told.length && links.has(link); at += chunk) {
        const part = told.slice(at, at + chunk)
        witness.told(part)
        engine.received(link, part, now)
        due.push(...pump())
      }
    }
    tell(greeting)
    for (const { malice: speak, ms } of items) {
      now += ms
      due.push(...pump())
      if (links.has(link)) tell(speak([...witness.open]))
    }
    if (closes && links.delete(link)) engine.closed(link, undefined, now)
  }

  const due: Link[] = pump()
  for (let wakes = 0; !call.finished || due.length > 0; wakes++) {
    if (wakes > 20_000) throw new Error(`it does not end: ${outcomes.length} outcomes after ${now / 1000} s`)
    const link = due.shift()
    if (link === undefined) now = Math.max(now, Math.min(engine.wakeAt(), now + 60_000))
    else serve(link)
    due.push(...pump())
  }
  return { call, outcomes, witnesses, now }
}

const SILENT: Plan['talks'][number] = { greeting: GREETING, items: [], chunk: 65_536, closes: false }

test(
  'whatever a server sends, every call ends soon, and nothing is accepted without a 200',
  () => {
    expect.hasAssertions()
    fc.assert(
      fc.property(plan, (chosen) => {
        const { outcomes, witnesses, now } = run(chosen)
        expect(new Set(outcomes.map(({ notification }) => notification.number)).size).toBe(NOTIFICATIONS)
        expect(outcomes.length).toBe(NOTIFICATIONS)
        expect(now).toBeLessThan(3_600_000)
        const taken = new Set(
          witnesses.flatMap((witness) => [...witness.taken].map((number) => witness.tokens.get(number))),
        )
        for (const { kind, notification } of outcomes)
          if (kind === 'accepted') expect(taken).toContain(notification.token)
      }),
      { numRuns: RUNS },
    )
  },
  TIMEOUT_MS,
)

test(
  'over real connections, too: after the ill ones a good one delivers the rest',
  async (context) => {
    expect.hasAssertions()
    await fc.assert(
      fc.asyncProperty(fc.array(talk, { minLength: 1, maxLength: 3 }), async (talks) => {
        const server = await openRawServer(context, (nth) => {
          const ill = talks[nth - 1]
          if (ill === undefined) return {}
          let next = 0
          return {
            greeting: ill.greeting,
            request: (connection) => {
              const item = ill.items[next++]
              if (item !== undefined) connection.write(item.malice(connection.streams))
              else if (ill.closes) connection.close()
            },
          }
        })
        const { sender } = await openProviderSender(context, server.address, { requestTimeoutMs: 100 })
        let ended = 'in order'
        const outcomes: Outcome<Numbered>[] = []
        try {
          for await (const some of sender.send([range(0, NOTIFICATIONS)])) outcomes.push(...some)
        } catch (error) {
          ended = (error as { code: string }).code
        }
        expect(outcomes.length).toBe(NOTIFICATIONS)
        expect(['in order', 'unavailable', 'unreachable', 'credentials-refused']).toContain(ended)
        expect(server.complaints).toEqual([])
        await sender.close()
      }),
      { numRuns: Math.ceil(RUNS / 50) },
    )
  },
  TIMEOUT_MS,
)

test('bodies without an end are not taken in: their notifications are settled, and the connection goes on', async (context) => {
  const block = renderHeaderBlock([[':status', '410']])
  const piece = Buffer.alloc(16_384)
  const server = await openRawServer(context, {
    request: (connection, { stream: number }) => {
      connection.write(headersFrames(number, block))
      for (let i = 0; i < 1000; i++) connection.write(dataFrame(number, piece))
      connection.end(number)
    },
  })
  const { sender } = await openProviderSender(context, server.address)
  const outcomes = await outcomesOf(sender.send([range(0, 5)]))
  expect(tally(outcomes)).toEqual({ 'unregistered Unexplained': 5 })
  expect(server.connections.length).toBe(1)
  expect(server.complaints).toEqual([])
})
