import { DeviceStoreError, type Filter, parseFilter } from '@lhspn/device-store'

import type { InputFault } from './errors.ts'
import { readPair } from './pair.ts'

/** The flags that choose devices by their attributes, as they were typed. */
export interface FilterFlags {
  readonly where?: readonly string[] | undefined
  readonly any?: readonly string[] | undefined
  readonly not?: readonly string[] | undefined
  readonly filter?: string | undefined
}

/** Whether one of them was given. */
export function hasFilter({ where, any, not, filter }: FilterFlags): boolean {
  return [where, any, not, filter].some((given) => given !== undefined)
}

/**
 * Reads them: all pairs of `--where`, at least one of `--any`, none of `--not`; or `--filter` with any nesting instead.
 * @returns undefined where none was given, or what was given has faults
 */
export function readFilterFlags(flags: FilterFlags, faults: InputFault[]): Filter | undefined {
  const where = readPairs('--where', flags.where, faults)
  const any = readPairs('--any', flags.any, faults)
  const not = readPairs('--not', flags.not, faults)
  const parts = [...where, ...joined(any), ...joined(not).map((none): Filter => ({ not: none }))]
  if (flags.filter !== undefined) {
    if (parts.length > 0) faults.push({ flag: '--filter', detail: 'cannot stand beside --where, --any and --not' })
    return readFilterText(flags.filter, faults)
  }
  const [only] = parts
  if (only === undefined) return undefined
  // each is well-formed by now: what can still be wrong is their number
  return check('--where', parts.length === 1 ? only : { all: parts }, faults)
}

function joined(pairs: readonly Filter[]): readonly Filter[] {
  return pairs.length > 1 ? [{ any: pairs }] : pairs
}

function readPairs(flag: string, texts: readonly string[] = [], faults: InputFault[]): readonly Filter[] {
  return texts.flatMap((text) => {
    const pair = readPair(flag, text, faults)
    const filter = pair === undefined ? undefined : check(flag, pair, faults, text)
    return filter === undefined ? [] : [filter]
  })
}

function readFilterText(text: string, faults: InputFault[]): Filter | undefined {
  try {
    return check('--filter', JSON.parse(text), faults)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    faults.push({ flag: '--filter', detail: `no valid JSON: ${why}` })
    return undefined
  }
}

/** @param typed the pair as it was typed, which says more than a pointer into it */
function check(flag: string, value: unknown, faults: InputFault[], typed?: string): Filter | undefined {
  try {
    return parseFilter(value)
  } catch (error) {
    if (!(error instanceof DeviceStoreError)) throw error
    for (const { pointer, detail } of error.faults) {
      faults.push(typed === undefined ? { flag, pointer, detail } : { flag, detail: `${typed}: ${detail}` })
    }
    return undefined
  }
}
