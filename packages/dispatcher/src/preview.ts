import {
  type Fault,
  type Interface,
  MAX_BADGE_DIGITS,
  type Payload,
  renderPayload,
  shortenDeviceToken,
  topicOf,
} from '@lhspn/apns-protocol'
import type { DeviceStore } from '@lhspn/device-store'

import { checkPush } from './parse-push.ts'
import { contentAt, type PushRequest } from './push.ts'
import { checkAudience, countAudience } from './submit.ts'

/** What would be sent, and to whom. */
export interface Preview {
  /** null for a stream: it is counted as it flows. */
  readonly count: number | null
  /** Of the payload as JSON; with a badge of its own for each device, at most so many. */
  readonly payloadBytes: number
  /** What goes beside the payload, by the names of Apple's headers. */
  readonly headers: Readonly<Record<string, string>>
  readonly payload: Payload
  /** Up to five shortened tokens. */
  readonly sample: readonly string[]
  readonly warnings: readonly Fault[]
}

const SAMPLE = 5

/** @throws DispatcherError `audience-too-large`, as sending would; DatabaseError */
export async function preview(
  store: DeviceStore,
  request: PushRequest,
  over: Interface,
  now: number,
): Promise<Preview> {
  const count = await countAudience(store, request)
  checkAudience(request, count)
  const { pushType, priority, payload, badge } = request
  const { plain, beforeBadge, afterBadge } = renderPayload(payload)
  const { expiration = 0, collapseId } = contentAt(request, now)
  const digits = badge === 'increment' ? MAX_BADGE_DIGITS : String(badge).length
  return {
    count: count ?? null,
    payloadBytes: badge === null ? plain.length : beforeBadge.length + digits + afterBadge.length,
    headers: {
      ...(over === 'provider-api' && { 'apns-topic': topicOf(request.app, pushType) }),
      'apns-push-type': pushType,
      'apns-priority': String(priority),
      'apns-expiration': String(expiration),
      ...(collapseId !== undefined && { 'apns-collapse-id': collapseId }),
    },
    payload,
    sample: await sampleOf(store, request),
    warnings: checkPush(request, over, now).warnings,
  }
}

async function sampleOf(store: DeviceStore, { app, environment, audience }: PushRequest): Promise<readonly string[]> {
  if ('stream' in audience) return []
  if ('tokens' in audience) return audience.tokens.slice(0, SAMPLE).map(shortenDeviceToken)
  const filter = 'filter' in audience ? audience.filter : undefined
  for await (const page of store.findTokens({ app, environment, filter }))
    return page.slice(0, SAMPLE).map(({ token }) => shortenDeviceToken(token))
  return []
}
