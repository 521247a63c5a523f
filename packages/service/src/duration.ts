const UNIT_MS: Readonly<Record<string, number>> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/**
 * Reads a duration: a whole number and a unit, `500ms`, `30s`, `10m`, `24h`, `30d`.
 * @returns milliseconds, or undefined where the text is no duration
 */
export function parseDuration(text: string): number | undefined {
  const [, count = '', unit = ''] = /^(\d{1,12})([a-z]+)$/.exec(text) ?? []
  const unitMs = UNIT_MS[unit]
  return unitMs === undefined ? undefined : Number(count) * unitMs
}

/** Writes milliseconds (a whole number, 0 or more) in the largest unit that holds them exactly: 90_000 is `90s`. */
export function formatDuration(ms: number): string {
  const exact = Object.entries(UNIT_MS).filter(([, unitMs]) => ms > 0 && ms % unitMs === 0)
  const [unit, unitMs] = exact.at(-1) ?? ['ms', 1]
  return `${ms / unitMs}${unit}`
}
