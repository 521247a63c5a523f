import type { HttpBindings } from '@hono/node-server'
import type { OpenAPIHono, RouteConfig } from '@hono/zod-openapi'
import { DeviceStoreError } from '@lhspn/device-store'
import type { Caller, Scope, Service } from '@lhspn/service'
import type { Context } from 'hono'
import type { z } from 'zod'

import { requireScope } from './auth.ts'
import { BODY_TIMEOUT_MS, decodeText, readBody } from './body.ts'
import type { EventStreams } from './events.ts'
import { check, faultsOfJson } from './faults.ts'
import { chooseType, mediaTypeOf } from './negotiation.ts'
import { ApiError, type ProblemKind, PROBLEMS, refuseFaults, type RequestFault } from './problem.ts'
import { problemSchema } from './schemas.ts'

/** What every request carries along. */
export interface Env {
  readonly Bindings: HttpBindings
  readonly Variables: {
    requestId: string
    /** Aborted when the server is about to end: answers that go on and on end then. */
    ending: AbortSignal
    eventStreams: EventStreams
  }
}

/** What a handler has of its request: checked, typed, and from somebody who may. */
interface Input<Params, Query, Headers, Body> {
  readonly c: Context<Env>
  readonly service: Service
  readonly caller: Caller
  readonly params: Params
  readonly query: Query
  readonly headers: Headers
  readonly body: Body
  /** The form that the client asks for, of those that `answers` has. */
  readonly type: string
}

interface BodyOptions<Body> {
  readonly schema: z.ZodType<Body>
  /** Where the value belongs to another package: its parser, which finds what a schema cannot say. Throws `faults`. */
  readonly judge?: (value: unknown) => unknown
  /** False: no body is as good as `{}`. */
  readonly required: boolean
  /** Media types that it may come as. */
  readonly types: readonly string[]
  /** Default 1 MiB. */
  readonly maxBytes?: number
}

/** One route: what the document says of it, what is checked before it runs, and what it does. */
export interface EndpointOptions<Params, Query, Headers, Body> {
  readonly method: 'get' | 'put' | 'post' | 'patch' | 'delete'
  /** With parameters in braces. */
  readonly path: string
  readonly summary: string
  readonly scope: Scope
  readonly params?: z.ZodType<Params>
  /** Refuses what it does not know. */
  readonly query?: z.ZodType<Query>
  /** Headers that mean something here, by their names in lower case; others are read past. */
  readonly headers?: z.ZodType<Headers>
  /** JSON. Left out where the handler reads it by itself. */
  readonly body?: BodyOptions<Body>
  /** What the document says of a body that the handler reads by itself. */
  readonly upload?: Readonly<Record<string, z.ZodType>>
  /** By status: what it means, and the forms that it comes in. */
  readonly answers: Readonly<
    Record<number, { readonly description: string; readonly content?: Readonly<Record<string, z.ZodType>> }>
  >
  /** Kinds of problem beside those that every route may answer. */
  readonly problems: readonly ProblemKind[]
  handle(input: Input<Params, Query, Headers, Body>): Promise<Response>
}

/** Kinds that any request may meet. */
const COMMON_PROBLEMS: readonly ProblemKind[] = [
  'invalid-request',
  'unauthorized',
  'forbidden',
  'not-acceptable',
  'app-not-configured',
  'rate-limited',
  'internal',
  'unavailable',
]

/** Ready to be mounted; its types stay inside. */
export interface Endpoint {
  readonly method: EndpointOptions<unknown, unknown, unknown, unknown>['method']
  readonly path: string
  readonly route: RouteConfig
  /** @param caller who asks, undefined for nobody known */
  answer(c: Context<Env>, service: Service, caller: Caller | undefined): Promise<Response>
}

/** Puts a route together. */
export function endpoint<Params = undefined, Query = undefined, Headers = undefined, Body = undefined>(
  options: EndpointOptions<Params, Query, Headers, Body>,
): Endpoint {
  const types = [...new Set(Object.values(options.answers).flatMap(({ content }) => Object.keys(content ?? {})))]
  const [firstType, ...otherTypes] = types
  return {
    method: options.method,
    path: options.path,
    route: routeOf(options),
    async answer(c, service, caller) {
      const known = requireScope(caller, options.scope)
      const accept = c.req.header('accept')
      const type = firstType === undefined ? '' : chooseType(accept, [firstType, ...otherTypes])
      const faults: RequestFault[] = []
      const params = checkParameters(options.params, c.req.param(), faults)
      const query = checkParameters(options.query, queryOf(c, faults), faults)
      const headers = options.headers && check(options.headers, c.req.header(), 'parameter', faults)
      const body = options.body === undefined ? undefined : await checkBody(options.body, c, faults)
      refuseFaults(faults)
      const input = { c, service, caller: known, params, query, headers, body, type }
      return options.handle(input as Input<Params, Query, Headers, Body>)
    },
  }
}

