/** A promise that the test settles. */
export function promise(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve: (() => void) | undefined
  const settled = new Promise<void>((done) => {
    resolve = done
  })
  return { promise: settled, resolve: () => resolve?.() }
}
