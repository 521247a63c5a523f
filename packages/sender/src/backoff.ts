/** Milliseconds before attempt `n + 1`, after `n` ≥ 1 have failed: doubling from 100 ms to 2 s, the upper half of it random. */
export function backoff(n: number, random: () => number): number {
  const most = Math.min(2000, 100 * 2 ** (n - 1))
  return most / 2 + (random() * most) / 2
}

/**
 * Milliseconds that a `Retry-After` asks to wait from `unixMs` on: seconds, or a date (RFC 9110, 10.2.3). 0 if there is
 * none, or it says nothing.
 */
export function retryAfterMs(text: string | undefined, unixMs: number): number {
  if (text === undefined) return 0
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000
  const at = Date.parse(text)
  return Number.isNaN(at) ? 0 : Math.max(0, at - unixMs)
}