/** Adds a route to the document. */
export function document(app: OpenAPIHono<Env>, { route }: Endpoint): void {
  app.openAPIRegistry.registerPath(route)
}

function checkParameters<T>(
  schema: z.ZodType<T> | undefined,
  given: Readonly<Record<string, string>>,
  faults: RequestFault[],
): T | undefined {
  if (schema !== undefined) return check(schema, given, 'parameter', faults)
  for (const parameter of Object.keys(given)) faults.push({ parameter, detail: 'There is no such parameter.' })
  return undefined
}

/** Each parameter once: what a second one means, nobody knows. */
function queryOf(c: Context<Env>, faults: RequestFault[]): Record<string, string> {
  const values = new Map<string, string>()
  for (const [name, [value = '', ...more]] of Object.entries(c.req.queries())) {
    if (more.length > 0) faults.push({ parameter: name, detail: 'Must not be there more than once.' })
    values.set(name, value)
  }
  return Object.fromEntries(values)
}

async function checkBody<T>(
  { schema, judge, required, types, maxBytes }: BodyOptions<T>,
  c: Context<Env>,
  faults: RequestFault[],
): Promise<T | undefined> {
  const { incoming } = c.env
  const type = mediaTypeOf(incoming.headers['content-type'])
  if (type !== undefined && !types.includes(type)) {
    throw new ApiError('unsupported-media-type', `The body must be ${types.join(' or ')}, not ${JSON.stringify(type)}.`)
  }
  const bytes = await readBody(incoming, BODY_TIMEOUT_MS, maxBytes)
  if (bytes.length === 0 && !required) return check(schema, {}, 'body', faults)
  if (type === undefined) throw new ApiError('unsupported-media-type', `The body needs a Content-Type: ${types[0]}.`)
  const value = parseJson(decodeText(bytes))
  faults.push(...faultsOfJson(value))
  const body = check(schema, value, 'body', faults)
  if (judge !== undefined) faults.push(...judgement(judge, value).filter((fault) => !isTold(fault, faults)))
  return body
}

/** Whether something is known to be wrong at the same place, or above it. */
function isTold({ pointer = '' }: RequestFault, faults: readonly RequestFault[]): boolean {
  return faults.some((known) => known.pointer !== undefined && `${pointer}/`.startsWith(`${known.pointer}/`))
}

function judgement(judge: (value: unknown) => unknown, value: unknown): readonly RequestFault[] {
  try {
    judge(value)
    return []
  } catch (error) {
    if (error instanceof DeviceStoreError) return error.faults
    throw error
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    const why = error instanceof Error ? error.message.slice(0, 200) : ''
    throw new ApiError('invalid-request', 'The body is no JSON; nothing was stored.', {
      errors: [{ pointer: '', detail: why }],
    })
  }
}

function routeOf<Params, Query, Headers, Body>(options: EndpointOptions<Params, Query, Headers, Body>): RouteConfig {
  const { method, path, summary, scope, params, query, headers, body, upload, answers, problems } = options
  const content =
    upload ?? (body === undefined ? undefined : Object.fromEntries(body.types.map((type) => [type, body.schema])))
  const kinds = [...COMMON_PROBLEMS, ...problems, ...(content === undefined ? [] : BODY_PROBLEMS)]
  const responses: RouteConfig['responses'] = {}
  for (const [status, titles] of titlesByStatus(kinds)) {
    responses[status] = {
      description: titles.join('; or: '),
      content: { 'application/problem+json': { schema: problemSchema } },
    }
  }
  for (const [status, answer] of Object.entries(answers)) {
    responses[status] = {
      description: answer.description,
      ...(answer.content && { content: contentOf(answer.content) }),
    }
  }
  return {
    method,
    path,
    summary,
    security: [{ key: [scope] }],
    request: {
      ...(params !== undefined && { params: params as never }),
      ...(query !== undefined && { query: query as never }),
      ...(headers !== undefined && { headers: headers as never }),
      ...(content !== undefined && { body: { required: body?.required ?? true, content: contentOf(content) } }),
    },
    responses,
  }
}

function titlesByStatus(kinds: readonly ProblemKind[]): ReadonlyMap<number, readonly string[]> {
  const titles = new Map<number, string[]>()
  for (const kind of kinds) {
    const { status, title } = PROBLEMS[kind]
    titles.set(status, [...(titles.get(status) ?? []), title])
  }
  return titles
}

const BODY_PROBLEMS: readonly ProblemKind[] = ['payload-too-large', 'unsupported-media-type']

function contentOf(schemas: Readonly<Record<string, z.ZodType>>) {
  return Object.fromEntries(Object.entries(schemas).map(([type, schema]) => [type, { schema }]))
}
