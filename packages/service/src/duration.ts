const UNIT_MS = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

type Unit = keyof typeof UNIT_MS

/**
 * Reads a duration: a whole number and a unit, `500ms`, `30s`, `10m`, `24h`, `30d`.
 * @returns milliseconds, or undefined where the text is no duration
 */
export function parseDuration(text: string): number | undefined {
  const parts = /^(\d{1,12})(ms|s|m|h|d)$/.exec(text)
  if (parts === null) return undefined
  return Number(parts[1]) * UNIT_MS[parts[2] as Unit]
}

/** Writes milliseconds (a whole number, 0 or more) in the largest unit that holds them exactly: 90_000 is `90s`. */
export function formatDuration(ms: number): string {
  const units = ['d', 'h', 'm', 's'] as const
  const unit = units.find((candidate) => ms > 0 && ms % UNIT_MS[candidate] === 0) ?? 'ms'
  return `${ms / UNIT_MS[unit]}${unit}`
}
