/**
 * Pages of rows by ascending key, as far as there are any. Holds one page, and no connection between two: it outlives a
 * lost one if the caller tries again with the last key. `read` answers up to `size` rows with keys above `after`.
 */
export async function* keysetPages<R, Key>(
  read: (after: Key, size: number) => Promise<readonly R[]>,
  options: {
    /** Where to begin: the key before the first. */
    readonly after: Key
    readonly size: number
    readonly keyOf: (row: R) => Key
    readonly signal?: AbortSignal | undefined
  },
): AsyncGenerator<readonly R[], void, undefined> {
  const { size, keyOf, signal } = options
  let after = options.after
  for (;;) {
    signal?.throwIfAborted()
    const rows = await read(after, size)
    const last = rows.at(-1)
    if (last === undefined) return
    yield rows
    if (rows.length < size) return
    after = keyOf(last)
  }
}
