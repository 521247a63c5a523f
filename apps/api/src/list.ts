import type { Logger } from '@lhspn/service'
import { stringify } from 'csv-stringify/sync'
import type { Context } from 'hono'

import type { Env } from './endpoint.ts'
import { ApiError } from './problem.ts'

/** A list that a client asked for, in the forms in which it may come. */
export interface List<Entry> {
  /** One page. */
  page(): Promise<Page<Entry>>
  /** All of it, page by page. */
  all(): AsyncIterable<readonly Entry[]>
  /** Columns of a CSV: name, and the cell of an entry. */
  readonly columns: Columns<Entry>
}

interface Page<Entry> {
  readonly data: readonly Entry[]
  readonly nextCursor: string | null
  readonly count?: number
}

export type Columns<Entry> = Readonly<Record<string, (entry: Entry) => string | number>>

/** What a query may say about pages. */
export interface PageQuery {
  readonly limit?: number | undefined
  readonly cursor?: string | undefined
}

/**
 * Answers a list: a page as JSON, or all of it, streamed, as NDJSON or CSV. A stream that fails is cut off, so that no
 * client takes a part for the whole, and logged.
 * @param type of the answer, as it was negotiated
 */
export async function answerList<Entry>(
  c: Context<Env>,
  type: string,
  query: PageQuery,
  list: List<Entry>,
  log: Logger,
): Promise<Response> {
  if (type === 'application/json') return c.json(await list.page())
  for (const parameter of ['limit', 'cursor'] as const) {
    if (query[parameter] === undefined) continue
    throw new ApiError('invalid-request', `${type} is the whole list, without pages.`, {
      errors: [{ parameter, detail: 'Only pages have it: leave it out, or ask for application/json.' }],
    })
  }
  const pages = list.all()[Symbol.asyncIterator]()
  const first = await pages.next() // what is wrong from the start is told as a problem
  const isCsv = type === 'text/csv'
  const toText = isCsv ? (entries: readonly Entry[]) => toCsv(entries, list.columns) : toNdjson
  const body = textStream(c, pages, first, isCsv ? `${Object.keys(list.columns).join(',')}\n` : '', toText, log)
  return c.body(body, 200, { 'content-type': isCsv ? 'text/csv; charset=utf-8' : type })
}

/** An object a line. */
export function toNdjson(entries: readonly unknown[]): string {
  return entries.map((entry) => `${JSON.stringify(entry)}\n`).join('')
}

/** Lines of a CSV (RFC 4180), without the one that names the columns. */
export function toCsv<Entry>(entries: readonly Entry[], columns: Columns<Entry>): string {
  return stringify(entries.map((entry) => Object.values(columns).map((cell) => cell(entry))))
}

function textStream<Entry>(
  c: Context<Env>,
  pages: AsyncIterator<readonly Entry[]>,
  first: IteratorResult<readonly Entry[]>,
  head: string,
  toText: (entries: readonly Entry[]) => string,
  log: Logger,
): ReadableStream<Uint8Array> {
  let next: IteratorResult<readonly Entry[]> | undefined = first
  return new ReadableStream<Uint8Array>({
    start(controller) {
      if (head !== '') controller.enqueue(Buffer.from(head))
    },
    async pull(controller) {
      try {
        const page = next ?? (await pages.next())
        next = undefined
        if (page.done === true) controller.close()
        else controller.enqueue(Buffer.from(toText(page.value)))
      } catch (err) {
        log.error({ err, request: c.get('requestId') }, 'a list was cut off')
        c.env.outgoing.destroy()
      }
    },
    async cancel() {
      await pages.return?.()
    },
  })
}
