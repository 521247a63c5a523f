import { z } from '@hono/zod-openapi'
import { type ApiKey, SCOPES } from '@lhspn/service'

import { appOf } from '../auth.ts'
import { type Endpoint, endpoint } from '../endpoint.ts'
import { answerList, type Columns } from '../list.ts'
import { ApiError } from '../problem.ts'
import { cursor, id, limit, pageOf, printable, time, topic } from '../schemas.ts'

const JSON_TYPE = 'application/json'
const DEFAULT_LIMIT = 50
const MAX_KEYS = 1000

const scope = z.enum(SCOPES)
const keySchema = z
  .object({
    id: z.string(),
    name: z.string(),
    scope,
    app: topic.nullable(),
    createdAt: time,
    lastUsedAt: time.nullable(),
  })
  .openapi('Key')
const newKeySchema = z
  .strictObject({
    name: printable.max(100).optional(),
    scope,
    app: topic.nullable().optional(),
  })
  .openapi('NewKey')

const COLUMNS: Columns<KeyBody> = {
  id: (key) => key.id,
  name: (key) => key.name,
  scope: (key) => key.scope,
  app: (key) => key.app ?? '',
  createdAt: (key) => key.createdAt,
  lastUsedAt: (key) => key.lastUsedAt ?? '',
}

/** A key as JSON has it. */
interface KeyBody extends Omit<ApiKey, 'createdAt' | 'lastUsedAt'> {
  readonly createdAt: string
  readonly lastUsedAt: string | null
}

/** What the API and the command line answer for a key. */
export function toKeyBody({ id: name, createdAt, lastUsedAt, ...rest }: ApiKey): KeyBody {
  return {
    id: name,
    ...rest,
    createdAt: createdAt.toISOString(),
    lastUsedAt: lastUsedAt === null ? null : lastUsedAt.toISOString(),
  }
}

const list = endpoint({
  method: 'get',
  path: '/v1/keys',
  summary: 'List API keys',
  scope: 'admin',
  query: z.strictObject({ limit: limit.optional(), cursor: cursor.optional() }),
  answers: {
    200: {
      description: 'A page; or the whole list, streamed',
      content: { [JSON_TYPE]: pageOf(keySchema), 'application/x-ndjson': keySchema, 'text/csv': z.string() },
    },
  },
  problems: [],
  handle({ c, service: { keys, log }, caller: { app }, query, type }) {
    return answerList<KeyBody>(
      c,
      type,
      query,
      {
        columns: COLUMNS,
        async page() {
          const size = query.limit ?? DEFAULT_LIMIT
          const found = await keys.list({ app, after: query.cursor, limit: size + 1 })
          const data = found.slice(0, size).map(toKeyBody)
          return { data, nextCursor: found.length > size ? (data.at(-1)?.id ?? null) : null }
        },
        async *all() {
          let after: string | undefined
          for (;;) {
            const found = await keys.list({ app, after, limit: MAX_KEYS })
            if (found.length > 0) yield found.map(toKeyBody)
            if (found.length < MAX_KEYS) return
            after = found.at(-1)?.id
          }
        },
      },
      log,
    )
  },
})

const create = endpoint({
  method: 'post',
  path: '/v1/keys',
  summary: 'Make an API key',
  scope: 'admin',
  body: { schema: newKeySchema, required: true, types: [JSON_TYPE] },
  answers: {
    201: {
      description: 'The key, this once',
      content: { [JSON_TYPE]: keySchema.extend({ key: z.string() }).openapi('CreatedKey') },
    },
  },
  problems: [],
  async handle({ c, service, caller, body: { app: named, ...wanted } }) {
    if (named === null && caller.app !== null) {
      throw new ApiError('forbidden', `The key is bound to ${caller.app}, and makes only keys that are too.`, {
        errors: [{ pointer: '/app', detail: `Must be ${caller.app}, or left out.` }],
      })
    }
    // a key that is bound to nothing is good for every app: the only one is not filled in
    const bound = named ?? caller.app
    const app = bound === null ? null : appOf(service, caller, bound, { pointer: '/app' }).topic
    const { key, ...made } = await service.keys.create({ ...wanted, app })
    const location = `${service.config.server.basePath}/v1/keys/${made.id}`
    return c.json({ ...toKeyBody(made), key }, 201, { location })
  },
})

const remove = endpoint({
  method: 'delete',
  path: '/v1/keys/{id}',
  summary: 'Delete an API key: it is good nowhere from then on',
  scope: 'admin',
  params: z.object({ id }),
  answers: { 204: { description: 'It is deleted' } },
  problems: ['not-found'],
  async handle({ c, service, caller, params }) {
    if (await service.keys.delete(params.id, { app: caller.app })) return c.body(null, 204)
    throw new ApiError('not-found', 'There is no such API key.')
  },
})

export const KEY_ENDPOINTS: readonly Endpoint[] = [list, create, remove]
