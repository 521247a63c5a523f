import type { Command, ErrorStatus } from '@lhspn/apns-protocol'

import type { Verdict } from './journal.ts'
import type { Action, Answer, ConnectionRule, Rule, Script } from './script.ts'

/** What follows from a frame. Without an action its connection goes on. */
export interface Decision {
  readonly verdict: Verdict
  readonly action?: Action
  /** The identifier that an answer names. */
  readonly identifier?: number
}

/** Where a frame stands among the others. */
export interface Position {
  /** Number of its connection, from 1. */
  readonly connection: number
  /** Its number among all notifications (a barrier's: among all barriers) that were not discarded, from 1. */
  readonly nth: number
  /** Identifier of the frame before it on its connection; 0 if there is none or it had none. */
  readonly previous: number
}

/**
 * Decides by a script and a seed, and nothing else: the same frames in the same order get the same answers. How often
 * each rule has decided is all that it remembers.
 */
export class Decider {
  readonly #script: Script
  readonly #rules: readonly RuleState[]
  /** Rules that name a whole token, found by it: a script may reject thousands of tokens. */
  readonly #byToken = new Map<string, RuleState[]>()
  readonly #others: readonly RuleState[]

  constructor(script: Script, seed: number) {
    this.#script = script
    this.#rules = (script.rules ?? []).map((rule, order) => new RuleState(rule, order, seed))
    this.#others = this.#rules.filter(({ rule }) => typeof rule.when.token !== 'string')
    for (const state of this.#rules) {
      const { token } = state.rule.when
      if (typeof token === 'string') this.#byToken.set(token, [...(this.#byToken.get(token) ?? []), state])
    }
  }

  /** What happens to the connection with this number, from 1, as such; undefined: nothing unusual. */
  onConnection(number: number): ConnectionRule | undefined {
    return this.#script.connections?.find(({ nth }) =>
      typeof nth === 'number' ? nth === number : number >= nth.from && number <= (nth.to ?? Infinity),
    )
  }

  /** What happens at this frame. A rule comes before what a gateway does of itself: refusing broken frames, answering barriers. */
  onFrame(command: Command, position: Position): Decision {
    const isBarrier = command.fault === MISSING_TOKEN
    const action = this.#firstRule(command.token, isBarrier, position)?.rule.do
    if (action !== undefined) return decided(action, command, position.previous, isBarrier)
    if (command.fault === undefined) return ACCEPTED
    if (isBarrier && this.#script.barriers === false) return SKIPPED
    return decided({ status: command.fault }, command, position.previous, isBarrier)
  }

  /** Goes through both lists in the order of the script; a rule that is reached makes its draw, one behind the first that matches does not. */
  #firstRule(token: string, isBarrier: boolean, position: Position): RuleState | undefined {
    const exact = this.#byToken.get(token) ?? NO_RULES
    let fromExact = 0
    let fromOthers = 0
    for (;;) {
      const named = exact[fromExact]
      const other = this.#others[fromOthers]
      const next = named === undefined || (other !== undefined && other.order < named.order) ? other : named
      if (next === undefined) return undefined
      if (next === named) fromExact++
      else fromOthers++
      if (next.matches(token, isBarrier, position)) return next.use()
    }
  }
}

const NO_RULES: readonly RuleState[] = []
const MISSING_TOKEN: ErrorStatus = 2
const SHUTDOWN: ErrorStatus = 10
const ACCEPTED: Decision = { verdict: 'accepted' }
const SKIPPED: Decision = { verdict: 'barrier' }

function decided(action: Action, command: Command, previous: number, isBarrier: boolean): Decision {
  if (typeof action === 'string') return { verdict: isBarrier ? 'barrier' : 'discarded', action }
  const takes = action.status === SHUTDOWN && action.identifier !== 'previous' && command.fault === undefined
  const verdict = isBarrier ? 'barrier' : takes ? 'accepted' : action.status === SHUTDOWN ? 'discarded' : 'rejected'
  // a command 0 has no identifier that an answer could name: it is refused by closing (Apple, Legacy Notification Format)
  if (command.command === 0) return { verdict, action: 'close' }
  return { verdict, action, identifier: identifierOf(action, command.identifier ?? 0, previous) }
}

/** Further on than any client counts on one connection. */
const FAR_AWAY = 0x4000_0000

function identifierOf({ identifier }: Answer, named: number, previous: number): number {
  switch (identifier) {
    case undefined:
    case 'named':
      return named
    case 'zero':
      return 0
    case 'unknown':
      return (named + FAR_AWAY) >>> 0
    case 'previous':
      return previous
    default:
      throw new TypeError(`no such identifier: ${JSON.stringify(identifier satisfies never)}`)
  }
}

/** A rule, how often it may still decide, and its own sequence of draws. */
class RuleState {
  readonly rule: Rule
  /** Place in the script. */
  readonly order: number
  #left: number
  readonly #draw: () => number

  constructor(rule: Rule, order: number, seed: number) {
    this.rule = rule
    this.order = order
    this.#left = rule.times ?? Infinity
    this.#draw = randomSequence(seed, order)
  }

  /** Draws, if the rule has a chance, when everything else holds. */
  matches(token: string, isBarrier: boolean, { nth, connection }: Position): boolean {
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

  use(): this {
    this.#left--
    return this
  }
}

/** Numbers from 0 to 1 (1 excluded) that depend on the seed and the rule's place only: mulberry32, started at a mix of both. */
function randomSequence(seed: number, order: number): () => number {
  let state = (Math.imul(seed | 0, 0x9e37_79b1) ^ Math.imul(order + 1, 0x85eb_ca77)) | 0
  return () => {
    state = (state + 0x6d2b_79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000
  }
}
