import { setImmediate } from 'node:timers/promises'

import { expect, test } from 'vitest'

import { Call, type Ending } from './call.ts'
import { deliver, type Deliverer, type SendOptions } from './deliver.ts'
import type { Notification } from './notification.ts'
import type { Outcome } from './outcome.ts'
import { Signal } from './signal.ts'

const ROOM = 100

/** Opens calls, and settles their input only when told to. */
class Desk implements Deliverer {
  readonly call = new Call(ROOM, 'report', undefined)
  readonly #signal = new Signal()
  acceptAsItComes = false

  openCall(): Call {
    return this.call
  }

  endCall(call: Call, ending: Ending): void {
    if (call.ending !== undefined || call.finished) return
    call.ending = ending
    this.#settleAs('unsent')
  }

  notify(): void {
    if (this.acceptAsItComes) this.acceptAll()
    this.#signal.fire()
  }

  changed(): Promise<void> {
    return this.#signal.wait()
  }

  acceptAll(): void {
    this.#settleAs('accepted')
  }

  #settleAs(kind: Outcome['kind']): void {
    while (this.call.queued > 0) this.call.settle({ notification: this.call.take(), kind, attempts: 1 })
    this.#signal.fire()
  }
}

const content = { payload: { aps: { alert: 'Hi' } } }
const batch = (size: number): Notification[] => Array.from({ length: size }, () => ({ token: 'aa', content }))

/** A promise that is resolved when the test says so. */
function later<T>(): { readonly promise: Promise<T>; resolve(value: T): void } {
  let resolve!: (value: T) => void
  const promise = new Promise<T>((resolved) => (resolve = resolved))
  return { promise, resolve }
}

function* endlesslyEmpty(): Generator<Notification[]> {
  for (;;) yield []
}

async function* failing(): AsyncGenerator<Notification[]> {
  yield batch(2)
  throw new Error('the database is gone')
}

/** A source that counts what is asked of it. */
class Source implements AsyncIterable<Notification[]> {
  readonly #batches: (Notification[] | Promise<Notification[]>)[]
  asked = 0
  returned = false

  constructor(...batches: (Notification[] | Promise<Notification[]>)[]) {
    this.#batches = batches
  }

  [Symbol.asyncIterator](): AsyncIterator<Notification[]> {
    return {
      next: async () => {
        this.asked++
        const value = await this.#batches.shift()
        return value === undefined ? { done: true, value } : { done: false, value }
      },
      return: async () => {
        this.returned = true
        return { done: true, value: undefined }
      },
    }
  }
}

async function read(desk: Desk, batches: Parameters<typeof deliver>[1], options: SendOptions = {}): Promise<Outcome[]> {
  const all: Outcome[] = []
  for await (const outcomes of deliver(desk, batches, options)) all.push(...outcomes)
  return all
}

/** Lets everything go on that can go on by itself. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await setImmediate()
}

test.for([
  { what: 'no array at all', batches: [] },
  { what: 'empty arrays alone', batches: [[], [], []] },
])('$what: the call ends by itself', async ({ batches }) => {
  expect(await read(new Desk(), batches)).toEqual([])
  expect(await read(new Desk(), new Source(...batches))).toEqual([])
})

test('a source that ends after all outcomes were taken ends the call', async () => {
  const desk = new Desk()
  const end = later<Notification[]>()
  const outcomes = read(desk, new Source(batch(3), end.promise))
  await settled()
  desk.acceptAll()
  await settled()
  end.resolve([])
  expect(await outcomes).toHaveLength(3)
})

test('a source of empty arrays without end lets an abort through', async () => {
  const aborting = new AbortController()
  const outcomes = read(new Desk(), endlesslyEmpty(), { signal: aborting.signal })
  await settled()
  aborting.abort()
  expect(await outcomes).toEqual([])
})

test('aborted before it began, nothing is pulled', async () => {
  const source = new Source(batch(1))
  expect(await read(new Desk(), source, { signal: AbortSignal.abort() })).toEqual([])
  expect([source.asked, source.returned]).toEqual([0, true])
})

test('what a source gives at once is in the call before anything can end it', async () => {
  const aborting = new AbortController()
  const outcomes = read(new Desk(), [batch(2)], { signal: aborting.signal })
  aborting.abort()
  expect((await outcomes).map(({ kind }) => kind)).toEqual(['unsent', 'unsent'])
})

test('an array that comes after the call has ended is dropped, and the source is left', async () => {
  const aborting = new AbortController()
  const late = later<Notification[]>()
  const source = new Source(batch(1), late.promise)
  const outcomes = read(new Desk(), source, { signal: aborting.signal })
  await settled()
  aborting.abort()
  expect(await outcomes).toHaveLength(1)
  late.resolve(batch(5))
  await settled()
  expect([source.asked, source.returned]).toEqual([2, true])
})

test('a reader who does not come back stops the pulling, one who does sets it going again', async () => {
  const desk = new Desk()
  const source = new Source(...Array.from({ length: 9 }, () => batch(ROOM)))
  const reader = deliver(desk, source, {})
  const first = reader.next()
  desk.acceptAsItComes = true
  await first
  await settled()
  const { asked } = source
  expect(asked).toBeLessThan(4)
  await reader.next()
  await settled()
  expect(source.asked).toBe(asked + 1)
  await reader.return()
})

test('a reader who leaves early ends the call, and the source is left as soon as it answers', async () => {
  const desk = new Desk()
  const late = later<Notification[]>()
  const source = new Source(batch(2), late.promise)
  const reader = deliver(desk, source, {})
  const first = reader.next()
  await settled()
  desk.acceptAll()
  await first
  await reader.return()
  expect(desk.call.ending).toBe('Aborted')
  late.resolve(batch(2))
  await settled()
  expect([source.asked, source.returned]).toEqual([2, true])
})

test('what a source throws comes out after all outcomes', async () => {
  const desk = new Desk()
  const reader = deliver(desk, failing(), {})
  const first = reader.next()
  await settled()
  desk.acceptAll()
  expect((await first).value).toHaveLength(2)
  await expect(reader.next()).rejects.toThrow('the database is gone')
})

test.for<[string, unknown]>([
  ['notifications without an array around them', batch(2)],
  ['nothing where an array is due', [undefined]],
  ['nothing where a notification is due', [[...batch(1), null]]],
  ['a hole in an array', [Array.from({ length: 2 })]],
])('%s: refused by name', async ([, batches]) => {
  await expect(read(new Desk(), batches as Notification[][])).rejects.toMatchObject({ code: 'invalid-options' })
})
