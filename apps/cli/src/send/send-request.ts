import type { Push } from '@lhspn/dispatcher'
import type { Outcome, OwnReason } from '@lhspn/sender'
import type { Service } from '@lhspn/service'

import { confirmCount, mayAsk } from '../confirmation.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode, exitCodeOf } from '../exit-code.ts'
import { remedyOf } from '../explanation.ts'
import type { Scope } from '../installation.ts'
import type { Interruption } from '../interruption.ts'
import { withService } from '../opened-service.ts'
import { alignColumns, formatCount, type Output } from '../output.ts'
import type { SendRequest } from './request.ts'
import { Source } from './source.ts'
import { Tally } from './tally.ts'

/** Audiences up to here go out without a question, but for `--all`. */
const UNASKED = 1000

/**
 * Sends, tells what became of each notification, and sums up. A signal, a fault of the credentials, an unreachable
 * gateway or a push to the wrong environment end it early; what is in flight settles first, and the summary is printed
 * all the same.
 */
export function sendRequest(request: SendRequest, scope: Scope, context: Context): Promise<ExitCode> {
  return withService(scope.config, context, async (service, interruption) => {
    const sending = new Sending(request, scope, context, service, interruption)
    return sending.run()
  })
}

class Sending {
  readonly #request: SendRequest
  readonly #scope: Scope
  readonly #context: Context
  readonly #service: Service
  readonly #interruption: Interruption
  readonly #source: Source
  readonly #push: Push
  readonly #tally = new Tally()
  /** Devices that were marked as refused. */
  #refusedDevices = 0
  /** Devices that were removed, because their app is gone. */
  #removedDevices = 0
  /** When to try again, as the last outcomes that named a time did: it is Apple as a whole that is not available. */
  #retryAt: number | undefined

  constructor(request: SendRequest, scope: Scope, context: Context, service: Service, interruption: Interruption) {
    this.#request = request
    this.#scope = scope
    this.#context = context
    this.#service = service
    this.#interruption = interruption
    this.#source = new Source(request, context)
    const { content, badge, maxAudience, onUnconfirmed } = request
    const { environment } = scope
    const audience = this.#source.audience()
    const options = { ...(badge !== undefined && { badge }), ...(maxAudience !== undefined && { maxAudience }) }
    this.#push = { app: scope.app.topic, environment, audience, content, onUnconfirmed, ...options }
  }

  async run(): Promise<ExitCode> {
    const { output } = this.#context
    const { app, environment } = this.#push
    // what cannot be sent at all is told before anybody is asked anything
    await this.#service.senderFor(app, environment)
    const total = await this.#count()
    if (total === 0) {
      output.note('No device matches: nothing was sent.')
      await this.#printSummary(0, 0)
      return EXIT.done
    }
    const { exitCode } = this.#interruption
    return exitCode ?? this.#deliver(total)
  }

