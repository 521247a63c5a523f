import type { Logger } from '@lhspn/service'
import type { Context } from 'hono'

import type { Env } from './endpoint.ts'
import { ApiError } from './problem.ts'

/** Streams that are open at a time, with one key and in all: each of them looks into the database twice a second. */
const MOST_OF_A_KEY = 20
const MOST_OF_ALL = 100
/** A comment so often keeps proxies from taking silence for the end. */
const HEARTBEAT_MS = 15_000

/** How many streams of events are open in this process, and with whose keys. */
export class EventStreams {
  readonly #open = new Set<{ readonly key: string }>()

  /**
   * Takes a place for a stream of the API key with this id.
   * @returns gives the place back
   * @throws ApiError `rate-limited` where there is none left
   */
  take(key: string): () => void {
    const ofKey = [...this.#open].filter((stream) => stream.key === key).length
    if (ofKey >= MOST_OF_A_KEY) throw tooMany(`${MOST_OF_A_KEY} streams of events are open with this API key`)
    if (this.#open.size >= MOST_OF_ALL) throw tooMany(`${MOST_OF_ALL} streams of events are open`)
    const stream = { key }
    this.#open.add(stream)
    return () => void this.#open.delete(stream)
  }
}

function tooMany(what: string): ApiError {
  const remedy = 'Close those that nobody reads, or read the push as JSON.'
  return new ApiError('rate-limited', `${what}, and no more are opened.`, { remedy, headers: { 'retry-after': '5' } })
}

/**
 * Answers a stream of server-sent events, one for each value. It ends with its source, with its reader, and when the
 * server is about to end; one that fails is cut off, so that no reader takes it for the end, and logged.
 * @param key id of the API key that it is read with
 * @param open begins the source, which stops when its signal is aborted; what its first value throws is told as a problem
 * @throws ApiError `rate-limited` where too many are open
 */
export async function answerEvents(
  c: Context<Env>,
  name: string,
  key: string,
  open: (signal: AbortSignal) => AsyncGenerator<unknown, void, undefined>,
  log: Logger,
): Promise<Response> {
  const { outgoing } = c.env
  const giveBack = c.get('eventStreams').take(key)
  const left = new AbortController()
  const stop = new AbortController()
  const end = (): void => stop.abort()
  const ending = c.get('ending')
  // Not AbortSignal.any: in Node 20 a signal as long-lived as this one never forgets what was made of it.
  ending.addEventListener('abort', end, { signal: left.signal })
  if (ending.aborted) end()
  let heartbeat: NodeJS.Timeout | undefined
  const leave = (): void => {
    clearInterval(heartbeat)
    left.abort()
    end()
    giveBack()
  }
  const source = open(stop.signal)
  let next: IteratorResult<unknown> | undefined
  try {
    next = await source.next()
  } catch (error) {
    leave()
    throw error
  }
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      heartbeat = setInterval(() => {
        // A reader who does not read is not written to.
        if ((controller.desiredSize ?? 0) > 0) controller.enqueue(Buffer.from(': still there\n\n'))
      }, HEARTBEAT_MS)
    },
    async pull(controller) {
      try {
        const step = next ?? (await source.next())
        next = undefined
        if (left.signal.aborted) return
        if (step.done !== true) {
          controller.enqueue(Buffer.from(`event: ${name}\ndata: ${JSON.stringify(step.value)}\n\n`))
          return
        }
        leave()
        controller.close()
      } catch (err) {
        leave()
        log.error({ err, request: c.get('requestId') }, 'events were cut off')
        outgoing.destroy()
      }
    },
    cancel: leave,
  })
  // It is the end for a HEAD, too, whose body nobody reads.
  outgoing.once('close', leave)
  if (outgoing.destroyed) leave()
  return c.body(body, 200, { 'content-type': 'text/event-stream', 'x-accel-buffering': 'no' })
}
