import { toPushBody } from '@lhspn/api'

import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-code.ts'
import { configOf } from '../installation.ts'
import { withService } from '../opened-service.ts'
import { progressOf, stateOf } from './summary.ts'

/** Pauses, resumes or cancels a push. @throws DispatcherError `unknown-push`, `state-conflict`; DatabaseError */
export function changePush(id: string, change: 'pause' | 'resume' | 'cancel', context: Context): Promise<ExitCode> {
  return withService(configOf(context), context, async ({ dispatcher }) => {
    const { output } = context
    const push = await dispatcher[change](id)
    await (output.json
      ? output.printJson(toPushBody(push))
      : output.print(`${push.id}  ${stateOf(push)}  ${progressOf(push)}`))
    if (change === 'resume') output.note('A running `lhspn serve` or `lhspn work` delivers it.')
    return EXIT.done
  })
}
