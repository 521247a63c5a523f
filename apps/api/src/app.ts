import { readFileSync } from 'node:fs'

import { OpenAPIHono } from '@hono/zod-openapi'
import type { Caller, Service } from '@lhspn/service'
import type { Context } from 'hono'
import { secureHeaders } from 'hono/secure-headers'
import { ulid } from 'ulid'

import { ClientAddresses, networkOf } from './address.ts'
import { bearerOf } from './auth.ts'
import type { Endpoint, Env } from './endpoint.ts'
import { EventStreams } from './events.ts'
import { createDocument } from './openapi.ts'
import { ApiError, kindOf, PROBLEMS, problemOf } from './problem.ts'
import { RateLimiter } from './rate-limit.ts'
import { APP_ENDPOINTS } from './routes/apps.ts'
import { DEVICE_ENDPOINTS } from './routes/devices.ts'
import { KEY_ENDPOINTS } from './routes/keys.ts'
import { answerLegacy, answerLegacyError, LEGACY_PATHS } from './routes/legacy-save-token.ts'
import { answerProblemPage } from './routes/problems.ts'
import { PUSH_ENDPOINTS } from './routes/pushes.ts'

const ENDPOINTS: readonly Endpoint[] = [...DEVICE_ENDPOINTS, ...PUSH_ENDPOINTS, ...KEY_ENDPOINTS, ...APP_ENDPOINTS]

/**
 * The public HTTP API over an installation: every route, in order.
 * @param ending aborted when the server is about to end: answers that go on and on end then
 */
export function createApp(service: Service, ending: AbortSignal): OpenAPIHono<Env> {
  const { basePath } = service.config.server
  const gate = new Gate(service)
  const eventStreams = new EventStreams()
  const app = new OpenAPIHono<Env>()

  app.use(async (c, next) => {
    const startedAt = performance.now()
    // a label and no secret: random bytes from the system would cost more than the rest of this function
    c.set('requestId', `req_${ulid(undefined, Math.random)}`)
    c.set('ending', ending)
    c.set('eventStreams', eventStreams)
    c.header('x-request-id', c.get('requestId'))
    c.header('cache-control', 'no-store')
    await next()
    const ms = Math.round(performance.now() - startedAt)
    const { method, routePath: route } = c.req
    service.log.debug({ request: c.get('requestId'), method, route, status: c.res.status, ms }, 'request')
  })
  app.use(
    secureHeaders({
      contentSecurityPolicy: { defaultSrc: ["'none'"], frameAncestors: ["'none'"] },
      xFrameOptions: 'DENY',
      // of this host alone: what stands beside it is not ours to decide
      strictTransportSecurity: 'max-age=15552000',
    }),
  )

  for (const endpoint of ENDPOINTS) {
    app.on(endpoint.method, routePath(basePath, endpoint.path), async (c) =>
      endpoint.answer(c, service, await gate.identify(c)),
    )
  }
  const contract = createDocument(app, ENDPOINTS, basePath, version())
  app.get(`${basePath}/v1/openapi.json`, (c) => {
    gate.admitAddress(c)
    return c.json(contract)
  })
  app.get(`${basePath}/problems/:kind`, (c) => {
    gate.admitAddress(c)
    return answerProblemPage(c)
  })
  if (service.config.legacy.enabled) {
    for (const path of LEGACY_PATHS) {
      app.all(`${basePath}${path}`, (c) => {
        try {
          gate.admitAddress(c, 'register')
        } catch (error) {
          return answerLegacyError(c, error)
        }
        return answerLegacy(c, service)
      })
    }
  }
  refuseOtherMethods(app, gate)
  app.all('*', (c) => {
    gate.admitAddress(c)
    throw new ApiError('not-found', 'There is nothing at this path.')
  })
  app.onError((error, c) => answerProblem(c, error, service))
  return app
}

