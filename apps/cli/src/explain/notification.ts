import { toRecordBody } from '@lhspn/api'
import type { NotificationRecord } from '@lhspn/dispatcher'

import type { Context } from '../context.ts'
import { CommandError } from '../errors.ts'
import { EXIT, type ExitCode } from '../exit-code.ts'
import { configOf } from '../installation.ts'
import { withService } from '../opened-service.ts'
import { alignColumns } from '../output.ts'

/** Whether a text is the id of a notification, or of a request to Apple at all. */
export function isNotificationId(text: string): boolean {
  return /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(text)
}

/** Tells what became of a notification, and what to do. @throws CommandError `not-found`; DatabaseError */
export function explainNotification(id: string, context: Context): Promise<ExitCode> {
  return withService(configOf(context), context, async ({ dispatcher }) => {
    const { output } = context
    const record = await dispatcher.notification(id)
    if (record === undefined)
      throw new CommandError(
        'not-found',
        `No notification with the id ${id} is known, or it is not kept any more`,
        'Look it up in its push: lhspn pushes notifications ID.',
      )
    await (output.json
      ? output.printJson(toRecordBody(record))
      : output.print(record.id, ...alignColumns(rowsOf(record))))
    return EXIT.done
  })
}

function rowsOf({ push, token, outcome, reason, since, remedy }: NotificationRecord): string[][] {
  const became = outcome === null ? 'not settled yet' : reason === undefined ? outcome : `${outcome}: ${reason}`
  return [
    ['  push', push],
    ['  token', token],
    ['  what became of it', became],
    ...(since === undefined ? [] : [['  device removed', since.toISOString()]]),
    ...(remedy === undefined ? [] : [['  what to do', remedy]]),
  ]
}
