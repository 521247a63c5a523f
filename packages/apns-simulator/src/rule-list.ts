import { uniformFloat32 } from 'pure-rand/distribution/uniformFloat32'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'

import type { Condition, ConnectionRange } from './condition.ts'

/** A rule of either interface: what it does is not looked at here. */
export interface Conditional {
  readonly when: Condition
  /** How often the rule decides; default always. */
  readonly times?: number
}

/** Where something to decide on stands among the others. */
export interface Place {
  /** Number of its connection, from 1. */
  readonly connection: number
  /** Its number among all of its kind, from 1. */
  readonly nth: number
}

/** The rules of a script in their order, and how often each may still decide. */
export class RuleList<R extends Conditional> {
  /** Rules that name a whole token, found by it: a script may reject thousands of tokens. */
  readonly #byToken = new Map<string, RuleState<R>[]>()
  readonly #others: readonly RuleState<R>[]

  constructor(rules: readonly R[], seed: number) {
    const states = rules.map((rule, order) => new RuleState(rule, order, seed))
    this.#others = states.filter(({ rule }) => typeof rule.when.token !== 'string')
    for (const state of states) {
      const { token } = state.rule.when
      if (typeof token === 'string') this.#byToken.set(token, [...(this.#byToken.get(token) ?? []), state])
    }
  }

  /** The first rule that matches and has times left; one of them is then used up. */
  first(token: string, isBarrier: boolean, place: Place): R | undefined {
    // both lists in the order of the script: a rule that is reached makes its draw, one behind the first that matches does not
    const exact = this.#byToken.get(token) ?? NONE
    let fromExact = 0
    let fromOthers = 0
    for (;;) {
      const named = exact[fromExact]
      const other = this.#others[fromOthers]
      const next = named === undefined || (other !== undefined && other.order < named.order) ? other : named
      if (next === undefined) return undefined
      if (next === named) fromExact++
      else fromOthers++
      if (next.matches(token, isBarrier, place)) return next.use()
    }
  }
}

const NONE: readonly never[] = []

/** The first rule whose `nth` names the connection with this number. */
export function matching<R extends { readonly nth: ConnectionRange }>(
  rules: readonly R[] | undefined,
  number: number,
): R | undefined {
  return rules?.find(({ nth }) =>
    typeof nth === 'number' ? nth === number : number >= nth.from && number <= (nth.to ?? Infinity),
  )
}

/** A rule, how often it may still decide, and its own sequence of draws. */
class RuleState<R extends Conditional> {
  readonly rule: R
  /** Place in the script. */
  readonly order: number
  #left: number
  readonly #draw: () => number

  constructor(rule: R, order: number, seed: number) {
    this.rule = rule
    this.order = order
    this.#left = rule.times ?? Infinity
    this.#draw = randomSequence(seed, order)
  }

  /** Draws, if the rule has a chance, when everything else holds. */
  matches(token: string, isBarrier: boolean, { nth, connection }: Place): boolean {
    const { when } = this.rule
    if (this.#left === 0) return false
    if ((when.barrier === true) !== isBarrier) return false
    if (when.nth !== undefined && when.nth !== nth) return false
    if (when.every !== undefined && nth % when.every !== 0) return false
    if (when.connection !== undefined && when.connection !== connection) return false
    if (typeof when.token === 'string' && when.token !== token) return false
    if (typeof when.token === 'object' && !token.startsWith(when.token.startsWith)) return false
    return when.chance === undefined || this.#draw() < when.chance
  }

  use(): R {
    this.#left--
    return this.rule
  }
}

/** Numbers from 0 to 1 (1 excluded) that depend on the seed and the rule's place only: each rule has a stretch of its own. */
function randomSequence(seed: number, order: number): () => number {
  const generator = xoroshiro128plus(seed)
  for (let rule = 0; rule < order; rule++) generator.jump()
  return () => uniformFloat32(generator)
}
