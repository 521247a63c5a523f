/** UNIX milliseconds of a time as RFC 3339 writes it, seconds may be left out; undefined: it is none. */
export function readTime(text: string): number | undefined {
  const isTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/.test(text)
  const at = isTime ? Date.parse(text) : Number.NaN
  return Number.isNaN(at) ? undefined : at
}
