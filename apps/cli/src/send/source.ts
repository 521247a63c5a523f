import type { Audience } from '@lhspn/device-store'
import type { TokenStream } from '@lhspn/dispatcher'

import type { Context } from '../context.ts'
import type { InputFault } from '../errors.ts'
import type { SendRequest } from './request.ts'
import { readTokenLines } from './token-lines.ts'

/** Lines of stdin that were refused are told one by one up to here; beyond, only their count. */
const MAX_FAULTS_SHOWN = 100

/** Whom a request is for, and what was seen of the tokens that were piped in. */
export class Source {
  refusedLines = 0
  readonly #request: SendRequest
  readonly #context: Context

  constructor(request: SendRequest, context: Context) {
    this.#request = request
    this.#context = context
  }

  get isStream(): boolean {
    return 'stdin' in this.#request.recipients
  }

  audience(): Audience | TokenStream {
    const { recipients } = this.#request
    if (!('stdin' in recipients)) return recipients
    return { stream: readTokenLines(this.#context.stdin, (fault) => this.#refuse(fault)) }
  }

  #refuse(fault: InputFault): void {
    const { output } = this.#context
    this.refusedLines++
    if (this.refusedLines <= MAX_FAULTS_SHOWN) output.fault(fault)
    else if (this.refusedLines === MAX_FAULTS_SHOWN + 1) output.note('Further lines are refused silently.')
  }
}
