import type { Command, ErrorStatus } from '@lhspn/apns-protocol'

import type { Verdict } from './journal.ts'
import { matching, type Place, RuleList } from './rule-list.ts'
import type { Action, Answer, ConnectionRule, Rule, Script } from './script.ts'

/** What follows from a frame. Without an action its connection goes on. */
export interface Decision {
  readonly verdict: Verdict
  readonly action?: Action
  /** The identifier that an answer names. */
  readonly identifier?: number
}

/** Where a frame stands among the others: `nth` among all notifications (a barrier's: among all barriers) that were not discarded. */
export interface Position extends Place {
  /** Identifier of the frame before it on its connection; 0 if there is none or it had none. */
  readonly previous: number
}

/**
 * Decides by a script and a seed, and nothing else: the same frames in the same order get the same answers. How often
 * each rule has decided is all that it remembers.
 */
export class Decider {
  readonly #script: Script
  readonly #rules: RuleList<Rule>

  constructor(script: Script, seed: number) {
    this.#script = script
    this.#rules = new RuleList(script.rules ?? [], seed)
  }

  /** What happens to the connection with this number, from 1, as such; undefined: nothing unusual. */
  onConnection(number: number): ConnectionRule | undefined {
    return matching(this.#script.connections, number)
  }

  /** What happens at this frame. A rule comes before what a gateway does of itself: refusing broken frames, answering barriers. */
  onFrame(command: Command, position: Position): Decision {
    const isBarrier = command.fault === MISSING_TOKEN
    const action = this.#rules.first(command.token, isBarrier, position)?.do
    if (action !== undefined) return decided(action, command, position.previous, isBarrier)
    if (command.fault === undefined) return ACCEPTED
    if (isBarrier && this.#script.barriers === false) return SKIPPED
    return decided({ status: command.fault }, command, position.previous, isBarrier)
  }
}

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
