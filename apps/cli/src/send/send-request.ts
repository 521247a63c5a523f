import { toPushBody } from '@lhspn/api'
import type { DispatcherEvent, PauseCause, PushRequest, StoredPush, Submitted } from '@lhspn/dispatcher'
import { sendingInterface, type Service } from '@lhspn/service'

import { confirmCount, mayAsk } from '../confirmation.ts'
import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-code.ts'
import type { Scope } from '../installation.ts'
import type { Interruption } from '../interruption.ts'
import { withService } from '../opened-service.ts'
import { formatCount } from '../output.ts'
import { exitCodeOfPush, followPush, pauseErrorOf, readPush } from '../pushes/follow.ts'
import { nextOf, summaryOf } from '../pushes/summary.ts'
import type { SendRequest } from './request.ts'
import { Source } from './source.ts'

/** Audiences up to here go out without a question, but for `--all`. */
const UNASKED = 1000

/**
 * Stores a push, delivers it here and beside whoever else delivers, and follows it to its end. A signal ends only the
 * following: what is in flight settles, and the rest stays stored for `serve` or `work`. With `detach` it is stored and
 * nothing more.
 * @throws CommandError of the request's refusal, where it was not stored before; DispatcherError `audience-too-large`, `idempotency-mismatch`; ServiceError, SenderError `invalid-credentials`;
 *   DatabaseError; what reading a stream of tokens throws
 */
export function sendRequest(request: SendRequest, scope: Scope, context: Context): Promise<ExitCode> {
  const pauses = new Map<string, PauseCause>()
  const onEvent = (event: DispatcherEvent): void => {
    if (event.kind === 'paused') pauses.set(event.push, event)
  }
  return withService(
    scope.config,
    context,
    (service, interruption) => new Sending(request, scope, context, service, interruption, pauses).run(),
    { onEvent },
  )
}

class Sending {
  readonly #request: SendRequest
  readonly #scope: Scope
  readonly #context: Context
  readonly #service: Service
  readonly #interruption: Interruption
  readonly #source: Source
  readonly #push: PushRequest
  /** What paused which push in this process. */
  readonly #pauses: ReadonlyMap<string, PauseCause>

  constructor(
    request: SendRequest,
    scope: Scope,
    context: Context,
    service: Service,
    interruption: Interruption,
    pauses: ReadonlyMap<string, PauseCause>,
  ) {
    this.#request = request
    this.#scope = scope
    this.#context = context
    this.#service = service
    this.#interruption = interruption
    this.#source = new Source(request, context)
    this.#push = { ...request.push, audience: this.#source.audience() }
    this.#pauses = pauses
  }

  async run(): Promise<ExitCode> {
    const { output, stdin } = this.#context
    const { detach } = this.#request
    const submitted = (await this.#storedBefore()) ?? (await this.#submit())
    if (submitted === undefined) return this.#interruption.exitCode ?? EXIT.done
    const { push, replayed, streamed } = submitted
    if (replayed) output.note(`This was stored before, by the same idempotency key: ${push.id}`)
    const streaming = streamed.then(() => undefined, toFault)
    try {
      const ended = detach ? await this.#leave(push.id, streaming) : await this.#deliver(push, streaming)
      const fault = await streaming
      if (fault !== undefined) throw fault.error
      return this.#interruption.exitCode ?? ended
    } finally {
      // whoever pipes tokens in learns that nobody reads them any more
      stdin.destroy()
    }
  }

  /** By the same idempotency key: it asks nobody again, and nothing refuses it by now. */
  async #storedBefore(): Promise<Submitted | undefined> {
    const { idempotencyKey } = this.#request
    const push = await this.#service.dispatcher.replay(this.#push, { idempotencyKey })
    return push === undefined ? undefined : { push, replayed: true, streamed: Promise.resolve() }
  }

  /** undefined: it was interrupted before. */
  async #submit(): Promise<Submitted | undefined> {
    const { idempotencyKey, refusal } = this.#request
    if (refusal !== undefined) throw refusal
    // what cannot be sent at all is told before anybody is asked anything
    await this.#service.senderFor(this.#push.app, this.#push.environment)
    await this.#confirm()
    if (this.#interruption.exitCode !== undefined) return undefined
    return this.#service.dispatcher.submit(this.#push, { idempotencyKey })
  }

  /** Where it is due, somebody says how many devices there are. */
  async #confirm(): Promise<void> {
    const { recipients } = this.#request
    const { app, environment } = this.#scope
    if ('stdin' in recipients || !mayAsk(this.#context)) return
    const { count } = await this.#service.dispatcher.preview(this.#push, sendingInterface(app, environment))
    if (count === null || count === 0 || !('all' in recipients || count > UNASKED)) return
    const what = `${formatCount(count, 'device')} of ${app.topic}, ${environment}`
    await confirmCount(count, what, this.#context, this.#interruption.signal)
  }

  async #leave(id: string, streaming: Promise<unknown>): Promise<ExitCode> {
    const { output } = this.#context
    const isOver = new Promise((resolve) => this.#interruption.signal.addEventListener('abort', resolve))
    await Promise.race([streaming, isOver])
    await this.#service.drain()
    const push = await readPush(this.#service.dispatcher, id)
    if (output.json) await output.printJson(toPushBody(push))
    else await output.print(push.id)
    output.note('Stored. A running `lhspn serve` or `lhspn work` delivers it.')
    return this.#source.refusedLines === 0 ? EXIT.done : EXIT.notAll
  }

  async #deliver({ id, state, sendAt }: StoredPush, streaming: Promise<unknown>): Promise<ExitCode> {
    const { output } = this.#context
    const { dispatcher } = this.#service
    const { signal } = this.#interruption
    signal.addEventListener('abort', () => {
      output.note('Stopping: what is in flight settles first. Once more ends at once.')
    })
    if (state === 'scheduled' && sendAt !== null)
      output.note(`Due at ${sendAt.toISOString()}. Ctrl-C leaves it to \`lhspn serve\` or \`lhspn work\`.`)
    dispatcher.start()
    await followPush(dispatcher, id, output, signal)
    await this.#service.drain()
    await streaming
    const push = await readPush(dispatcher, id)
    await this.#printSummary(push)
    const error = pauseErrorOf(push, this.#pauses.get(id))
    if (error !== undefined) output.fail(error)
    const exitCode = exitCodeOfPush(push)
    return exitCode === EXIT.done && this.#source.refusedLines > 0 ? EXIT.notAll : exitCode
  }

  async #printSummary(push: StoredPush): Promise<void> {
    const { output } = this.#context
    const { isStream, refusedLines } = this.#source
    if (push.counts.planned === 0 && push.state === 'completed')
      output.note(isStream ? 'No device tokens came: nothing was sent.' : 'No device matches: nothing was sent.')
    if (output.json) await output.printJson(toPushBody(push))
    else await output.print(...summaryOf(push))
    if (refusedLines > 0) output.note(`${formatCount(refusedLines, 'line')} of stdin had no device token; see above.`)
    const next = nextOf(push)
    if (next !== undefined) output.note(next)
    if (this.#interruption.exitCode !== undefined && push.state !== 'completed' && push.state !== 'canceled')
      output.note(`What is left is stored: \`lhspn serve\` or \`lhspn work\` goes on with it.`)
  }
}

function toFault(error: unknown): { readonly error: unknown } {
  return { error }
}
