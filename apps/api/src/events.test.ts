import { EventEmitter, getEventListeners } from 'node:events'

import type { Logger } from '@lhspn/service'
import type { Context } from 'hono'
import { expect, onTestFinished, test, vi } from 'vitest'

import type { Env } from './endpoint.ts'
import { answerEvents, EventStreams } from './events.ts'

class Outgoing extends EventEmitter {
  destroyed = false
  destroy(): void {
    this.destroyed = true
    this.emit('close')
  }
}

/** Events of what `values` gives, and what is around them. */
async function answered(
  values: (signal: AbortSignal) => AsyncGenerator<unknown, void, undefined>,
  { eventStreams = new EventStreams(), key = 'key_1' } = {},
) {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const outgoing = new Outgoing()
  const ending = new AbortController()
  const failures: unknown[] = []
  const log = { error: (fields: unknown) => void failures.push(fields) }
  const c = {
    env: { outgoing },
    get: (name: string) => ({ ending: ending.signal, eventStreams, requestId: 'req_1' })[name],
    body: (body: ReadableStream, status: number, headers: Record<string, string>) =>
      new Response(body, { status, headers }),
  }
  const response = await answerEvents(c as unknown as Context<Env>, 'push', key, values, log as unknown as Logger)
  const reader = (response.body as ReadableStream<Uint8Array>).getReader()
  const read = async (): Promise<string | undefined> => {
    const { value } = await reader.read()
    return value === undefined ? undefined : Buffer.from(value).toString()
  }
  return { outgoing, ending, failures, reader, read, response }
}

async function* oneAndWait(signal: AbortSignal): AsyncGenerator<unknown, void, undefined> {
  yield { n: 1 }
  await new Promise((resolve) => signal.addEventListener('abort', resolve))
}

async function* failing(): AsyncGenerator<unknown, void, undefined> {
  yield await Promise.reject(new Error('away'))
}

test('while nothing changes, a comment comes every 15 s, until the reader leaves', async () => {
  const { read, response, outgoing } = await answered(oneAndWait)
  expect(response.headers.get('content-type')).toBe('text/event-stream')
  expect(await read()).toBe('event: push\ndata: {"n":1}\n\n')
  for (let beat = 0; beat < 2; beat++) {
    const next = read()
    await vi.advanceTimersByTimeAsync(15_000)
    expect(await next).toMatch(/^: .*\n\n$/)
  }
  outgoing.emit('close')
  expect(vi.getTimerCount()).toBe(0)
})

test('a reader who does not read is not written to', async () => {
  const { read, ending } = await answered(oneAndWait)
  await vi.advanceTimersByTimeAsync(150_000)
  expect(await read()).toBe('event: push\ndata: {"n":1}\n\n')
  ending.abort()
  expect(await read()).toBeUndefined() // no comments have piled up behind it
})

test('it ends when the server is about to', async () => {
  const { read, ending, outgoing } = await answered(oneAndWait)
  await read()
  ending.abort()
  expect(await read()).toBeUndefined()
  expect([outgoing.destroyed, vi.getTimerCount()]).toEqual([false, 0])
})

test('canceling stops the source', async () => {
  let signal: AbortSignal | undefined
  const { reader, read } = await answered((given) => {
    signal = given
    return oneAndWait(given)
  })
  await read()
  await reader.cancel()
  expect([signal?.aborted, vi.getTimerCount()]).toEqual([true, 0])
})

test('however often events were read, nothing of it stays with the server', async () => {
  const { read, ending, outgoing } = await answered(oneAndWait)
  await read()
  expect(getEventListeners(ending.signal, 'abort')).toHaveLength(1)
  outgoing.emit('close')
  expect(getEventListeners(ending.signal, 'abort')).toHaveLength(0)
})

test('what fails is cut off, and told', async () => {
  const { read, failures, outgoing } = await answered(async function* () {
    yield 1
    throw new Error('away')
  })
  await read()
  await vi.waitFor(() => expect(failures).toEqual([{ err: new Error('away'), request: 'req_1' }]))
  expect([outgoing.destroyed, vi.getTimerCount()]).toEqual([true, 0])
})

test('twenty at a time with one key, a hundred in all; whichever way one ends, another takes its place', async () => {
  const eventStreams = new EventStreams()
  const openMany = (key: string, count: number) =>
    Promise.all(Array.from({ length: count }, () => answered(oneAndWait, { eventStreams, key })))
  const first = await openMany('key_1', 20)
  await expect(openMany('key_1', 1)).rejects.toMatchObject({ kind: 'rate-limited' })
  for (const key of ['key_2', 'key_3', 'key_4', 'key_5']) await openMany(key, 20)
  await expect(openMany('key_6', 1)).rejects.toMatchObject({ kind: 'rate-limited' })

  first[0]?.outgoing.emit('close')
  await first[1]?.reader.cancel()
  await first[2]?.read()
  first[2]?.ending.abort()
  expect(await first[2]?.read()).toBeUndefined()
  await expect(answered(failing, { eventStreams, key: 'key_1' })).rejects.toThrow('away')
  await openMany('key_1', 3)
  await expect(openMany('key_1', 1)).rejects.toMatchObject({ kind: 'rate-limited' })
})
