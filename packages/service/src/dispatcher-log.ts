import type { DispatcherEvent } from '@lhspn/dispatcher'

import type { Logger } from './logger.ts'

/** Logs what happens in a dispatcher: a line for each chunk, and one for each notification that was not accepted. */
export function logDispatcher(log: Logger, event: DispatcherEvent): void {
  const { kind: _, ...fields } = event
  switch (event.kind) {
    case 'chunk':
      log.info({ ...fields, ms: Math.round(event.ms) }, `chunk: ${event.end}`)
      break
    case 'not-accepted': {
      const { id: notification, push, app, environment, token, outcome, reason } = event
      log.warn({ push, app, environment, notification, token, outcome, reason }, 'notification: not accepted')
      break
    }
    case 'more-not-accepted':
      log.warn(fields, 'notification: more were not accepted')
      break
    case 'removed': {
      const { push, app, environment, tokens } = event
      log.info({ push, app, environment, count: tokens.length }, 'devices: removed')
      break
    }
    case 'paused': {
      const { error, push, app, environment, because, reason } = event
      const cause = { ...(reason !== undefined && { reason }), ...(error !== undefined && { err: error }) }
      log.warn({ push, app, environment, because, ...cause }, 'push: paused')
      break
    }
    case 'completed':
      log.info(fields, 'push: completed')
      break
    case 'held': {
      const { app, environment, ms, error } = event
      log.warn({ app, environment, ms: Math.round(ms), err: error }, 'nothing was reached: tried again in a while')
      break
    }
    case 'error':
      log.error({ err: event.error }, `dispatcher: ${event.what} failed, and is tried again`)
      break
    default:
      throw new TypeError(`no such event: ${JSON.stringify(event satisfies never)}`)
  }
}
