import { parseDeviceToken, ProtocolError } from '@lhspn/apns-protocol'
import {
  type Attributes,
  DeviceStoreError,
  parseRegistration,
  type Registration,
  splitOsVersion,
} from '@lhspn/device-store'
import type { AppConfig, Service } from '@lhspn/service'
import type { Context } from 'hono'

import { BODY_TIMEOUT_MS, readBody } from '../body.ts'
import type { Env } from '../endpoint.ts'
import { mediaTypeOf } from '../negotiation.ts'
import { ApiError, kindOf, PROBLEMS } from '../problem.ts'

/** Where the apps of LHSPNservice register; it answered at both. */
export const LEGACY_PATHS = ['/saveToken.php', '/saveTokens.php'] as const

/**
 * The endpoint of LHSPNservice, as apps in the field know it: no key, parameters in the query or in form content, lines
 * of plain text. What is wrong is told in one line under status 400.
 */
export async function answerLegacy(c: Context<Env>, service: Service): Promise<Response> {
  const { method } = c.req
  try {
    return answer(c, 200, [method, ...(await run(c, service))])
  } catch (error) {
    return answerLegacyError(c, error)
  }
}

/** Whatever was thrown, in this endpoint's form. What is a fault of ours is left to who knows how to log it. */
export function answerLegacyError(c: Context<Env>, error: unknown): Response {
  const { status, title } = PROBLEMS[kindOf(error)]
  if (status >= 500) throw error
  const text = error instanceof Error ? firstDetail(error) : title
  return answer(c, status, [c.req.method, text.replaceAll(/\s+/g, ' ')], error instanceof ApiError ? error.headers : {})
}

async function run(c: Context<Env>, service: Service): Promise<readonly string[]> {
  switch (c.req.method) {
    case 'POST':
      return save(await parametersOf(c), service)
    case 'DELETE':
      return remove(rawQueryOf(c), service)
    default:
      return [`${c.req.method} is an unused verb!`]
  }
}

async function save(parameters: ReadonlyMap<string, string>, service: Service): Promise<readonly string[]> {
  const app = legacyApp(service)
  const registration = readRegistration(parameters, app)
  const [saved] = await service.store.save([registration], { keepAttributes: app.trustedAttributes })
  if (saved === undefined) throw new Error('The registry answered nothing for a registration')
  if (saved.created) return ['Token Result: ', 'Saving...', 'Saved new token']
  const outcome = saved.changed ? 'Updated token and reset badge' : 'Reset badge, no need to update token'
  return ['Token Result: Array', 'Updating...', outcome]
}

async function remove(query: string, service: Service): Promise<readonly string[]> {
  const token = parseDeviceToken(decode(query))
  await service.store.delete(legacyApp(service).topic, token)
  return [`Token to delete: ${query}`, 'Deleted token']
}

function readRegistration(parameters: ReadonlyMap<string, string>, app: AppConfig): Registration {
  const token = parameters.get('token') ?? ''
  if (token === '') throw new ApiError('invalid-request', 'token is missing')
  const userInfo = parameters.get('userInfo')
  const isDev = parameters.get('isDev') ?? ''
  return parseRegistration({
    app: app.topic,
    token: parseDeviceToken(token),
    environment: isDev === '1' || isDev.toLowerCase() === 'true' ? 'sandbox' : 'production',
    ...splitOsVersion(parameters.get('OSVersion') ?? ''),
    badge: 0,
    ...(userInfo !== undefined && { attributes: readUserInfo(userInfo, app.trustedAttributes ?? []) }),
  })
}

/** A flat object of it: nested values become their JSON text, as in an import of the old table; null says nothing. */
function readUserInfo(text: string, untouchable: readonly string[]): Attributes {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    // told below
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ApiError('invalid-request', 'userInfo is no JSON object')
  }
  const entries = Object.entries(value)
    .filter(([key, content]) => content !== null && !untouchable.includes(key))
    .map(([key, content]) => [key, typeof content === 'object' ? JSON.stringify(content) : content])
  return Object.fromEntries(entries) as Attributes
}

/** Of the query and of form content; where both have one, the query's counts. */
async function parametersOf(c: Context<Env>): Promise<ReadonlyMap<string, string>> {
  const { incoming } = c.env
  const type = mediaTypeOf(incoming.headers['content-type'])
  const isForm = type === undefined || type === 'application/x-www-form-urlencoded'
  const form = isForm ? (await readBody(incoming, BODY_TIMEOUT_MS)).toString('latin1') : ''
  return new Map([...readForm(form), ...readForm(rawQueryOf(c))])
}

function readForm(text: string): [name: string, value: string][] {
  return text
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const at = pair.indexOf('=')
      return at === -1 ? [decode(pair), ''] : [decode(pair.slice(0, at)), decode(pair.slice(at + 1))]
    })
}

function rawQueryOf(c: Context<Env>): string {
  const url = c.env.incoming.url ?? ''
  const at = url.indexOf('?')
  return at === -1 ? '' : url.slice(at + 1)
}

/** Bytes, a character each, that are escaped or stand for themselves: UTF-8 in any case. */
function decode(text: string): string {
  const bytes = text
    .replaceAll('+', ' ')
    .replaceAll(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCodePoint(Number.parseInt(hex, 16)))
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(bytes, 'latin1'))
  } catch {
    throw new ApiError('invalid-request', 'a parameter is not valid UTF-8')
  }
}

/** The configuration has made sure that there is one. */
function legacyApp({ config }: Service): AppConfig {
  const app = config.apps.find(({ topic }) => topic === (config.legacy.app ?? config.apps[0]?.topic))
  if (app === undefined) throw new ApiError('app-not-configured', 'There is no app for this endpoint')
  return app
}

function firstDetail(error: Error): string {
  if (error instanceof DeviceStoreError) {
    const [first] = error.faults
    return first === undefined ? error.message : `${first.pointer.slice(1)}: ${first.detail}`
  }
  return error instanceof ProtocolError ? `token: ${error.message}` : error.message
}

function answer(
  c: Context<Env>,
  status: number,
  lines: readonly string[],
  headers: Readonly<Record<string, string>> = {},
): Response {
  return c.body(`${lines.join('\n')}\n`, status as 200, { ...headers, 'content-type': 'text/plain; charset=utf-8' })
}
