import { distance } from 'fastest-levenshtein'

/**
 * The right name that a mistyped one most likely means: at most a third of its letters differ, whatever their case.
 * A name counts as meant too where its first three letters or more were typed, or all of it but the part before its last
 * dot (`connections` for `sender.connections`).
 * @returns undefined where nothing comes close
 */
export function nearest(typed: string, names: Iterable<string>): string | undefined {
  const wanted = typed.toLowerCase()
  let best: { readonly name: string; readonly edits: number } | undefined
  for (const name of names) {
    const whole = name.toLowerCase()
    const last = whole.slice(whole.lastIndexOf('.') + 1)
    const isStart = wanted.length >= 3 && whole.startsWith(wanted)
    const edits = isStart ? 1 : Math.min(distance(wanted, whole), distance(wanted, last) + (last === whole ? 0 : 1))
    if (edits <= Math.max(1, Math.floor(name.length / 3)) && (best === undefined || edits < best.edits)) {
      best = { name, edits }
    }
  }
  return best?.name
}

/** `; did you mean X?`, or nothing where no name comes close. Made to follow a sentence without its full stop. */
export function didYouMean(typed: string, names: Iterable<string>): string {
  const name = nearest(typed, names)
  return name === undefined ? '' : `; did you mean ${name}?`
}
