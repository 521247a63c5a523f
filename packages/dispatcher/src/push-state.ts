/** Where a push stands, and which state follows which. Pure: the statements only write down what is decided here. */

/**
 * `scheduled`: its time has not come. `queued`: it may begin; nobody has taken it yet, or its audience must be counted
 * whole first. `running`: its chunks are delivered. `paused`: stands still until somebody resumes it. The last two are
 * ends.
 */
export const PUSH_STATES = ['scheduled', 'queued', 'running', 'paused', 'completed', 'canceled'] as const
export type PushState = (typeof PUSH_STATES)[number]

/**
 * `operator`: somebody asked. `credentials`, `content`: Apple refused them, so all others would fare the same.
 * `environment-mismatch`: too many tokens are not of this environment. `audience-too-large`: more devices than
 * `maxAudience` when the push began. `fault`: five leases of a chunk ran out without progress.
 */
export const PAUSE_CAUSES = [
  'operator',
  'credentials',
  'content',
  'environment-mismatch',
  'audience-too-large',
  'fault',
] as const
export type PausedBecause = (typeof PAUSE_CAUSES)[number]

/** States that a pause interrupts, and that resuming leads back to. */
export type ActiveState = 'scheduled' | 'queued' | 'running'

export type Standing =
  | { readonly state: Exclude<PushState, 'paused'>; readonly pausedBecause: null; readonly pausedFrom: null }
  | { readonly state: 'paused'; readonly pausedBecause: PausedBecause; readonly pausedFrom: ActiveState }

/** What may happen to a push. */
export type PushEvent =
  /** Its time came. */
  | { readonly kind: 'due' }
  /** A dispatcher took it up. */
  | { readonly kind: 'start' }
  /** It is planned, and no chunk is open. */
  | { readonly kind: 'complete' }
  | { readonly kind: 'pause'; readonly because: PausedBecause }
  | { readonly kind: 'resume' }
  | { readonly kind: 'cancel' }

/**
 * Where a push stands after `event`: the same object if it changes nothing (pausing what is paused keeps the first
 * cause), undefined if such a push cannot meet it.
 */
export function follow(standing: Standing, event: PushEvent): Standing | undefined {
  switch (event.kind) {
    case 'due':
      return standing.state === 'scheduled' ? at('queued') : undefined
    case 'start':
      return standing.state === 'queued' ? at('running') : undefined
    case 'complete':
      return standing.state === 'running' ? at('completed') : undefined
    case 'pause':
      if (standing.state === 'paused') return standing
      return isActive(standing.state)
        ? { state: 'paused', pausedBecause: event.because, pausedFrom: standing.state }
        : undefined
    case 'resume':
      if (standing.state === 'paused') return at(standing.pausedFrom)
      return standing.state === 'queued' || standing.state === 'running' ? standing : undefined
    case 'cancel':
      if (standing.state === 'canceled') return standing
      return standing.state === 'completed' ? undefined : at('canceled')
    default:
      throw new TypeError(`no such event: ${JSON.stringify(event satisfies never)}`)
  }
}

/** Whether nothing can happen to it any more, but for checkpoints of chunks that were in flight. */
export function isEnd(state: PushState): state is 'completed' | 'canceled' {
  return state === 'completed' || state === 'canceled'
}

/** A push that has not been paused. */
export function at(state: Exclude<PushState, 'paused'>): Standing {
  return { state, pausedBecause: null, pausedFrom: null }
}

function isActive(state: PushState): state is ActiveState {
  return state === 'scheduled' || state === 'queued' || state === 'running'
}
