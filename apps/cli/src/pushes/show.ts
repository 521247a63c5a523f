import { toPushBody } from '@lhspn/api'
import type { StoredPush } from '@lhspn/dispatcher'

import type { Context } from '../context.ts'
import { EXIT, type ExitCode } from '../exit-code.ts'
import { configOf } from '../installation.ts'
import { withService } from '../opened-service.ts'
import { alignColumns } from '../output.ts'
import { exitCodeOfPush, followPush, pauseErrorOf, readPush } from './follow.ts'
import { nextOf, stateOf, summaryOf } from './summary.ts'

/**
 * Shows a push as it is, or follows it until it ends or stands still. Nothing of it is delivered here.
 * @throws DispatcherError `unknown-push`; DatabaseError
 */
export function showPush(id: string, follows: boolean, context: Context): Promise<ExitCode> {
  return withService(configOf(context), context, async ({ dispatcher }, interruption) => {
    const { output } = context
    const isStream = follows && output.json
    const onChange = isStream ? (push: StoredPush) => output.printJson(toPushBody(push)) : undefined
    if (follows) await followPush(dispatcher, id, output, interruption.signal, onChange)
    const push = await readPush(dispatcher, id)
    if (output.json) {
      if (!isStream) await output.printJson(toPushBody(push))
    } else {
      await output.print(...summaryOf(push), ...alignColumns(detailsOf(push)))
      const next = nextOf(push)
      if (next !== undefined) output.note(next)
    }
    if (!follows) return EXIT.done
    if (interruption.exitCode !== undefined) return interruption.exitCode
    const error = pauseErrorOf(push)
    if (error !== undefined) output.fail(error)
    return exitCodeOfPush(push)
  })
}

function detailsOf(push: StoredPush): string[][] {
  const { audience, payload, pushType, priority, expiration, collapseId, badge, rate, maxAudience } = push
  const rows: readonly (readonly [string, string | undefined])[] = [
    ['state', stateOf(push)],
    ['audience', audienceOf(audience)],
    ['payload', JSON.stringify(payload)],
    ['badge', badge === 'increment' ? "each device's own, counted up by one" : badge?.toString()],
    ['push type', pushType],
    ['priority', String(priority)],
    ['expiration', expiration === 0 ? '0 (now or never)' : expiration.toISOString()],
    ['collapse id', collapseId ?? undefined],
    ['rate', rate === null ? undefined : `${rate}/s at most`],
    ['max audience', maxAudience?.toString()],
    ['created', push.createdAt.toISOString()],
    ['started', push.startedAt?.toISOString()],
    ['completed', push.completedAt?.toISOString()],
  ]
  return rows.flatMap(([name, value]) => (value === undefined ? [] : [[`  ${name}`, value]]))
}

function audienceOf(audience: StoredPush['audience']): string {
  if ('all' in audience) return 'all devices'
  return 'filter' in audience ? JSON.stringify(audience.filter) : 'device tokens'
}
