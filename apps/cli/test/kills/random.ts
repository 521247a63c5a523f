import { uniformInt } from 'pure-rand/distribution/uniformInt'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'

/** Numbers from a seed, the same on every machine: what a failing run did can be done again. */
export class Random {
  readonly #generator

  constructor(seed: number) {
    this.#generator = xoroshiro128plus(seed)
  }

  /** A whole number from 0 to below `limit`. */
  below(limit: number): number {
    return uniformInt(this.#generator, 0, limit - 1)
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T
  }

  shuffle<T>(list: readonly T[]): readonly T[] {
    return list
      .map((each) => ({ each, place: this.below(2 ** 32) }))
      .toSorted((one, other) => one.place - other.place)
      .map(({ each }) => each)
  }
}

/** Gives each of its cards once, in an order of chance, before any comes again. */
export class Deck<T> {
  readonly #cards: readonly T[]
  readonly #random: Random
  #left: readonly T[] = []

  constructor(cards: readonly T[], random: Random) {
    this.#cards = cards
    this.#random = random
  }

  next(): T {
    if (this.#left.length === 0) this.#left = this.#random.shuffle(this.#cards)
    const [card, ...others] = this.#left
    this.#left = others
    return card as T
  }
}