/** Finds out who asks, and lets through what the rate limits allow. */
class Gate {
  readonly #service: Service
  readonly #addresses: ClientAddresses
  readonly #limiters: Readonly<Record<'register' | 'api', RateLimiter>>
  #hasWarned = false

  constructor(service: Service) {
    const { server, rateLimit } = service.config
    this.#service = service
    this.#addresses = new ClientAddresses(server.trustProxy)
    this.#limiters = {
      register: new RateLimiter('register', rateLimit.register),
      api: new RateLimiter('api', rateLimit.api),
    }
  }

  /**
   * The holder of the request's key, undefined where it has no good one. A register key is counted by address, since it
   * is in every copy of an app; others by themselves; and whoever has none by address too.
   * @throws ApiError `rate-limited`; DatabaseError
   */
  async identify(c: Context<Env>): Promise<Caller | undefined> {
    const key = bearerOf(c.req.header('authorization'))
    let caller: Caller | undefined
    try {
      caller = key === undefined ? undefined : await this.#service.keys.verify(key)
    } catch (error) {
      this.admitAddress(c)
      throw error
    }
    if (caller === undefined || caller.scope === 'register')
      this.admitAddress(c, caller?.scope === 'register' ? 'register' : 'api')
    else this.#admit(c, 'api', caller.id)
    return caller
  }

  /** @throws ApiError `rate-limited` */
  admitAddress(c: Context<Env>, policy: 'register' | 'api' = 'api'): void {
    const peer = c.env.incoming.socket.remoteAddress ?? ''
    const { address, ignored } = this.#addresses.find(peer, c.req.header('x-forwarded-for'))
    if (ignored && !this.#hasWarned) {
      this.#hasWarned = true
      this.#service.log.warn(
        { peer },
        'X-Forwarded-For comes from an address that is not trusted: all devices behind it share one rate limit. Set server.trustProxy.',
      )
    }
    this.#admit(c, policy, networkOf(address))
  }

  #admit(c: Context<Env>, policy: 'register' | 'api', who: string): void {
    const admission = this.#limiters[policy].admit(who, performance.now())
    c.header('ratelimit-policy', admission.policy)
    c.header('ratelimit', admission.state)
    if (admission.admitted) return
    throw new ApiError('rate-limited', `There were too many requests: come back in ${admission.resetSeconds} s.`, {
      headers: { 'retry-after': String(admission.resetSeconds) },
    })
  }
}

/** Every path that has routes answers other methods by what it has. */
function refuseOtherMethods(app: OpenAPIHono<Env>, gate: Gate): void {
  const methods = new Map<string, Set<string>>()
  for (const { method, path } of app.routes) {
    if (method === 'ALL') continue
    const known = methods.get(path) ?? new Set()
    methods.set(path, known.add(method))
    if (method === 'GET') known.add('HEAD')
  }
  for (const [path, known] of methods) {
    app.all(path, (c) => {
      gate.admitAddress(c)
      const allow = [...known].join(', ')
      throw new ApiError('method-not-allowed', `The path has ${allow}.`, { headers: { allow } })
    })
  }
}

function answerProblem(c: Context<Env>, error: unknown, service: Service): Response {
  const request = c.get('requestId')
  const kind = kindOf(error)
  const { status } = PROBLEMS[kind]
  if (status >= 500)
    service.log.error({ request, err: error, method: c.req.method, route: c.req.routePath }, 'request failed')
  const headers = {
    ...(kind === 'unavailable' && { 'retry-after': '5' }),
    ...(error instanceof ApiError && error.headers),
    'content-type': 'application/problem+json',
  }
  return c.body(JSON.stringify(problemOf(error, request, service.config.server.basePath)), status, headers)
}

function routePath(basePath: string, path: string): string {
  return basePath + path.replaceAll(/\{(\w+)\}/g, ':$1')
}

function version(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  return (JSON.parse(text) as { readonly version: string }).version
}
