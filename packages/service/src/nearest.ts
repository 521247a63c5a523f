import { distance } from 'fastest-levenshtein'

/**
 * The right name that a mistyped one most likely means: at most a third of its letters differ, whatever their case.
 * A name counts as meant too where its first three letters or more were typed, or where only the parts behind the last
 * dots are alike (`connections` or `log.conections` for `sender.connections`).
 * @returns undefined where nothing comes close
 */
export function nearest(typed: string, names: Iterable<string>): string | undefined {
  const wanted = typed.toLowerCase()
  let best: { readonly name: string; readonly edits: number } | undefined
  for (const name of names) {
    const edits = editsTo(name.toLowerCase(), wanted)
    if (edits !== undefined && (best === undefined || edits < best.edits)) best = { name, edits }
  }
  return best?.name
}

function editsTo(name: string, wanted: string): number | undefined {
  if (wanted.length >= 3 && name.startsWith(wanted)) return 1
  const whole = fewEdits(name, wanted)
  const last = fewEdits(lastPart(name), lastPart(wanted))
  return whole ?? (last === undefined ? undefined : last + 1)
}

function fewEdits(name: string, wanted: string): number | undefined {
  const edits = distance(wanted, name)
  return edits <= Math.max(1, Math.floor(name.length / 3)) ? edits : undefined
}

function lastPart(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1)
}

/** `; did you mean X?`, or nothing where no name comes close. Made to follow a sentence without its full stop. */
export function didYouMean(typed: string, names: Iterable<string>): string {
  const name = nearest(typed, names)
  return name === undefined ? '' : `; did you mean ${name}?`
}
