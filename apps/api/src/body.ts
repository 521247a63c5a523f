import type { IncomingMessage } from 'node:http'

import { ApiError } from './problem.ts'

/** Of every request but those whose route says otherwise. */
const MAX_BODY_BYTES = 1_048_576
/** For the whole of a body; in an import, for each piece of it. */
export const BODY_TIMEOUT_MS = 30_000

/** The connection cannot be used further: what is left of the body stands in the way. */
const CLOSE = { connection: 'close' }

/**
 * Reads a body to its end. The request itself stays usable for an answer, whatever happens.
 * @throws ApiError `payload-too-large`, `unsupported-media-type` (compressed), `invalid-request` (too slow, cut off)
 */
export async function readBody(
  incoming: IncomingMessage,
  timeoutMs: number,
  maxBytes = MAX_BODY_BYTES,
): Promise<Buffer> {
  refuseEncoded(incoming)
  if (Number(incoming.headers['content-length'] ?? 0) > maxBytes) throw tooLarge(maxBytes)
  const chunks: Buffer[] = []
  let size = 0
  const { promise, resolve, reject } = promiseWithResolvers<void>()
  const onData = (chunk: Buffer): void => {
    size += chunk.length
    if (size > maxBytes) reject(tooLarge(maxBytes))
    else chunks.push(chunk)
  }
  const onEnd = (): void => resolve()
  const onClose = (): void => reject(cutOff())
  const timer = setTimeout(() => reject(tooSlow(timeoutMs)), timeoutMs)
  incoming.on('data', onData).on('end', onEnd).on('close', onClose).on('error', onClose)
  try {
    if (incoming.destroyed && !incoming.complete) throw cutOff()
    if (!incoming.readableEnded) await promise
    return Buffer.concat(chunks)
  } finally {
    clearTimeout(timer)
    incoming.off('data', onData).off('end', onEnd).off('close', onClose).off('error', onClose)
    incoming.pause()
  }
}

/**
 * Hands on a body piece by piece, each in its time; more is read only when more is asked for.
 * @throws ApiError as readBody, but for the size; also while it is read
 */
export async function* streamBody(
  incoming: IncomingMessage,
  timeoutMs: number,
): AsyncGenerator<Buffer, void, undefined> {
  refuseEncoded(incoming)
  const chunks = incoming.iterator({ destroyOnReturn: false })
  for (;;) {
    const chunk = await inTime(chunks.next() as Promise<IteratorResult<Buffer>>, timeoutMs)
    if (chunk.done === true) return
    yield chunk.value
  }
}

/**
 * Text of bytes that must be UTF-8.
 * @throws ApiError `invalid-request`
 */
export function decodeText(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(bytes)
  } catch {
    throw new ApiError('invalid-request', 'The body is not valid UTF-8; nothing was stored.')
  }
}

async function inTime<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  const { promise: late, reject } = promiseWithResolvers<never>()
  const timer = setTimeout(() => reject(tooSlow(timeoutMs)), timeoutMs)
  try {
    return await Promise.race([work.catch(() => Promise.reject(cutOff())), late])
  } finally {
    clearTimeout(timer)
  }
}

function refuseEncoded(incoming: IncomingMessage): void {
  const encoding = incoming.headers['content-encoding'] ?? 'identity'
  if (encoding.toLowerCase() === 'identity') return
  throw new ApiError('unsupported-media-type', 'Bodies must not be compressed.')
}

function tooLarge(maxBytes: number): ApiError {
  return new ApiError('payload-too-large', `The body has more than ${maxBytes} bytes; nothing was stored.`, {
    headers: CLOSE,
  })
}

function tooSlow(timeoutMs: number): ApiError {
  return new ApiError('invalid-request', `The body did not come within ${timeoutMs / 1000} s.`, { headers: CLOSE })
}

function cutOff(): ApiError {
  return new ApiError('invalid-request', 'The body was cut off.', { headers: CLOSE })
}

/** Promise.withResolvers, which Node 20 lacks. */
function promiseWithResolvers<T>() {
  let resolve!: (value: T) => void
  let reject!: (error: unknown) => void
  const promise = new Promise<T>((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  return { promise, resolve, reject }
}
