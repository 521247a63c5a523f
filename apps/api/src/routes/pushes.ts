import { z } from '@hono/zod-openapi'
import type { Interface } from '@lhspn/apns-protocol'
import {
  DispatcherError,
  IDEMPOTENCY_KEY,
  type Page,
  parsePushRequest,
  PUSH_STATES,
  type PushRequest,
  SETTLED_KINDS,
  type StoredPush,
  type SubmitOptions,
} from '@lhspn/dispatcher'
import { type Caller, type Environment, sendingInterface, type Service } from '@lhspn/service'

import { appOf } from '../auth.ts'
import { type Endpoint, endpoint } from '../endpoint.ts'
import { answerEvents } from '../events.ts'
import { answerList } from '../list.ts'
import { ApiError, refuseFaults } from '../problem.ts'
import {
  newPushSchema,
  previewSchema,
  PUSH_COLUMNS,
  type PushBody,
  pushChangesSchema,
  pushSchema,
  RECORD_COLUMNS,
  type RecordBody,
  recordSchema,
  toPushBody,
  toRecordBody,
} from '../push-body.ts'
import { cursor, flag, id, limit, pageOf, topic } from '../schemas.ts'

const JSON_TYPE = 'application/json'
const EVENTS_TYPE = 'text/event-stream'
/** 10,000 device tokens of 100 bytes, and what goes with them. */
const MAX_PUSH_BYTES = 4 * 1_048_576
/** Rows of a page that is one of many of a streamed list. */
const STREAMED = 1000
const AT_APP = { pointer: '/app' }

const idParams = z.object({ id })

const create = endpoint({
  method: 'post',
  path: '/v1/pushes',
  summary: 'Create a push, or preview it',
  scope: 'send',
  query: z.strictObject({ dryRun: flag.optional() }),
  headers: z.object({
    'idempotency-key': z
      .string()
      .regex(IDEMPOTENCY_KEY, { error: 'Must be 1 to 255 characters of ASCII.' })
      .optional()
      .openapi({ description: 'With the same content within 24 hours, the same push is answered again.' }),
  }),
  body: { schema: newPushSchema, required: true, types: [JSON_TYPE], maxBytes: MAX_PUSH_BYTES },
  answers: {
    200: {
      description: 'What would be sent; nothing is kept (`dryRun=true`)',
      content: { [JSON_TYPE]: previewSchema },
    },
    202: { description: 'It is stored, and sent from now on', content: { [JSON_TYPE]: pushSchema } },
  },
  problems: ['audience-too-large', 'gateway-cannot', 'idempotency-mismatch'],
  async handle({ c, service, caller, query, headers, body }) {
    const { dispatcher, config } = service
    if (query.dryRun === true) {
      const { request, over } = readPush(service, caller, body)
      return c.json(await dispatcher.preview(request, over), 200)
    }
    const keyed = { idempotencyKey: headers['idempotency-key'], apiKey: caller.id }
    const answer = (push: StoredPush, replayed: boolean): Response =>
      c.json(toPushBody(push), 202, {
        location: `${config.server.basePath}/v1/pushes/${push.id}`,
        ...(replayed && { 'idempotent-replay': 'true' }),
      })
    let request: PushRequest
    try {
      request = readPush(service, caller, body).request
    } catch (refusal) {
      const push = await storedBefore(service, caller, body, keyed)
      if (push === undefined) throw refusal
      return answer(push, true)
    }
    const { push, replayed } = await dispatcher.submit(request, keyed)
    return answer(push, replayed)
  },
})

const list = endpoint({
  method: 'get',
  path: '/v1/pushes',
  summary: 'List pushes, newest first',
  scope: 'send',
  query: z.strictObject({
    app: topic.optional(),
    state: z.enum(PUSH_STATES).optional(),
    limit: limit.optional(),
    cursor: cursor.optional(),
  }),
  answers: {
    200: {
      description: 'A page; or the whole list, streamed',
      content: { [JSON_TYPE]: pageOf(pushSchema), 'application/x-ndjson': pushSchema, 'text/csv': z.string() },
    },
  },
  problems: [],
  async handle({ c, service, caller, query, type }) {
    const { dispatcher } = service
    const app = query.app === undefined ? caller.app : appOf(service, caller, query.app, { parameter: 'app' }).topic
    const wanted = { state: query.state, ...(app !== null && { app }) }
    return answerList<PushBody>(
      c,
      type,
      query,
      {
        columns: PUSH_COLUMNS,
        page: async () =>
          mapped(await dispatcher.list({ ...wanted, cursor: query.cursor, limit: query.limit }), toPushBody),
        all: () => whole((after) => dispatcher.list({ ...wanted, cursor: after, limit: STREAMED }), toPushBody),
      },
      service.log,
    )
  },
})

const read = endpoint({
  method: 'get',
  path: '/v1/pushes/{id}',
  summary: 'Read a push, or follow it to its end',
  scope: 'send',
  params: idParams,
  answers: {
    200: {
      description: 'The push; or as events named `push`, now and whenever it has changed, to its end',
      content: { [JSON_TYPE]: pushSchema, [EVENTS_TYPE]: z.string() },
    },
  },
  problems: ['not-found'],
  async handle({ c, service, caller, params, type }) {
    const push = await visiblePush(service, caller, params.id)
    if (type !== EVENTS_TYPE) return c.json(toPushBody(push))
    return answerEvents(
      c,
      'push',
      caller.id,
      (signal) => bodies(service.dispatcher.watch(push.id, signal)),
      service.log,
    )
  },
})

