import type { Page } from '@lhspn/dispatcher'

/** On a terminal, where nobody wants to see all of them run by. */
export const ON_TERMINAL = 50
const PAGE = 1000

/** Pages of a list: the first rows alone, or all of them, until `signal` is aborted. */
export async function* pagesOf<T>(
  read: (paging: { readonly cursor: string | undefined; readonly limit: number }) => Promise<Page<T>>,
  isShort: boolean,
  signal: AbortSignal,
): AsyncGenerator<Page<T>, void, undefined> {
  let cursor: string | undefined
  for (;;) {
    signal.throwIfAborted()
    const page = await read({ cursor, limit: isShort ? ON_TERMINAL : PAGE })
    yield page
    if (page.nextCursor === null || isShort) return
    cursor = page.nextCursor
  }
}
