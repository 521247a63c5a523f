import type { Payload, Priority, PushType } from '@lhspn/apns-protocol'
import type { Filter } from '@lhspn/device-store'

import { PAUSE_CAUSES, type ActiveState, PUSH_STATES, type PushState, type Standing } from './push-state.ts'
import type { Counts, Environment, PushRequest, StoredAudience, StoredPush } from './push.ts'

/** A row of the table `push` (0001-pushes.ts tells the columns), but for those of planning, turns and kept sums. */
export interface PushRow {
  readonly number: number
  readonly id: string
  readonly app: string
  readonly environment: number
  readonly state: number
  readonly paused_from: number | null
  readonly paused_because: number | null
  readonly push_type: string
  readonly priority: number
  readonly collapse_id: string | null
  readonly expires_after: number | null
  readonly expires_at: number | null
  readonly badge: number | null
  readonly resend: number
  readonly send_at: number | null
  readonly rate: number | null
  readonly max_audience: number | null
  readonly planning: number
  readonly created_at: number
  readonly started_at: number | null
  readonly ended_at: number | null
  readonly audience: string
  readonly payload: string
}

export const PUSH_COLUMNS: readonly (keyof PushRow)[] = [
  'number',
  'id',
  'app',
  'environment',
  'state',
  'paused_from',
  'paused_because',
  'push_type',
  'priority',
  'collapse_id',
  'expires_after',
  'expires_at',
  'badge',
  'resend',
  'send_at',
  'rate',
  'max_audience',
  'planning',
  'created_at',
  'started_at',
  'ended_at',
  'audience',
  'payload',
]

const ENVIRONMENTS = ['production', 'sandbox'] as const satisfies readonly Environment[]
const COUNTED_UP = -1

/** What the column `audience` holds: of tokens only that they are some, since chunks have them. */
type KeptAudience = Exclude<StoredAudience, { readonly tokens: number }> | { readonly tokens: true }

function environmentNumber(environment: Environment): number {
  return ENVIRONMENTS.indexOf(environment)
}

export function environmentOf(number: number): Environment {
  return ENVIRONMENTS[number] as Environment
}

export function stateNumber(state: PushState): number {
  return PUSH_STATES.indexOf(state)
}

/** The columns of a push that was asked for; `number` is given by the database. */
export function rowOf(
  request: PushRequest,
  made: { readonly id: string; readonly now: number; readonly planning: boolean },
): Omit<PushRow, 'number'> {
  const { expiration, badge } = request
  return {
    id: made.id,
    app: request.app,
    environment: environmentNumber(request.environment),
    state: stateNumber(request.sendAt === null ? 'queued' : 'scheduled'),
    paused_from: null,
    paused_because: null,
    push_type: request.pushType,
    priority: request.priority,
    collapse_id: request.collapseId,
    expires_after: 'afterMs' in expiration ? expiration.afterMs : null,
    expires_at: 'at' in expiration ? expiration.at : null,
    badge: badge === 'increment' ? COUNTED_UP : badge,
    resend: request.onUnconfirmed === 'resend' ? 1 : 0,
    send_at: request.sendAt,
    rate: request.rate,
    max_audience: request.maxAudience,
    planning: made.planning ? 1 : 0,
    created_at: made.now,
    started_at: null,
    ended_at: null,
    audience: JSON.stringify(keptAudience(request)),
    payload: JSON.stringify(request.payload),
  }
}

export function standingOf(row: Pick<PushRow, 'state' | 'paused_from' | 'paused_because'>): Standing {
  const state = PUSH_STATES[row.state] as PushState
  if (state !== 'paused') return { state, pausedBecause: null, pausedFrom: null }
  return {
    state,
    pausedBecause: PAUSE_CAUSES[row.paused_because as number] as Extract<
      Standing,
      { state: 'paused' }
    >['pausedBecause'],
    pausedFrom: PUSH_STATES[row.paused_from as number] as ActiveState,
  }
}

export function badgeOf({ badge }: Pick<PushRow, 'badge'>): number | 'increment' | null {
  return badge === COUNTED_UP ? 'increment' : badge
}

/** What the planner reads; undefined where the members came with the push, as tokens. */
export function searchOf(row: Pick<PushRow, 'audience'>): { readonly filter: Filter | undefined } | undefined {
  const audience = JSON.parse(row.audience) as KeptAudience
  if ('tokens' in audience) return undefined
  return { filter: 'filter' in audience ? audience.filter : undefined }
}

export function toStoredPush(row: PushRow, counts: Counts, reasons: StoredPush['reasons']): StoredPush {
  const { state, pausedBecause } = standingOf(row)
  const { expires_at: expiresAt, expires_after: expiresAfter } = row
  const audience = JSON.parse(row.audience) as KeptAudience
  const expiry = expiresAt ?? (row.send_at ?? row.created_at) + (expiresAfter ?? 0)
  return {
    id: row.id,
    number: row.number,
    app: row.app,
    environment: environmentOf(row.environment),
    audience: 'tokens' in audience ? { tokens: counts.planned } : audience,
    payload: JSON.parse(row.payload) as Payload,
    pushType: row.push_type as PushType,
    priority: row.priority as Priority,
    expiration: expiry === 0 ? 0 : new Date(expiry),
    collapseId: row.collapse_id,
    badge: badgeOf(row),
    sendAt: dateOf(row.send_at),
    rate: row.rate,
    maxAudience: row.max_audience,
    onUnconfirmed: row.resend === 1 ? 'resend' : 'report',
    state,
    pausedBecause,
    planning: row.planning === 1,
    counts,
    reasons,
    createdAt: new Date(row.created_at),
    startedAt: dateOf(row.started_at),
    completedAt: state === 'completed' ? dateOf(row.ended_at) : null,
  }
}

function keptAudience({ audience }: PushRequest): KeptAudience {
  return 'all' in audience || 'filter' in audience ? audience : { tokens: true }
}

function dateOf(time: number | null): Date | null {
  return time === null ? null : new Date(time)
}
