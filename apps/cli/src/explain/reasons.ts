import { ERROR_STATUSES, PROVIDER_REASONS } from '@lhspn/apns-protocol'
import { UNWRITTEN_REASONS } from '@lhspn/dispatcher'
import { OWN_REASONS } from '@lhspn/sender'
import { didYouMean } from '@lhspn/service'

import { CommandError } from '../errors.ts'

/** What is known of one reason. */
export interface Explanation {
  readonly reason: string
  /** Which of Apple's interfaces gives it; absent where the reason is our own. */
  readonly interface?: 'gateway' | 'provider-api'
  /** It comes with this status; absent where the reason is our own. */
  readonly status?: number
  /** Whose fault it is (Apple's reasons), or the outcome that it comes with (our own). */
  readonly about: string
  readonly meaning: string
  readonly remedy: string
}

const EXPLANATIONS: readonly Explanation[] = [
  ...Object.entries(ERROR_STATUSES).map(
    ([status, { name, about, meaning, remedy }]) =>
      ({ reason: name, interface: 'gateway', status: Number(status), about, meaning, remedy }) as const,
  ),
  ...Object.entries(PROVIDER_REASONS).map(
    ([reason, { status, about, meaning, remedy }]) =>
      ({ reason, interface: 'provider-api', status, about, meaning, remedy }) as const,
  ),
  ...Object.entries({ ...OWN_REASONS, ...UNWRITTEN_REASONS }).map(([reason, { kind, meaning, remedy }]) => ({
    reason,
    about: kind,
    meaning,
    remedy,
  })),
]

/**
 * Looks a status of the gateway or a reason up, whatever its case. Where both interfaces have a reason of this name,
 * there is one for each.
 * @throws CommandError `invalid-input` with the nearest name
 */
export function explanationsOf(thing: string): readonly Explanation[] {
  if (/^\d+$/.test(thing)) return [ofStatus(thing)]
  const found = EXPLANATIONS.filter(({ reason }) => reason.toLowerCase() === thing.toLowerCase())
  if (found.length > 0) return found
  const reasons = [...new Set(EXPLANATIONS.map(({ reason }) => reason))]
  throw unknown(`There is no reason ${thing}${didYouMean(thing, reasons)}`, `Reasons: ${reasons.join(', ')}.`)
}

function ofStatus(text: string): Explanation {
  const found = EXPLANATIONS.find((each) => each.interface === 'gateway' && each.status === Number(text))
  if (found !== undefined) return found
  // the provider API's say little: its reasons are what is to be looked up
  const reasons = EXPLANATIONS.filter((each) => each.interface === 'provider-api' && each.status === Number(text))
  throw unknown(
    `There is no gateway status ${text}`,
    reasons.length === 0
      ? `Statuses: ${Object.keys(ERROR_STATUSES).join(', ')}.`
      : `The provider API gives it with ${reasons.map(({ reason }) => reason).join(', ')}: explain one of these.`,
  )
}

function unknown(message: string, remedy: string): CommandError {
  return new CommandError('invalid-input', message, remedy, { faults: [{ flag: 'THING', detail: message }] })
}
