import { type Content, ERROR_STATUSES, isErrorStatus } from '@lhspn/apns-protocol'
import {
  type Notification,
  type Outcome,
  OWN_REASONS,
  type OwnReason,
  type Reason,
  type SenderEvent,
} from '@lhspn/sender'
import { createLogger, openSender } from '@lhspn/service'

import type { Context } from '../context.ts'
import { EXIT, type ExitCode, exitCodeOf } from '../exit-code.ts'
import type { Scope } from '../installation.ts'
import { alignColumns, formatCount, type Output } from '../output.ts'
import type { SendRequest } from './request.ts'
import { Tally } from './tally.ts'
import { readTokenLines } from './token-lines.ts'

/** Lines of stdin that were refused are told one by one up to here; beyond, only their count. */
const MAX_FAULTS_SHOWN = 100

/**
 * Sends, tells what became of each notification, and sums up. A signal, a fault of the credentials or an unreachable
 * gateway end it early; what is in flight settles first, and the summary is printed all the same.
 */
export async function sendRequest(request: SendRequest, scope: Scope, context: Context): Promise<ExitCode> {
  const { app, environment } = scope
  const { output } = context
  const interruption = context.interruption()
  const sender = await openSender(scope.config, app, environment, eventLog(scope, context))
  interruption.signal.addEventListener('abort', () => {
    output.note('Stopping: what is in flight settles first. Once more ends at once.')
  })
  const source = new Source(request, context)
  const tally = new Tally()
  const startedAt = performance.now()
  const rate = (): number => Math.round(tally.settled / Math.max(0.001, (performance.now() - startedAt) / 1000))
  let fault: unknown
  try {
    const options = { signal: interruption.signal, onUnconfirmed: request.onUnconfirmed }
    for await (const outcomes of sender.send(source.batches(), options)) {
      tally.add(outcomes)
      await printOutcomes(outcomes, output)
      const total = source.total === undefined ? '' : ` / ${formatCount(source.total)}`
      output.progress(() => `${formatCount(tally.settled)}${total}  ${formatCount(rate())}/s`)
    }
  } catch (error) {
    fault = error
  } finally {
    await sender.close()
  }
  // from here on nothing more is read: what came until now is accounted for below
  context.stdin.destroy()
  const perSecond = rate()
  await printOutcomes(settleRest(source, tally, fault), output)
  await printSummary(tally, source, scope, perSecond, output)
  if (fault !== undefined) output.fail(fault)
  if (interruption.exitCode !== undefined) return interruption.exitCode
  if (fault !== undefined) return exitCodeOf(fault)
  const isAll = tally.counts.accepted === tally.settled && source.refusedLines === 0
  return isAll ? EXIT.done : EXIT.notAll
}

/** The notifications of a request, and what was seen while they were read. */
class Source {
  /** Undefined for a stream. */
  readonly total: number | undefined
  given = 0
  refusedLines = 0
  /** The array that was given last. */
  last: readonly Notification[] = []
  readonly #request: SendRequest
  readonly #context: Context

  constructor(request: SendRequest, context: Context) {
    this.#request = request
    this.#context = context
    this.total = request.tokens === 'stdin' ? undefined : request.tokens.length
  }

  async *batches(): AsyncGenerator<readonly Notification[], void, undefined> {
    const { content, tokens } = this.#request
    if (tokens === 'stdin') {
      for await (const batch of readTokenLines(this.#context.stdin, (fault) => this.#refuse(fault))) {
        yield this.#give(batch, content)
      }
    } else {
      yield this.#give(tokens, content)
    }
  }

  #give(tokens: readonly string[], content: Content): readonly Notification[] {
    this.given += tokens.length
    this.last = tokens.map((token) => ({ token, content }))
    return this.last
  }

  #refuse(fault: Parameters<Output['fault']>[0]): void {
    this.refusedLines++
    if (this.refusedLines <= MAX_FAULTS_SHOWN) this.#context.output.fault(fault)
    else if (this.refusedLines === MAX_FAULTS_SHOWN + 1)
      this.#context.output.note('Further lines are refused silently.')
  }
}

/** The sender takes no array that comes after a call has ended; its notifications are unsent like the others. */
function settleRest(source: Source, tally: Tally, fault: unknown): readonly Outcome[] {
  if (tally.settled === source.given) return []
  const isUnreachable = fault !== undefined && exitCodeOf(fault) === EXIT.unreachable
  const reason = fault === undefined ? 'Aborted' : isUnreachable ? 'Unreachable' : 'Stopped'
  const outcomes = source.last.map((notification) => ({ notification, kind: 'unsent', reason, attempts: 0 }) as const)
  tally.add(outcomes)
  return outcomes
}

/** With --json each notification that was not accepted, with the whole token: what is needed to send it again. */
async function printOutcomes(outcomes: readonly Outcome[], output: Output): Promise<void> {
  if (!output.json) return
  const lines = outcomes.flatMap(({ kind, notification, reason, status, attempts }) =>
    kind === 'accepted'
      ? []
      : [{ token: notification.token, outcome: kind, reason, status, attempts, remedy: remedyOf(reason, status) }],
  )
  await output.printJson(...lines)
}

async function printSummary(
  tally: Tally,
  { refusedLines, total }: Source,
  { app, environment }: Scope,
  perSecond: number,
  output: Output,
): Promise<void> {
  const planned = tally.settled
  if (planned === 0 && refusedLines === 0) output.note('No device tokens came: nothing was sent.')
  if (output.json) {
    const counts = { planned, ...tally.counts }
    const lines = total === undefined ? { refusedLines } : {}
    await output.printJson({ app: app.topic, environment, counts, reasons: tally.allReasons, ...lines, perSecond })
    return
  }
  const refused =
    refusedLines > 0 ? [['  refused lines', formatCount(refusedLines), 'no device tokens; see above']] : []
  await output.print(
    `${formatCount(planned, 'notification')}  ${app.topic}  ${environment}  ${formatCount(perSecond)}/s`,
    ...alignColumns([...tally.rows(), ...refused]),
  )
}

function remedyOf(reason: Reason | undefined, status: number | undefined): string | undefined {
  if (status !== undefined && isErrorStatus(status)) return ERROR_STATUSES[status].remedy
  if (reason !== undefined && isOwnReason(reason)) return OWN_REASONS[reason].remedy
  return Object.values(ERROR_STATUSES).find(({ name }) => name === reason)?.remedy
}

function isOwnReason(reason: Reason): reason is OwnReason {
  return Object.hasOwn(OWN_REASONS, reason)
}

/** Connections go to the log; trouble is told to people too, once for each kind, for a send goes on trying for a while. */
function eventLog({ config, app, environment }: Scope, { output }: Context): (event: SenderEvent) => void {
  const logger = createLogger({ ...config.log, isTerminal: output.stderrIsTerminal })
  let told: string | undefined
  return (event) => {
    logger.debug({ app: app.topic, environment, ...event }, event.kind)
    if (event.kind !== 'disconnected' || event.error === undefined || event.error.message === told) return
    told = event.error.message
    output.note(`${told}. Trying on.`)
  }
}
