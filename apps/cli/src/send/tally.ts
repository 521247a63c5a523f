import type { Outcome, OutcomeKind, Reason } from '@lhspn/sender'

import { formatCount } from '../output.ts'

/** What became of a stream of notifications, counted. */
export class Tally {
  readonly #kinds: Record<OutcomeKind, number> = {
    accepted: 0,
    rejected: 0,
    unregistered: 0,
    unconfirmed: 0,
    unsent: 0,
  }
  readonly #reasons = new Map<OutcomeKind, Map<Reason, number>>()

  add(outcomes: readonly Pick<Outcome, 'kind' | 'reason'>[]): void {
    for (const { kind, reason } of outcomes) {
      this.#kinds[kind]++
      if (reason === undefined) continue
      const reasons = this.#reasons.get(kind) ?? new Map<Reason, number>()
      this.#reasons.set(kind, reasons.set(reason, (reasons.get(reason) ?? 0) + 1))
    }
  }

  /** Notifications with an outcome. */
  get settled(): number {
    return Object.values(this.#kinds).reduce((sum, count) => sum + count, 0)
  }

  /** Notifications by outcome. */
  get counts(): Readonly<Record<OutcomeKind, number>> {
    return this.#kinds
  }

  /** Reasons of one outcome, the most frequent first. */
  reasons(kind: OutcomeKind): readonly (readonly [Reason, number])[] {
    return [...(this.#reasons.get(kind) ?? [])].toSorted(([, a], [, b]) => b - a)
  }

  /** All reasons with their counts. A reason belongs to one outcome. */
  get allReasons(): Readonly<Partial<Record<Reason, number>>> {
    return Object.fromEntries([...this.#reasons.values()].flatMap((reasons) => [...reasons]))
  }

  /** For people: a row for each outcome, with its reasons and where to read about them. */
  rows(): string[][] {
    const kinds: readonly OutcomeKind[] = ['accepted', 'rejected', 'unregistered', 'unconfirmed', 'unsent']
    return kinds.flatMap((kind) => {
      const reasons = this.reasons(kind).map(([reason, count]) => [
        `${reason} ${formatCount(count)}`,
        `lhspn explain ${reason}`,
      ])
      const [first = [], ...others] = reasons
      return [[`  ${kind}`, formatCount(this.#kinds[kind]), ...first], ...others.map((cells) => ['', '', ...cells])]
    })
  }
}
