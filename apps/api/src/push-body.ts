import { z } from '@hono/zod-openapi'
import { MAX_BADGE, MAX_TOKEN_BYTES, PUSH_TYPES } from '@lhspn/apns-protocol'
import { MAX_AUDIENCE_TOKENS } from '@lhspn/device-store'
import {
  MAX_RATE,
  type NotificationRecord,
  PAUSE_CAUSES,
  PUSH_STATES,
  SETTLED_KINDS,
  type StoredPush,
} from '@lhspn/dispatcher'
import { ENVIRONMENTS } from '@lhspn/service'

import type { Columns } from './list.ts'
import { deviceToken, environment, time, topic } from './schemas.ts'

const PUSH_TYPE_NAMES = Object.keys(PUSH_TYPES)
const PRIORITIES = [10, 5, 1]

const text = (description: string, example: string) => ({ type: 'string' as const, description, example })
const PAYLOAD = {
  type: 'object' as const,
  description: "Apple's JSON: `aps`, and whatever the app is to get.",
  properties: {
    aps: {
      type: 'object' as const,
      properties: {
        alert: { type: ['string' as const, 'object' as const] },
        sound: { type: ['string' as const, 'object' as const] },
        category: { type: 'string' as const },
        'thread-id': { type: 'string' as const },
      },
      additionalProperties: true,
    },
  },
  required: ['aps'],
  additionalProperties: true,
}
const EXPIRATION = 'A duration from the beginning such as `24h` (the default), `0`: now or never; or a time (RFC 3339).'

/** What the document says of a push; its judge is the dispatcher's own parser, which names every fault. */
export const newPushSchema = z
  .custom<Readonly<Record<string, unknown>>>(isObject, 'Must be an object.')
  .openapi('NewPush', {
    type: 'object',
    properties: {
      app: { type: 'string', description: 'May be left out where only one can be meant.', example: 'com.example.app' },
      environment: { type: 'string', enum: [...ENVIRONMENTS], default: 'production' },
      audience: {
        anyOf: [
          {
            type: 'object',
            description: 'These device tokens, registered or not.',
            properties: {
              tokens: {
                type: 'array',
                items: { type: 'string', pattern: `^([0-9A-Fa-f]{2}){1,${MAX_TOKEN_BYTES}}$` },
                minItems: 1,
                maxItems: MAX_AUDIENCE_TOKENS,
              },
            },
            required: ['tokens'],
            additionalProperties: false,
          },
          {
            type: 'object',
            description: 'Every device of the app and environment.',
            properties: { all: { type: 'boolean', enum: [true] } },
            required: ['all'],
            additionalProperties: false,
          },
          {
            type: 'object',
            description: 'Those whose attributes match.',
            properties: { filter: { $ref: '#/components/schemas/Filter' } },
            required: ['filter'],
            additionalProperties: false,
          },
        ],
      },
      payload: PAYLOAD,
      pushType: { type: 'string', enum: PUSH_TYPE_NAMES, default: 'alert' },
      priority: { type: 'integer', enum: PRIORITIES, description: 'Default 10; 5 for push type background.' },
      expiration: { anyOf: [text(EXPIRATION, '24h'), { type: 'integer', enum: [0] }] },
      collapseId: { type: ['string', 'null'], description: 'Up to 64 bytes: a later one replaces what is shown.' },
      badge: {
        description: '`increment` counts the badge of each device up by one and sends it.',
        anyOf: [
          { type: 'integer', minimum: 0, maximum: MAX_BADGE },
          { type: 'string', enum: ['increment'] },
          { type: 'null' },
        ],
      },
      sendAt: { type: ['string', 'null'], format: 'date-time', description: 'When it begins; at once where absent.' },
      rate: {
        type: ['integer', 'null'],
        minimum: 1,
        maximum: MAX_RATE,
        description: 'Notifications a second, at most.',
      },
      maxAudience: { type: ['integer', 'null'], minimum: 1, description: 'With more devices nothing is sent.' },
      onUnconfirmed: {
        type: 'string',
        enum: ['report', 'resend'],
        default: 'report',
        description: 'What happens to a notification that APNs may or may not have taken: `resend` may send it twice.',
      },
    },
    required: ['audience', 'payload'],
    additionalProperties: false,
  })

const count = z.int().min(0)

/** A push as it is answered. */
export const pushSchema = z
  .object({
    id: z.string().openapi({ example: 'psh_01KAX3Q9V6R7W8X9Y0Z1A2B3C4' }),
    app: topic,
    environment,
    state: z.enum(PUSH_STATES),
    pausedBecause: z.enum(PAUSE_CAUSES).nullable(),
    planning: z.boolean().openapi({ description: 'Whether its audience is still being read: `planned` grows.' }),
    counts: z
      .object({
        planned: count,
        accepted: count,
        rejected: count,
        unregistered: count,
        unconfirmed: count,
        remaining: count,
      })
      .openapi({ description: '`planned` is always the sum of the others.' }),
    reasons: z.record(z.string(), count),
    audience: z.unknown().openapi({
      anyOf: [
        { type: 'object', properties: { tokens: { type: 'integer', description: 'How many.' } }, required: ['tokens'] },
        { type: 'object', properties: { all: { type: 'boolean', enum: [true] } }, required: ['all'] },
        { type: 'object', properties: { filter: { $ref: '#/components/schemas/Filter' } }, required: ['filter'] },
      ],
    }),
    payload: z.unknown().openapi(PAYLOAD),
    pushType: z.string().openapi({ enum: PUSH_TYPE_NAMES }),
    priority: z.int().openapi({ enum: PRIORITIES }),
    expiration: z.union([time, z.literal(0)]),
    collapseId: z.string().nullable(),
    badge: z.union([z.int(), z.literal('increment')]).nullable(),
    sendAt: time.nullable(),
    rate: z.int().nullable(),
    maxAudience: z.int().nullable(),
    onUnconfirmed: z.enum(['report', 'resend']),
    createdAt: time,
    startedAt: time.nullable(),
    completedAt: time.nullable().openapi({ description: 'null for one that was canceled, too.' }),
  })
  .openapi('Push')