  /** How many devices there are, confirmed where that is due; undefined for a stream. */
  async #count(): Promise<number | undefined> {
    const { recipients, maxAudience } = this.#request
    if ('stdin' in recipients) return undefined
    const total = 'tokens' in recipients ? recipients.tokens.length : await this.#service.dispatcher.count(this.#push)
    // what is too large is refused below, and needs no confirmation
    const isAllowed = total !== undefined && (maxAudience === undefined || total <= maxAudience)
    const isAsked = isAllowed && total > 0 && ('all' in recipients || total > UNASKED)
    if (isAsked && mayAsk(this.#context)) {
      const { app, environment } = this.#push
      const what = `${formatCount(total, 'device')} of ${app}, ${environment}`
      await confirmCount(total, what, this.#context, this.#interruption.signal)
    }
    return total
  }

  async #deliver(total: number | undefined): Promise<ExitCode> {
    const { output } = this.#context
    const { signal } = this.#interruption
    signal.addEventListener('abort', () => {
      output.note('Stopping: what is in flight settles first. Once more ends at once.')
    })
    const tally = this.#tally
    const startedAt = performance.now()
    const rate = (): number => Math.round(tally.settled / Math.max(0.001, (performance.now() - startedAt) / 1000))
    const onRefused = (devices: number): void => void (this.#refusedDevices += devices)
    const onRemoved = (devices: number): void => void (this.#removedDevices += devices)
    let fault: unknown
    try {
      for await (const outcomes of this.#service.dispatcher.deliver(this.#push, { signal, onRefused, onRemoved })) {
        tally.add(outcomes)
        this.#retryAt = outcomes.at(-1)?.retryAt ?? this.#retryAt
        await printOutcomes(outcomes, output)
        const of = total === undefined ? '' : ` / ${formatCount(total)}`
        output.progress(() => `${formatCount(tally.settled)}${of}  ${formatCount(rate())}/s`)
      }
    } catch (error) {
      fault = error
    }
    if (tally.settled === 0 && isTooLarge(fault)) throw fault
    // from here on nothing more is read: what came until now is accounted for below
    this.#context.stdin.destroy()
    const perSecond = rate()
    await printOutcomes(this.#settleRest(fault), output)
    const isEndedEarly = fault !== undefined || signal.aborted
    const notRead = this.#source.isAudience && isEndedEarly ? Math.max(0, (total ?? 0) - tally.settled) : 0
    await this.#printSummary(perSecond, notRead)
    if (fault !== undefined) output.fail(fault)
    if (this.#interruption.exitCode !== undefined) return this.#interruption.exitCode
    if (fault !== undefined) return exitCodeOf(fault)
    const isAll = tally.counts.accepted === tally.settled && this.#source.refusedLines === 0
    return isAll ? EXIT.done : EXIT.notAll
  }

  /** The sender takes no array that comes after a call has ended; its notifications are unsent like the others. */
  #settleRest(fault: unknown): readonly Outcome[] {
    const { content } = this.#push
    const reason = fault === undefined ? 'Aborted' : (UNSENT_BY[senderCodeOf(fault)] ?? 'Stopped')
    const retryAt = reason === 'RetryLater' && this.#retryAt !== undefined ? { retryAt: this.#retryAt } : {}
    const outcomes = this.#source
      .rest(this.#tally.settled)
      .map((token) => ({ notification: { token, content }, kind: 'unsent', reason, ...retryAt, attempts: 0 }) as const)
    this.#tally.add(outcomes)
    return outcomes
  }

  async #printSummary(perSecond: number, notRead: number): Promise<void> {
    const { app, environment } = this.#scope
    const { output } = this.#context
    const { isStream, isAudience, refusedLines } = this.#source
    const tally = this.#tally
    const planned = tally.settled + notRead
    if (isStream && planned === 0 && refusedLines === 0) output.note('No device tokens came: nothing was sent.')
    if (output.json) {
      await output.printJson({
        app: app.topic,
        environment,
        counts: { planned, ...tally.counts, ...(isAudience && { notRead }) },
        reasons: tally.allReasons,
        refusedDevices: this.#refusedDevices,
        removedDevices: this.#removedDevices,
        ...(isStream && { refusedLines }),
        perSecond,
      })
      return
    }
    const rows: string[][] = [...tally.rows()]
    if (notRead > 0) rows.push(['  not read', formatCount(notRead), 'devices; it ended before their turn'])
    if (this.#refusedDevices > 0) {
      const what = 'audiences skip them until they register again'
      rows.push(['  refused devices', formatCount(this.#refusedDevices), what])
    }
    if (this.#removedDevices > 0)
      rows.push(['  removed devices', formatCount(this.#removedDevices), 'their app is gone'])
    if (refusedLines > 0) rows.push(['  refused lines', formatCount(refusedLines), 'no device tokens; see above'])
    await output.print(
      `${formatCount(planned, isAudience ? 'device' : 'notification')}  ${app.topic}  ${environment}  ${formatCount(perSecond)}/s`,
      ...alignColumns(rows),
    )
  }
}

/** With --json each notification that was not accepted, with the whole token: what is needed to send it again. */
async function printOutcomes(outcomes: readonly Outcome[], output: Output): Promise<void> {
  if (output.json) await output.printJson(...outcomes.filter(({ kind }) => kind !== 'accepted').map(shown))
}

function shown({ kind, notification, reason, status, since, retryAt, attempts }: Outcome): object {
  return {
    token: notification.token,
    outcome: kind,
    reason,
    status,
    ...(since !== undefined && { since: new Date(since).toISOString() }),
    ...(retryAt !== undefined && { retryAt: new Date(retryAt).toISOString() }),
    attempts,
    remedy: remedyOf(reason, status),
  }
}

function isTooLarge(fault: unknown): boolean {
  return fault instanceof Error && 'code' in fault && fault.code === 'audience-too-large'
}

/** Why what was not taken any more is unsent, by the code of the sender's error; all others stopped it. */
const UNSENT_BY: Readonly<Record<string, OwnReason>> = { unreachable: 'Unreachable', unavailable: 'RetryLater' }

/** The database may be unreachable too, by the same code. */
function senderCodeOf(fault: unknown): string {
  return fault instanceof Error && fault.name === 'SenderError' && 'code' in fault ? String(fault.code) : ''
}