const change = endpoint({
  method: 'patch',
  path: '/v1/pushes/{id}',
  summary: 'Pause, resume or cancel a push; change its rate',
  scope: 'send',
  params: idParams,
  body: { schema: pushChangesSchema, required: true, types: [JSON_TYPE, 'application/merge-patch+json'] },
  answers: { 200: { description: 'The push as it is now', content: { [JSON_TYPE]: pushSchema } } },
  problems: ['not-found', 'state-conflict'],
  async handle({ c, service, caller, params, body }) {
    const { id: name } = await visiblePush(service, caller, params.id)
    return c.json(toPushBody(await service.dispatcher.change(name, body)))
  },
})

const notifications = endpoint({
  method: 'get',
  path: '/v1/pushes/{id}/notifications',
  summary: 'List what became of the notifications of a push',
  scope: 'send',
  params: idParams,
  query: z.strictObject({
    outcome: z.enum(SETTLED_KINDS).optional(),
    reason: z.string().min(1).max(100).optional().openapi({ example: 'BadDeviceToken' }),
    limit: limit.optional(),
    cursor: cursor.optional(),
  }),
  answers: {
    200: {
      description: 'A page; or the whole list, streamed. As long as records are kept',
      content: { [JSON_TYPE]: pageOf(recordSchema), 'application/x-ndjson': recordSchema, 'text/csv': z.string() },
    },
  },
  problems: ['not-found'],
  async handle({ c, service, caller, params, query, type }) {
    const { dispatcher } = service
    const { id: name } = await visiblePush(service, caller, params.id)
    const { outcome, reason } = query
    const page = (after: string | undefined, size: number | undefined) =>
      dispatcher.notifications(name, { outcome, reason, cursor: after, limit: size })
    return answerList<RecordBody>(
      c,
      type,
      query,
      {
        columns: RECORD_COLUMNS,
        page: async () => mapped(await page(query.cursor, query.limit), toRecordBody),
        all: () => whole((after) => page(after, STREAMED), toRecordBody),
      },
      service.log,
    )
  },
})

const notification = endpoint({
  method: 'get',
  path: '/v1/notifications/{id}',
  summary: 'Read what became of a notification, by its apns-id',
  scope: 'send',
  params: idParams,
  answers: { 200: { description: 'Its record', content: { [JSON_TYPE]: recordSchema } } },
  problems: ['not-found'],
  async handle({ c, service, caller, params }) {
    const record = await service.dispatcher.notification(params.id)
    if (record !== undefined && (await isVisible(service, caller, record.push))) return c.json(toRecordBody(record))
    throw new ApiError('not-found', 'There is no such notification, or its record is kept no longer.')
  },
})

export const PUSH_ENDPOINTS: readonly Endpoint[] = [create, list, read, change, notifications, notification]

interface ReadPush {
  readonly request: PushRequest
  readonly over: Interface
}

/** @throws ApiError; DispatcherError `gateway-cannot`; ServiceError `app-not-configured` */
function readPush(service: Service, caller: Caller, body: unknown): ReadPush {
  const { apps } = service.config
  const byDefault = apps.length > 1 ? caller.app : appOf(service, caller, undefined, AT_APP).topic
  const interfaceOf = (app: string, environment: Environment): Interface =>
    sendingInterface(appOf(service, caller, app, AT_APP), environment)
  try {
    const request = parsePushRequest(body, { app: byDefault ?? undefined, now: Date.now(), interfaceOf })
    return { request, over: interfaceOf(request.app, request.environment) }
  } catch (error) {
    if (error instanceof DispatcherError && error.code === 'invalid-push') refuseFaults(error.faults)
    throw error
  }
}

/**
 * What the same request has stored before, whatever has it refused now: a time in it that has passed, an app that is
 * configured no longer, or otherwise.
 * @throws DispatcherError `idempotency-mismatch`; DatabaseError
 */
async function storedBefore(
  { config, dispatcher }: Service,
  caller: Caller,
  body: unknown,
  keyed: SubmitOptions,
): Promise<StoredPush | undefined> {
  if (keyed.idempotencyKey === undefined) return undefined
  const onlyApp = config.apps.length === 1 ? config.apps[0]?.topic : undefined
  let request: PushRequest
  try {
    request = parsePushRequest(body, { app: caller.app ?? onlyApp, now: 0, interfaceOf: () => 'provider-api' })
  } catch {
    return undefined // nothing like it can have been stored
  }
  return dispatcher.replay(request, keyed)
}

/** @throws ApiError `not-found`, also for a push of another app than the key's */
async function visiblePush({ dispatcher }: Service, caller: Caller, name: string): Promise<StoredPush> {
  try {
    const push = await dispatcher.get(name)
    if (caller.app === null || push.app === caller.app) return push
  } catch (error) {
    if (!(error instanceof DispatcherError && error.code === 'unknown-push')) throw error
  }
  throw new ApiError('not-found', 'There is no such push.', { remedy: 'Look it up among all pushes.' })
}

async function isVisible(service: Service, caller: Caller, name: string): Promise<boolean> {
  return caller.app === null || (await service.dispatcher.get(name)).app === caller.app
}

async function* bodies(pushes: AsyncIterable<StoredPush>): AsyncGenerator<PushBody, void, undefined> {
  for await (const push of pushes) yield toPushBody(push)
}

function mapped<From, To>({ data, nextCursor }: Page<From>, toBody: (from: From) => To): Page<To> {
  return { data: data.map(toBody), nextCursor }
}

/** All pages of a list. */
async function* whole<From, To>(
  page: (cursor: string | undefined) => Promise<Page<From>>,
  toBody: (from: From) => To,
): AsyncGenerator<readonly To[], void, undefined> {
  let after: string | undefined
  do {
    const { data, nextCursor } = mapped(await page(after), toBody)
    yield data
    after = nextCursor ?? undefined
  } while (after !== undefined)
}
