import { type AppConfig, type Caller, didYouMean, type Scope, SCOPES, type Service } from '@lhspn/service'

import { ApiError, type RequestFault } from './problem.ts'

/**
 * The key of an `Authorization` header.
 * @returns undefined where there is no header, or one of another scheme
 */
export function bearerOf(header: string | undefined): string | undefined {
  return /^Bearer +(\S+)$/i.exec(header ?? '')?.[1]
}

/** @throws ApiError `unauthorized` without a good key, `forbidden` with one of a smaller scope */
export function requireScope(caller: Caller | undefined, needed: Scope): Caller {
  if (caller === undefined) {
    throw new ApiError('unauthorized', 'The request has no good API key.', {
      remedy: 'Send it as `Authorization: Bearer lhk_…`; `lhspn keys create` makes one.',
      headers: { 'www-authenticate': 'Bearer' },
    })
  }
  if (SCOPES.indexOf(caller.scope) >= SCOPES.indexOf(needed)) return caller
  throw new ApiError('forbidden', `This needs a key of scope ${needed}, and yours is ${caller.scope}.`, {
    remedy: `Use a key of scope ${needed}.`,
  })
}

/**
 * Which app a request is about: the one it names, else the one its key is bound to, else the only one.
 * @param place where it names the app, for the answer
 * @throws ApiError `forbidden` (bound to another), `invalid-request` (none named, several there), `app-not-configured`
 */
export function appOf(
  { config }: Pick<Service, 'config'>,
  caller: Pick<Caller, 'app'>,
  named: string | undefined,
  place: Omit<RequestFault, 'detail'>,
): AppConfig {
  if (named !== undefined && caller.app !== null && named !== caller.app) {
    throw new ApiError('forbidden', `The key is bound to ${caller.app}.`, {
      errors: [{ ...place, detail: `Must be ${caller.app}, or left out.` }],
    })
  }
  const { apps } = config
  const topic = named ?? caller.app ?? (apps.length === 1 ? apps[0]?.topic : undefined)
  if (topic === undefined) {
    const detail = apps.length === 0 ? 'No app is configured.' : 'Which app? There are several.'
    throw new ApiError(apps.length === 0 ? 'app-not-configured' : 'invalid-request', detail, {
      remedy: apps.length === 0 ? 'Run `lhspn apps add TOPIC`.' : 'Name one.',
      errors: [{ ...place, detail: 'Missing.' }],
    })
  }
  const app = apps.find((candidate) => candidate.topic === topic)
  if (app !== undefined) return app
  const topics = apps.filter((candidate) => caller.app === null || candidate.topic === caller.app)
  const suggestion = didYouMean(
    topic,
    topics.map((candidate) => candidate.topic),
  )
  throw new ApiError('app-not-configured', `There is no app ${topic}${suggestion || '.'}`, {
    remedy: 'Correct the name, or run `lhspn apps add TOPIC`.',
    errors: [{ ...place, detail: 'Must be an app of the configuration.' }],
  })
}
