export { Dispatcher, type DeliverOptions, type DispatcherOptions, type FeedbackCount } from './dispatcher.ts'
export { DispatcherError, type DispatcherErrorCode } from './errors.ts'
export type { Environment, Push, TokenStream } from './push.ts'
