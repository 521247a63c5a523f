import { parseAccept } from 'hono/utils/accept'

import { ApiError } from './problem.ts'

/** The forms in which lists come. */
export const LIST_TYPES = ['application/json', 'application/x-ndjson', 'text/csv'] as const

/**
 * Chooses the form of an answer by `Accept`: the one that is liked most, of equals the first that we offer. Without the
 * header, or with `*∕*`, it is our first.
 * @throws ApiError `not-acceptable`
 */
export function chooseType<Type extends string>(accept: string | undefined, offered: readonly [Type, ...Type[]]): Type {
  if (accept === undefined || accept.trim() === '') return offered[0]
  const ranges = parseAccept(accept).map(({ type, q }) => ({ type: type.toLowerCase(), q }))
  let best: { readonly type: Type; readonly q: number } | undefined
  for (const type of offered) {
    const q = qualityOf(type, ranges)
    if (q > 0 && (best === undefined || q > best.q)) best = { type, q }
  }
  if (best !== undefined) return best.type
  throw new ApiError('not-acceptable', `The answer is ${offered.join(' or ')}.`)
}

/** The most specific range that a type falls into decides. */
function qualityOf(type: string, ranges: readonly { readonly type: string; readonly q: number }[]): number {
  for (const range of [type, `${type.slice(0, type.indexOf('/'))}/*`, '*/*']) {
    const found = ranges.find((candidate) => candidate.type === range)
    if (found !== undefined) return found.q
  }
  return 0
}

/** Media type of a `Content-Type`, in lower case and without its parameters; undefined without the header. */
export function mediaTypeOf(contentType: string | undefined): string | undefined {
  return contentType?.replace(/;.*/s, '').trim().toLowerCase()
}
