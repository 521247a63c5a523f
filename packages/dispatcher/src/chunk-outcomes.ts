import { codeOf, isMismatch, isUnwritten, outcomeOfCode, type SettledKind, UNSETTLED } from './outcome-code.ts'

/** A device that Apple said is dead. */
export interface Removal {
  readonly token: string
  /** UNIX ms: whoever registered later is kept. */
  readonly since: number
}

/** What a checkpoint writes: whole and absolute, so that writing it twice is writing it once. */
export interface Part {
  /** A code for each member. */
  readonly codes: Uint8Array
  readonly settled: number
  readonly counts: Readonly<Record<SettledKind, number>>
  /** How often codes that have a reason are among them; those that changed since the part before. */
  readonly reasons: readonly (readonly [code: number, n: number])[]
  readonly removals: readonly Removal[]
}

interface Pending {
  readonly index: number
  readonly code: number
  readonly removal: Removal | undefined
}

/** Removals in one checkpoint: each takes its attributes along. */
export const MOST_REMOVALS = 100

/** What is known of the members of a chunk, and what of it is not written down yet. Pure. */
export class ChunkOutcomes {
  /** As written, or being written. */
  readonly #codes: Uint8Array
  readonly #known: Uint8Array
  /** Members by code: as written, and as known. */
  readonly #written = new Uint32Array(256)
  readonly #histogram = new Uint32Array(256)
  #pending: Pending[] = []
  #removals = 0

  /** @param stored a code for each member; it is copied */
  constructor(stored: Uint8Array) {
    this.#codes = Uint8Array.from(stored)
    this.#known = Uint8Array.from(stored)
    for (const code of stored) {
      this.#written[code]! += 1
      this.#histogram[code]! += 1
    }
  }

  get size(): number {
    return this.#known.length
  }

  /** Members that have an outcome, written down or not. */
  get settled(): number {
    return this.size - this.count(UNSETTLED)
  }

  /** Those of them that are not written down. */
  get pending(): number {
    return this.#pending.length
  }

  /** Removals that are not written down. */
  get removals(): number {
    return this.#removals
  }

  /** Members with this code. */
  count(code: number): number {
    return this.#histogram[code] as number
  }

  codeAt(index: number): number {
    return this.#known[index] as number
  }

  /** Members whose outcome says how tokens fare, and how many of them look like those of another environment. */
  get judged(): { readonly settled: number; readonly mismatched: number } {
    return judge(this.#histogram.entries())
  }

  /** Gives a member its outcome. It has none yet. */
  settle(index: number, outcome: { readonly kind: SettledKind; readonly reason?: string } | number, removal?: Removal) {
    const code = typeof outcome === 'number' ? outcome : codeOf(outcome)
    if (this.#known[index] !== UNSETTLED) throw new Error(`Member ${index} of a chunk was settled twice`)
    this.#known[index] = code
    this.#histogram[UNSETTLED]! -= 1
    this.#histogram[code]! += 1
    this.#pending.push({ index, code, removal })
    if (removal !== undefined) this.#removals++
  }

  /** The next checkpoint: all that is pending, as far as its removals are not too many. */
  take(): Part {
    const changed = new Set<number>()
    const removals: Removal[] = []
    let taken = 0
    for (const { index, code, removal } of this.#pending) {
      if (removal !== undefined && removals.push(removal) > MOST_REMOVALS) {
        removals.pop()
        break
      }
      taken++
      this.#codes[index] = code
      this.#written[UNSETTLED]! -= 1
      this.#written[code]! += 1
      changed.add(code)
    }
    this.#pending = this.#pending.slice(taken)
    this.#removals -= removals.length
    const counts: Record<SettledKind, number> = { accepted: 0, rejected: 0, unregistered: 0, unconfirmed: 0 }
    for (const [code, n] of this.#written.entries()) {
      const kind = n === 0 ? undefined : outcomeOfCode(code)?.kind
      if (kind !== undefined) counts[kind] += n
    }
    return {
      codes: Uint8Array.from(this.#codes),
      settled: this.size - (this.#written[UNSETTLED] as number),
      counts,
      reasons: [...changed]
        .filter((code) => outcomeOfCode(code)?.reason !== undefined)
        .map((code) => [code, this.#written[code] as number]),
      removals,
    }
  }
}

/** Sums up how tokens fare, of codes and how often each came; what Apple has not judged is left out. */
export function judge(codes: Iterable<readonly [code: number, n: number]>): { settled: number; mismatched: number } {
  let settled = 0
  let mismatched = 0
  for (const [code, n] of codes) {
    if (n === 0 || code === UNSETTLED || isUnwritten(code)) continue
    settled += n
    if (isMismatch(code)) mismatched += n
  }
  return { settled, mismatched }
}
