/** Milliseconds before attempt `n + 1`, after `n` ≥ 1 have failed: doubling from 100 ms to 2 s, the upper half of it random. */
export function backoff(n: number, random: () => number): number {
  const most = Math.min(2000, 100 * 2 ** (n - 1))
  return most / 2 + (random() * most) / 2
}
