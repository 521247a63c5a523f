import type { Audience } from '@lhspn/device-store'
import type { TokenStream } from '@lhspn/dispatcher'

import type { Context } from '../context.ts'
import type { InputFault } from '../errors.ts'
import type { SendRequest } from './request.ts'
import { readTokenLines } from './token-lines.ts'

/** Lines of stdin that were refused are told one by one up to here; beyond, only their count. */
const MAX_FAULTS_SHOWN = 100

/** Whom a request is for, and what was seen of the tokens that were typed or piped in. */
export class Source {
  /** Tokens that were given to the dispatcher; 0 where the devices come out of the registry. */
  given = 0
  refusedLines = 0
  /** The array that was given last. */
  #last: readonly string[] = []
  readonly #request: SendRequest
  readonly #context: Context

  constructor(request: SendRequest, context: Context) {
    this.#request = request
    this.#context = context
  }

  get isStream(): boolean {
    return 'stdin' in this.#request.recipients
  }

  /** Whether the devices come out of the registry. */
  get isAudience(): boolean {
    return 'all' in this.#request.recipients || 'filter' in this.#request.recipients
  }

  /** Tokens are streamed always, so that it is known which were given. */
  audience(): Audience | TokenStream {
    const { recipients } = this.#request
    if ('stdin' in recipients) return { stream: this.#lines() }
    return 'tokens' in recipients ? { stream: this.#typed(recipients.tokens) } : recipients
  }

  /** The tokens behind the first `settled` that were given: nothing was sent to them. */
  rest(settled: number): readonly string[] {
    return settled < this.given ? this.#last.slice(settled - this.given) : []
  }

  async *#typed(tokens: readonly string[]): AsyncGenerator<readonly string[], void, undefined> {
    yield this.#give(tokens)
  }

  async *#lines(): AsyncGenerator<readonly string[], void, undefined> {
    for await (const batch of readTokenLines(this.#context.stdin, (fault) => this.#refuse(fault))) {
      yield this.#give(batch)
    }
  }

  #give(tokens: readonly string[]): readonly string[] {
    this.given += tokens.length
    this.#last = tokens
    return tokens
  }

  #refuse(fault: InputFault): void {
    const { output } = this.#context
    this.refusedLines++
    if (this.refusedLines <= MAX_FAULTS_SHOWN) output.fault(fault)
    else if (this.refusedLines === MAX_FAULTS_SHOWN + 1) output.note('Further lines are refused silently.')
  }
}
