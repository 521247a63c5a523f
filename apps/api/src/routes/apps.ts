import { z } from '@hono/zod-openapi'
import { type AppDescription, describeApp, type EnvironmentDescription } from '@lhspn/service'

import { type Endpoint, endpoint } from '../endpoint.ts'
import { answerList, type Columns } from '../list.ts'
import { cursor, limit, pageOf, time, topic } from '../schemas.ts'

const JSON_TYPE = 'application/json'
const DEFAULT_LIMIT = 50

const environmentSchema = z.object({
  interface: z.enum(['gateway', 'provider-api']),
  credential: z.enum(['key', 'certificate']),
  keyId: z.string().optional().openapi({ description: 'Of a signing key.', example: 'ABC123DEFG' }),
  expiresAt: time.optional().openapi({ description: 'Of a certificate; absent where it cannot be read.' }),
})
const appSchema = z
  .object({
    topic,
    environments: z.object({ production: environmentSchema.optional(), sandbox: environmentSchema.optional() }),
  })
  .openapi('App')

interface AppBody {
  readonly topic: string
  readonly environments: Readonly<Record<string, EnvironmentBody>>
}

type EnvironmentBody = Pick<EnvironmentDescription, 'interface' | 'credential' | 'keyId'> & {
  readonly expiresAt?: string
}

const COLUMNS: Columns<AppBody> = {
  topic: (app) => app.topic,
  environments: (app) => JSON.stringify(app.environments),
}

const list = endpoint({
  method: 'get',
  path: '/v1/apps',
  summary: 'List the apps that are configured',
  scope: 'send',
  query: z.strictObject({ limit: limit.optional(), cursor: cursor.optional() }),
  answers: {
    200: {
      description: 'A page; or the whole list',
      content: { [JSON_TYPE]: pageOf(appSchema), 'application/x-ndjson': appSchema, 'text/csv': z.string() },
    },
  },
  problems: [],
  handle({ c, service: { config, log }, caller, query, type }) {
    const apps = config.apps
      .filter(({ topic: name }) => caller.app === null || name === caller.app)
      .toSorted((one, other) => (one.topic < other.topic ? -1 : 1))
    const describe = async (some: typeof apps): Promise<AppBody[]> =>
      (await Promise.all(some.map(describeApp))).map(toAppBody)
    return answerList<AppBody>(
      c,
      type,
      query,
      {
        columns: COLUMNS,
        async page() {
          const { cursor: after = '', limit: size = DEFAULT_LIMIT } = query
          const rest = apps.filter(({ topic: name }) => name > after)
          const data = await describe(rest.slice(0, size))
          return { data, nextCursor: rest.length > size ? (data.at(-1)?.topic ?? null) : null }
        },
        async *all() {
          yield await describe(apps)
        },
      },
      log,
    )
  },
})

export const APP_ENDPOINTS: readonly Endpoint[] = [list]

/** Where the servers and files are is nobody's business here. */
function toAppBody({ topic: name, environments }: AppDescription): AppBody {
  const bodies = Object.entries(environments).map(
    ([environment, { interface: over, credential, keyId, expiresAt }]): [string, EnvironmentBody] => [
      environment,
      {
        interface: over,
        credential,
        ...(keyId !== undefined && { keyId }),
        ...(expiresAt !== undefined && { expiresAt: expiresAt.toISOString() }),
      },
    ],
  )
  return { topic: name, environments: Object.fromEntries(bodies) }
}
