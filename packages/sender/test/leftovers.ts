import { setImmediate } from 'node:timers/promises'

/** For the end of a file: fails if anything that could be a sender's still keeps the process alive when all that was ending has ended. */
export async function expectNoLeftovers(): Promise<void> {
  const until = performance.now() + 1000
  for (;;) {
    const left = process.getActiveResourcesInfo().filter((kind) => /TCP|TLS|Timeout/.test(kind))
    if (left.length === 0) return
    if (performance.now() > until) throw new Error(`there is left: ${left.join(', ')}`)
    await setImmediate()
  }
}
