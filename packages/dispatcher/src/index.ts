export { type BullMqQueueOptions, openBullMqQueue } from './chunk-queue/bullmq.ts'
export type { ChunkQueue } from './chunk-queue/chunk-queue.ts'
export type { PushChanges } from './commands.ts'
export { Dispatcher, type DispatcherOptions, type FeedbackCount, type Submitted } from './dispatcher.ts'
export { DispatcherError, type DispatcherErrorCode } from './errors.ts'
export type { DispatcherEvent, PauseCause } from './events.ts'
export { MIGRATIONS as DISPATCHER_MIGRATIONS, OWNER as DISPATCHER_OWNER } from './migrations/index.ts'
export { kindOfReason, SETTLED_KINDS, type SettledKind } from './outcome-code.ts'
export { checkPush, MAX_RATE, parsePushRequest, type ParsePushOptions } from './parse-push.ts'
export type { Preview } from './preview.ts'
export { PAUSE_CAUSES, type PausedBecause, PUSH_STATES, type PushState } from './push-state.ts'
export {
  contentAt,
  type Counts,
  type Environment,
  type PushRequest,
  type StoredAudience,
  type StoredPush,
  type TokenStream,
} from './push.ts'
export { type NotificationRecord, type RecordsOptions, remedyOf, UNWRITTEN_REASONS } from './records.ts'
export type { ListOptions, Page } from './report.ts'
export { IDEMPOTENCY_KEY, type SubmitOptions } from './submit.ts'