/** What is changed of a push: all of it, or nothing. */
export const pushChangesSchema = z
  .strictObject({
    state: z
      .enum(['paused', 'running', 'canceled'])
      .optional()
      .openapi({ description: '`running`: what is paused goes on, without what has paused it.' }),
    rate: z.int().min(1).max(MAX_RATE).nullable().optional().openapi({ description: 'null: as fast as it goes.' }),
  })
  .refine(({ state, rate }) => state !== undefined || rate !== undefined, { error: 'Must have state, rate, or both.' })
  .openapi('PushChanges', { minProperties: 1 })

/** What a push would be, that is not sent. */
export const previewSchema = z
  .object({
    count: z.int(),
    payloadBytes: z.int().openapi({ description: 'With a badge of its own for each device, at most so many.' }),
    headers: z.record(z.string(), z.string()),
    payload: z.unknown().openapi(PAYLOAD),
    sample: z.array(z.string()).openapi({ description: 'Up to five shortened device tokens.' }),
    warnings: z.array(z.object({ pointer: z.string(), detail: z.string() })),
  })
  .openapi('Preview')

/** What became of one notification. */
export const recordSchema = z
  .object({
    id: z.string().openapi({ description: 'Its `apns-id`.' }),
    push: z.string(),
    token: deviceToken,
    outcome: z.enum(SETTLED_KINDS).nullable().openapi({ description: 'null: not settled yet.' }),
    reason: z.string().optional(),
    since: time.optional().openapi({ description: 'When its device was removed.' }),
    remedy: z.string().optional(),
  })
  .openapi('Notification')

/** A push as JSON has it. */
export interface PushBody extends Omit<
  StoredPush,
  'number' | 'expiration' | 'sendAt' | 'createdAt' | 'startedAt' | 'completedAt'
> {
  readonly expiration: string | 0
  readonly sendAt: string | null
  readonly createdAt: string
  readonly startedAt: string | null
  readonly completedAt: string | null
}

/** What the API and the command line answer for a push. */
export function toPushBody(push: StoredPush): PushBody {
  return {
    id: push.id,
    app: push.app,
    environment: push.environment,
    state: push.state,
    pausedBecause: push.pausedBecause,
    planning: push.planning,
    counts: push.counts,
    reasons: push.reasons,
    audience: push.audience,
    payload: push.payload,
    pushType: push.pushType,
    priority: push.priority,
    expiration: push.expiration === 0 ? 0 : push.expiration.toISOString(),
    collapseId: push.collapseId,
    badge: push.badge,
    sendAt: timeOf(push.sendAt),
    rate: push.rate,
    maxAudience: push.maxAudience,
    onUnconfirmed: push.onUnconfirmed,
    createdAt: push.createdAt.toISOString(),
    startedAt: timeOf(push.startedAt),
    completedAt: timeOf(push.completedAt),
  }
}

/** The columns of a list of pushes. */
export const PUSH_COLUMNS: Columns<PushBody> = {
  id: (push) => push.id,
  app: (push) => push.app,
  environment: (push) => push.environment,
  state: (push) => push.state,
  pausedBecause: (push) => push.pausedBecause ?? '',
  planned: ({ counts }) => counts.planned,
  accepted: ({ counts }) => counts.accepted,
  rejected: ({ counts }) => counts.rejected,
  unregistered: ({ counts }) => counts.unregistered,
  unconfirmed: ({ counts }) => counts.unconfirmed,
  remaining: ({ counts }) => counts.remaining,
  createdAt: (push) => push.createdAt,
  startedAt: (push) => push.startedAt ?? '',
  completedAt: (push) => push.completedAt ?? '',
}

/** A record as JSON has it. */
export interface RecordBody extends Omit<NotificationRecord, 'since'> {
  readonly since?: string
}

/** What the API and the command line answer for a notification. */
export function toRecordBody({ id, push, token, outcome, reason, since, remedy }: NotificationRecord): RecordBody {
  return {
    id,
    push,
    token,
    outcome,
    ...(reason !== undefined && { reason }),
    ...(since !== undefined && { since: since.toISOString() }),
    ...(remedy !== undefined && { remedy }),
  }
}

/** The columns of a list of notifications. */
export const RECORD_COLUMNS: Columns<RecordBody> = {
  id: (record) => record.id,
  push: (record) => record.push,
  token: (record) => record.token,
  outcome: (record) => record.outcome ?? '',
  reason: (record) => record.reason ?? '',
  since: (record) => record.since ?? '',
  remedy: (record) => record.remedy ?? '',
}

function timeOf(at: Date | null): string | null {
  return at === null ? null : at.toISOString()
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
