import type { Content, Payload, Priority, PushType } from '@lhspn/apns-protocol'
import type { Session } from '@lhspn/database'

import { badgeOf, environmentOf, PUSH_COLUMNS, type PushRow } from './push-row.ts'
import { contentOf, type Environment } from './push.ts'

/** What delivering needs of a push; none of it changes once the push has begun. */
export interface ActivePush {
  readonly number: number
  readonly id: string
  readonly app: string
  readonly environment: Environment
  /** One object for all chunks that this process delivers: it is rendered once. */
  readonly content: Content
  readonly badge: number | 'increment' | null
  readonly onUnconfirmed: 'report' | 'resend'
}

/** Reads a push that has begun; undefined if there is none of this number. */
export async function readActivePush(session: Session, number: number): Promise<ActivePush | undefined> {
  const [row] = await session.query<PushRow>(`SELECT ${PUSH_COLUMNS.join(', ')} FROM push WHERE number = ?`, [number])
  if (row === undefined) return undefined
  const content = {
    payload: JSON.parse(row.payload) as Payload,
    pushType: row.push_type as PushType,
    priority: row.priority as Priority,
    collapseId: row.collapse_id,
  }
  return {
    number,
    id: row.id,
    app: row.app,
    environment: environmentOf(row.environment),
    content: contentOf(content, row.expires_at ?? 0),
    badge: badgeOf(row),
    onUnconfirmed: row.resend === 1 ? 'resend' : 'report',
  }
}
