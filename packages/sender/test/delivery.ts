import { type Journal, type SimulatorOptions, startSimulator, type Simulator } from '@lhspn/apns-simulator'
import type { TestContext } from 'vitest'

import {
  type GatewayOptions,
  type Notification,
  openCertificate,
  type Outcome,
  Sender,
  type SenderError,
  type SenderEvent,
  type SendOptions,
} from '../src/index.ts'
import { numbered, type Numbered } from './numbered.ts'

export { expectNoLeftovers } from './leftovers.ts'
export { numbered, type Numbered }

/** A sender, and the simulated Apple that it sends to. */
export interface Delivery {
  readonly simulator: Simulator
  readonly sender: Sender
  readonly events: SenderEvent[]
}

export interface DeliveryOptions extends SimulatorOptions {
  readonly sender?: Partial<GatewayOptions>
}

/**
 * Both, closed with the test. Once the sender says that it is closed, the simulator must see all its connections end,
 * unless it plays dead or is slow.
 */
export async function openDelivery(context: TestContext, options: DeliveryOptions = {}): Promise<Delivery> {
  const { sender: senderOptions, ...simulatorOptions } = options
  const simulator = await startSimulator(simulatorOptions)
  const events: SenderEvent[] = []
  const sender = new Sender({
    gateway: simulator.gateway,
    ca: simulator.certificates.ca,
    credentials: openCertificate(Buffer.from(simulator.certificates.client)),
    connectionsPerSecond: 50,
    onEvent: (event) => events.push(event),
    ...senderOptions,
  })
  context.onTestFinished(async () => {
    await sender.close()
    const ended = events.filter(({ kind }) => kind === 'disconnected').length
    const opened = events.filter(({ kind }) => kind === 'connected').length
    if (ended < opened) throw new Error(`closed, and ${opened - ended} connections are not`)
    if (!/"(stall|half-open|read-slowly)"/.test(JSON.stringify(options.script ?? {}))) {
      const soon = AbortSignal.timeout(5000)
      await simulator.journal.waitFor(({ closed, connections }) => closed === connections, soon)
    }
    await simulator.close()
  })
  return { simulator, sender, events }
}

/** The notifications with the numbers from `start` to before `end`. */
export function range(start: number, end: number): Numbered[] {
  return Array.from({ length: end - start }, (_, index) => numbered(start + index))
}

/** Arrays of notifications, numbered from `from` on, without end. */
export class Endless implements AsyncIterable<Numbered[]> {
  readonly #size: number
  readonly #from: number
  readonly pulled: Numbered[] = []
  left = false

  constructor(size: number, from = 0) {
    this.#size = size
    this.#from = from
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Numbered[]> {
    try {
      for (;;) {
        const start = this.#from + this.pulled.length
        const batch = range(start, start + this.#size)
        this.pulled.push(...batch)
        yield batch
      }
    } finally {
      this.left = true
    }
  }
}

/** @param between done after each array of outcomes */
export async function outcomesOf<N extends Notification>(
  sending: AsyncIterable<readonly Outcome<N>[]>,
  between: () => void = () => {},
): Promise<Outcome<N>[]> {
  const all: Outcome<N>[] = []
  for await (const outcomes of sending) {
    for (const outcome of outcomes) all.push(outcome)
    between()
  }
  return all
}

/** All outcomes of one call, and the error that it ended with. */
export async function deliverAll<N extends Notification>(
  sender: Sender,
  notifications: readonly N[],
  options?: SendOptions,
): Promise<{ readonly outcomes: Outcome<N>[]; readonly error: SenderError | undefined }> {
  const outcomes: Outcome<N>[] = []
  try {
    for await (const some of sender.send([notifications], options)) outcomes.push(...some)
  } catch (error) {
    return { outcomes, error: error as SenderError }
  }
  return { outcomes, error: undefined }
}

/** How many have each outcome: kind, reason if there is one, and attempts where they are not one. */
export function tally(outcomes: readonly Outcome[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { kind, reason, attempts } of outcomes) {
    const usual = kind === 'unsent' ? 0 : 1
    const key = [kind, ...(reason === undefined ? [] : [reason]), ...(attempts === usual ? [] : [`x${attempts}`])].join(
      ' ',
    )
    counts[key] = (counts[key] ?? 0) + 1
  }
  return counts
}

/**
 * Where the outcomes contradict the simulator's journal or each other; empty if they are true.
 * @param resend the calls chose to send again what is at an unknown position, so that something may be taken twice
 */
export function contradictions(
  journal: Journal,
  sent: readonly Numbered[],
  outcomes: readonly Outcome<Numbered>[],
  resend = false,
): string[] {
  const found: string[] = []
  const byNumber = new Map<number, Outcome<Numbered>>()
  for (const outcome of outcomes) {
    const { number } = outcome.notification
    if (byNumber.has(number)) found.push(`${number} has two outcomes`)
    byNumber.set(number, outcome)
  }
  let taken = 0
  for (const { number, token } of sent) {
    const times = journal.acceptedTimes(token)
    taken += times
    const { kind, reason } = byNumber.get(number) ?? { kind: 'missing', reason: undefined }
    const most = kind === 'unsent' || (kind === 'rejected' && !resend) ? 0 : resend ? Infinity : 1
    const least = kind === 'accepted' && reason === undefined ? 1 : 0
    if (kind === 'missing') found.push(`${number} has no outcome`)
    else if (times > most || times < least) found.push(`${number} is ${kind} and was taken ${times} times`)
  }
  if (byNumber.size > sent.length) found.push(`there are ${byNumber.size} outcomes for ${sent.length} notifications`)
  if (journal.accepted > taken) found.push(`${journal.accepted - taken} were taken that nobody sent`)
  return found
}

const MARKS = { accepted: '', rejected: '!', discarded: '-' }

/** The numbers of the notifications that arrived on each connection, in order, with a mark for those not taken. */
export function arrivals(journal: Journal): string[] {
  const connections: string[][] = Array.from({ length: journal.connections }, () => [])
  for (const { connection, token, verdict } of journal.entries()) {
    if (verdict === 'barrier' || token === '') continue
    connections[connection - 1]?.push(`${Number.parseInt(token, 16) - 1}${MARKS[verdict]}`)
  }
  return connections.map((names) => names.join(' ')).filter((names) => names !== '')
}
